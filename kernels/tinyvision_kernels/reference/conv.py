"""Convolution as a matrix product (im2col), and its two gradients.

Copy the window under every output position into a row of a matrix; then all dot products of windows
and filters are one matrix product, which every array library does well. The price is memory: each
pixel is copied up to KH * KW times. Source: Chellapilla, Puri, Simard 2006.

Groups: output channel o reads only the C/G input channels of its group, so each group is a
convolution of its own. G = C is a depthwise convolution.

``algorithm="loops"`` takes the seven loops of :mod:`.naive_conv` instead.
"""

from typing import Any

from ..contract import AlgorithmError, Pads, Pair
from . import naive_conv
from .window import crop_image, pad_image, window_cells


def im2col(
    xp: Any, x: Any, window: Pair, positions: Pair, stride: Pair, pad: Pads, dilation: Pair
) -> Any:
    """Gather the windows of x (N, H, W, C) into an array (N, OH, OW, KH, KW, C)."""
    padded = pad_image(xp, x, pad, 0)
    columns = xp.empty((x.shape[0], *positions, *window, x.shape[3]), dtype=x.dtype)
    for r, s, where in window_cells(window, positions, stride, dilation):
        columns[:, :, :, r, s] = padded[where]
    return columns


def col2im(xp: Any, columns: Any, size: Pair, stride: Pair, pad: Pads, dilation: Pair) -> Any:
    """Add windows (N, OH, OW, KH, KW, C) up to an image (N, H, W, C): the transpose of im2col.

    A pixel was copied into every window that covers it, so it receives the sum of their gradients.
    """
    N, OH, OW, KH, KW, C = columns.shape
    top, bottom, left, right = pad
    padded = xp.zeros((N, top + size[0] + bottom, left + size[1] + right, C), dtype=columns.dtype)
    for r, s, where in window_cells((KH, KW), (OH, OW), stride, dilation):
        padded[where] += columns[:, :, :, r, s]
    return crop_image(padded, pad)


def _group(channels: int, groups: int, group: int) -> slice:
    """Return the slice of the channels that belong to one of the groups."""
    share = channels // groups
    return slice(group * share, (group + 1) * share)


def _by_loops(algorithm: str) -> bool:
    if algorithm not in ("auto", "im2col", "loops"):
        raise AlgorithmError(
            f"the reference backend has no convolution algorithm {algorithm!r}: try 'auto', "
            "'im2col' or 'loops'"
        )
    return algorithm == "loops"


def conv2d(
    xp: Any,
    y: Any,
    x: Any,
    w: Any,
    b: Any,
    stride: Pair,
    pad: Pads,
    dilation: Pair,
    groups: int,
    algorithm: str = "auto",
) -> None:
    """y = b + windows(x) @ w, in each group."""
    if _by_loops(algorithm):
        naive_conv.conv2d(y, x, w, b, stride, pad, dilation, groups)
        return
    KH, KW, share, O = w.shape
    columns = im2col(xp, x, (KH, KW), y.shape[1:3], stride, pad, dilation)
    for group in range(groups):
        c, o = _group(x.shape[3], groups, group), _group(O, groups, group)
        rows = columns[..., c].reshape(-1, KH * KW * share)  # (N*OH*OW, KH*KW*C/G)
        filters = w[..., o].reshape(KH * KW * share, O // groups)  # (KH*KW*C/G, O/G)
        product = xp.matmul(rows, filters)  # (N*OH*OW, O/G)
        y[..., o] = product.reshape(*y.shape[:3], O // groups)
    if b is not None:
        y += b


def conv2d_dx(
    xp: Any,
    dx: Any,
    dy: Any,
    w: Any,
    size: Pair,
    stride: Pair,
    pad: Pads,
    dilation: Pair,
    groups: int,
    algorithm: str = "auto",
) -> None:
    """dx = the windows dy @ w^T added up where they were cut out."""
    if _by_loops(algorithm):
        naive_conv.conv2d_dx(dx, dy, w, size, stride, pad, dilation, groups)
        return
    N, OH, OW, O = dy.shape
    KH, KW, share, _ = w.shape
    for group in range(groups):
        c, o = _group(dx.shape[3], groups, group), _group(O, groups, group)
        rows = dy[..., o].reshape(N * OH * OW, O // groups)  # (N*OH*OW, O/G)
        filters = w[..., o].reshape(KH * KW * share, O // groups)  # (KH*KW*C/G, O/G)
        columns = xp.matmul(rows, filters.T)  # (N*OH*OW, KH*KW*C/G)
        columns = columns.reshape(N, OH, OW, KH, KW, share)
        dx[..., c] = col2im(xp, columns, size, stride, pad, dilation)


def conv2d_dw(
    xp: Any,
    dw: Any,
    x: Any,
    dy: Any,
    window: Pair,
    stride: Pair,
    pad: Pads,
    dilation: Pair,
    groups: int,
    algorithm: str = "auto",
) -> None:
    """dw = windows(x)^T @ dy, in each group."""
    if _by_loops(algorithm):
        naive_conv.conv2d_dw(dw, x, dy, window, stride, pad, dilation, groups)
        return
    KH, KW, share, O = dw.shape
    columns = im2col(xp, x, window, dy.shape[1:3], stride, pad, dilation)
    for group in range(groups):
        c, o = _group(x.shape[3], groups, group), _group(O, groups, group)
        rows = columns[..., c].reshape(-1, KH * KW * share)  # (N*OH*OW, KH*KW*C/G)
        gradients = dy[..., o].reshape(rows.shape[0], O // groups)  # (N*OH*OW, O/G)
        product = xp.matmul(rows.T, gradients)  # (KH*KW*C/G, O/G)
        dw[..., o] = product.reshape(KH, KW, share, O // groups)


def bias_grad(xp: Any, db: Any, dy: Any) -> None:
    """db[o] = sum of dy over all axes but the last."""
    db[...] = xp.sum(dy.reshape(-1, dy.shape[-1]), axis=0)  # (..., O) -> (M, O) -> (O,)
