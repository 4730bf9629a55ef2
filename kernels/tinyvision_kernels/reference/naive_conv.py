"""Convolution and its gradients as seven nested loops: the definition, one product at a time.

The three kernels walk over the same set of products. Each product joins a pixel x[n,p,q,c], a
weight w[r,s,c,o] and an output y[n,i,j,o], which are bound by

    p = i * stride + r * dilation - top,    q = j * stride + s * dilation - left.

The forward pass adds x * w to y; each gradient adds the product of the other two to its own array.
That is the whole of it: everything else written about convolution is about doing this fast.

They need no array module, since they only index, and take hours for what im2col does in a second;
``algorithm="loops"`` of the reference kernels leads here. The tests hold im2col equal to them.
"""

from typing import Any

from ..contract import Pads, Pair


def conv2d(
    y: Any, x: Any, w: Any, b: Any, stride: Pair, pad: Pads, dilation: Pair, groups: int
) -> None:
    """y[n,i,j,o] = b[o] + sum_{r,s,c} x[n,p,q,c] * w[r,s,c,o]."""
    N, H, W, _ = x.shape
    _, OH, OW, O = y.shape
    KH, KW, share, _ = w.shape  # share = C / groups
    y[...] = 0 if b is None else b
    for n in range(N):
        for i in range(OH):
            for j in range(OW):
                for o in range(O):
                    first = o // (O // groups) * share  # first input channel of o's group
                    for r in range(KH):
                        for s in range(KW):
                            p = i * stride[0] + r * dilation[0] - pad[0]
                            q = j * stride[1] + s * dilation[1] - pad[2]
                            if not (0 <= p < H and 0 <= q < W):
                                continue  # padding: zero times the weight
                            for c in range(share):
                                y[n, i, j, o] += x[n, p, q, first + c] * w[r, s, c, o]


def conv2d_dx(
    dx: Any,
    dy: Any,
    w: Any,
    size: Pair,
    stride: Pair,
    pad: Pads,
    dilation: Pair,
    groups: int,
) -> None:
    """dx[n,p,q,c] = sum of dy[n,i,j,o] * w[r,s,c,o] over all that meet at pixel (p, q)."""
    N, H, W, _ = dx.shape
    _, OH, OW, O = dy.shape
    KH, KW, share, _ = w.shape
    dx[...] = 0
    for n in range(N):
        for i in range(OH):
            for j in range(OW):
                for o in range(O):
                    first = o // (O // groups) * share
                    for r in range(KH):
                        for s in range(KW):
                            p = i * stride[0] + r * dilation[0] - pad[0]
                            q = j * stride[1] + s * dilation[1] - pad[2]
                            if not (0 <= p < H and 0 <= q < W):
                                continue
                            for c in range(share):
                                dx[n, p, q, first + c] += dy[n, i, j, o] * w[r, s, c, o]


def conv2d_dw(
    dw: Any,
    x: Any,
    dy: Any,
    window: Pair,
    stride: Pair,
    pad: Pads,
    dilation: Pair,
    groups: int,
) -> None:
    """dw[r,s,c,o] = sum_{n,i,j} x[n,p,q,c] * dy[n,i,j,o]."""
    N, H, W, _ = x.shape
    _, OH, OW, O = dy.shape
    KH, KW, share, _ = dw.shape
    dw[...] = 0
    for n in range(N):
        for i in range(OH):
            for j in range(OW):
                for o in range(O):
                    first = o // (O // groups) * share
                    for r in range(KH):
                        for s in range(KW):
                            p = i * stride[0] + r * dilation[0] - pad[0]
                            q = j * stride[1] + s * dilation[1] - pad[2]
                            if not (0 <= p < H and 0 <= q < W):
                                continue
                            for c in range(share):
                                dw[r, s, c, o] += x[n, p, q, first + c] * dy[n, i, j, o]
