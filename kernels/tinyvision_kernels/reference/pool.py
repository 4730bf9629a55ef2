"""Pooling: one number for each window of each channel. Upsampling: one pixel becomes several."""

import math
from typing import Any

from ..contract import Pads, Pair
from .window import crop_image, pad_image, window_cells


def _first_real_cell(xp: Any, count: int, stride: int, before: int) -> Any:
    """For each window position along one axis, its first cell that is not padding."""
    return xp.maximum(before - stride * xp.arange(count), 0)


def max_pool2d(xp: Any, y: Any, argmax: Any, x: Any, window: Pair, stride: Pair, pad: Pads) -> None:
    """Keep the largest cell of each window, and remember which it was."""
    _, OH, OW, _ = y.shape
    first_row = _first_real_cell(xp, OH, stride[0], pad[0])  # (OH,)
    first_column = _first_real_cell(xp, OW, stride[1], pad[2])  # (OW,)
    first = first_row[:, None] * window[1] + first_column  # (OH, OW)
    # Start as if the first real cell had won at -inf: it stays the winner if all are -inf.
    argmax[...] = first[:, :, None].astype(argmax.dtype)  # (OH, OW, 1), alike for all n and c
    y[...] = -math.inf
    padded = pad_image(xp, x, pad, -math.inf)
    for r, s, where in window_cells(window, (OH, OW), stride):
        cell = padded[where]  # (N, OH, OW, C)
        wins = (cell > y) | (xp.isnan(cell) & ~xp.isnan(y))  # the first NaN beats all
        y[...] = xp.where(wins, cell, y)
        argmax[...] = xp.where(wins, r * window[1] + s, argmax)


def max_pool2d_dx(
    xp: Any,
    dx: Any,
    dy: Any,
    argmax: Any,
    size: Pair,
    window: Pair,
    stride: Pair,
    pad: Pads,
) -> None:
    """Send each gradient to the cell that won; a cell that won twice (overlap) gets both."""
    padded = pad_image(xp, xp.zeros_like(dx), pad, 0)
    for r, s, where in window_cells(window, dy.shape[1:3], stride):
        padded[where] += xp.where(argmax == r * window[1] + s, dy, 0)
    dx[...] = crop_image(padded, pad)


def _real_cells(xp: Any, like: Any, size: Pair, window: Pair, stride: Pair, pad: Pads) -> Any:
    """Count the cells of each window that are not padding: (1, OH, OW, 1)."""
    inside = pad_image(xp, xp.ones((1, *size, 1), dtype=like.dtype), pad, 0)
    cells = window_cells(window, like.shape[1:3], stride)
    return sum(inside[where] for _, _, where in cells)


def avg_pool2d(xp: Any, y: Any, x: Any, window: Pair, stride: Pair, pad: Pads) -> None:
    """y = (sum of the window) / (its cells that are not padding)."""
    padded = pad_image(xp, x, pad, 0)
    y[...] = 0
    for _, _, where in window_cells(window, y.shape[1:3], stride):
        y += padded[where]
    y /= _real_cells(xp, y, x.shape[1:3], window, stride, pad)


def avg_pool2d_dx(
    xp: Any, dx: Any, dy: Any, size: Pair, window: Pair, stride: Pair, pad: Pads
) -> None:
    """Share each gradient out evenly among the real cells of its window."""
    share = dy / _real_cells(xp, dy, size, window, stride, pad)  # (N, OH, OW, C)
    padded = pad_image(xp, xp.zeros_like(dx), pad, 0)
    for _, _, where in window_cells(window, dy.shape[1:3], stride):
        padded[where] += share
    dx[...] = crop_image(padded, pad)


def global_avg_pool2d(xp: Any, y: Any, x: Any) -> None:
    """Average each channel over the whole image: (N, H, W, C) -> (N, C)."""
    y[...] = xp.mean(x, axis=(1, 2))


def global_avg_pool2d_dx(xp: Any, dx: Any, dy: Any, size: Pair) -> None:
    """Share each gradient out evenly among all pixels."""
    dx[...] = dy[:, None, None, :] / (size[0] * size[1])  # (N, 1, 1, C)


def upsample2d(xp: Any, y: Any, x: Any, factor: Pair) -> None:
    """Repeat every pixel fh times down and fw times across."""
    y[...] = xp.repeat(xp.repeat(x, factor[0], axis=1), factor[1], axis=2)


def upsample2d_dx(xp: Any, dx: Any, dy: Any, factor: Pair) -> None:
    """Sum the gradients of the copies of each pixel."""
    N, H, W, C = dx.shape
    copies = dy.reshape(N, H, factor[0], W, factor[1], C)  # (N, H*fh, W*fw, C), both split
    dx[...] = xp.sum(copies, axis=(2, 4))
