"""Pooling and upsampling: the innermost loop runs over the channels, which lie side by side.

Forward kernels are cut by rows of the output, backward ones by images: there, windows may overlap,
and no two threads must add to one place.
"""

from typing import Any

import numpy as np

from ..contract import Pads, Pair
from .bfloat16 import bits, number, stored
from .chunks import Arrays, Settings, chunk_rows, chunked
from .columns import Columns
from .exponential import constant
from .jit import Array, body_jit, formula_jit, inline_jit
from .widen import through_float32

# ----------------------------------------------------------------------------
# Windows. A geometry is (H, W, C, OH, OW, KH, KW, sh, sw, top, left); the arrays are flat.
# ----------------------------------------------------------------------------


def _geometry(x: Array, y: Array, window: Pair, stride: Pair, pad: Pads) -> Settings:
    numbers = (*x.shape[1:], *y.shape[1:3], *window, *stride, pad[0], pad[2])
    return tuple(map(int, numbers))


@formula_jit
def _cells(position: int, size: int, window: int, stride: int, before: int) -> tuple[int, int]:
    """Window cells first .. last-1 along one axis that lie on the image, not on its padding."""
    start = position * stride - before
    return max(0, -start), min(window, size - start)


@inline_jit
def _fill(values: Array, start: int, stop: int) -> None:
    """Set values[start:stop] to zero."""
    zero = constant(0, values[0])
    for i in range(np.uintp(start), np.uintp(stop)):
        values[i] = zero


# ----------------------------------------------------------------------------
# Max pooling
# ----------------------------------------------------------------------------


@formula_jit
def _wins(cell: Any, best: Any) -> bool:
    # "not <=" also holds if one of them is NaN; only a NaN in the lead cannot be beaten.
    return not (cell <= best) and best == best


@inline_jit
def _largest_of_four(
    y: Array, argmax: Array, x: Array, out: Any, corner: int, row: int, C: int
) -> None:
    """The 2x2 window, by far the commonest: its result is written once, not once a cell."""
    a, b = np.uintp(corner), np.uintp(corner + C)
    d, e = np.uintp(corner + row), np.uintp(corner + row + C)
    for c in range(np.uintp(C)):
        best, index = number(x[a + c]), np.uint8(0)
        value = number(x[b + c])
        wins = _wins(value, best)
        best, index = value if wins else best, np.uint8(1) if wins else index
        value = number(x[d + c])
        wins = _wins(value, best)
        best, index = value if wins else best, np.uint8(2) if wins else index
        value = number(x[e + c])
        wins = _wins(value, best)
        best, index = value if wins else best, np.uint8(3) if wins else index
        y[out + c] = stored(best, y)
        argmax[out + c] = index


@body_jit
def _max_pool_rows(arrays: Arrays, geometry: Settings, start: int, stop: int) -> None:
    y, argmax, x = arrays
    H, W, C, OH, OW, KH, KW, sh, sw, top, left = geometry
    for row in range(start, stop):  # of N * OH
        n, i = row // OH, row % OH
        r0, r1 = _cells(i, H, KH, sh, top)
        for j in range(OW):
            s0, s1 = _cells(j, W, KW, sw, left)
            out = np.uintp((row * OW + j) * C)
            corner = ((n * H + i * sh - top) * W + j * sw - left) * C
            if KH == 2 and KW == 2 and r1 - r0 == 2 and s1 - s0 == 2:
                _largest_of_four(y, argmax, x, out, corner, W * C, C)
                continue
            at = np.uintp(corner + (r0 * W + s0) * C)
            index = np.uint8(r0 * KW + s0)
            for c in range(np.uintp(C)):
                y[out + c] = x[at + c]
                argmax[out + c] = index
            for r in range(r0, r1):
                for s in range(s0, s1):
                    at = np.uintp(corner + (r * W + s) * C)
                    index = np.uint8(r * KW + s)
                    for c in range(np.uintp(C)):
                        wins = _wins(number(x[at + c]), number(y[out + c]))
                        y[out + c] = x[at + c] if wins else y[out + c]
                        argmax[out + c] = index if wins else argmax[out + c]


_max_pool2d = chunked(_max_pool_rows)


def max_pool2d(y: Array, argmax: Array, x: Array, window: Pair, stride: Pair, pad: Pads) -> None:
    """Keep the largest cell of each window, and which it was."""
    N, OH, OW, C = y.shape
    rows = chunk_rows(N * OH, OW * C * window[0] * window[1])
    arrays = bits(y).reshape(-1), argmax.reshape(-1), bits(x).reshape(-1)
    _max_pool2d(arrays, _geometry(x, y, window, stride, pad), N * OH, rows)


@body_jit
def _max_pool_dx_images(arrays: Arrays, geometry: Settings, start: int, stop: int) -> None:
    dx, dy, argmax, cells = arrays  # cells (KH * KW,): how far each lies from the window's corner
    H, W, C, OH, OW, _, _, sh, sw, top, left = geometry
    for n in range(start, stop):
        _fill(dx, n * H * W * C, (n + 1) * H * W * C)
        for i in range(OH):
            for j in range(OW):
                out = np.uintp(((n * OH + i) * OW + j) * C)
                corner = ((n * H + i * sh - top) * W + j * sw - left) * C
                for c in range(np.uintp(C)):
                    to = np.uintp(corner + cells[argmax[out + c]]) + c
                    dx[to] = stored(number(dx[to]) + number(dy[out + c]), dx)


_max_pool2d_dx = chunked(_max_pool_dx_images)


def max_pool2d_dx(
    dx: Array, dy: Array, argmax: Array, size: Pair, window: Pair, stride: Pair, pad: Pads
) -> None:
    """Send each gradient to the cell that won."""
    # A cell of several windows may win several times: a sum, which is not taken in bfloat16.
    overlap = stride[0] < window[0] or stride[1] < window[1]
    (_add_to_winners if overlap else _give_to_winners)(dx, dy, argmax, window, stride, pad)


def _give_to_winners(
    dx: Array, dy: Array, argmax: Array, window: Pair, stride: Pair, pad: Pads
) -> None:
    N, H, W, C = dx.shape
    cells = np.array([(r * W + s) * C for r in range(window[0]) for s in range(window[1])])
    arrays = bits(dx).reshape(-1), bits(dy).reshape(-1), argmax.reshape(-1), cells
    images = chunk_rows(N, H * W * C)
    _max_pool2d_dx(arrays, _geometry(dx, dy, window, stride, pad), N, images)


_add_to_winners = through_float32(outputs=1)(_give_to_winners)


# ----------------------------------------------------------------------------
# Average pooling
# ----------------------------------------------------------------------------


@body_jit
def _avg_pool_rows(arrays: Arrays, geometry: Settings, start: int, stop: int) -> None:
    y, x = arrays
    H, W, C, OH, OW, KH, KW, sh, sw, top, left = geometry
    _fill(y, start * OW * C, stop * OW * C)
    for row in range(start, stop):  # of N * OH
        n, i = row // OH, row % OH
        r0, r1 = _cells(i, H, KH, sh, top)
        for j in range(OW):
            s0, s1 = _cells(j, W, KW, sw, left)
            out = np.uintp((row * OW + j) * C)
            corner = ((n * H + i * sh - top) * W + j * sw - left) * C
            for r in range(r0, r1):
                for s in range(s0, s1):
                    at = np.uintp(corner + (r * W + s) * C)
                    for c in range(np.uintp(C)):
                        y[out + c] += x[at + c]
            count = constant((r1 - r0) * (s1 - s0), y[0])
            for c in range(np.uintp(C)):
                y[out + c] /= count


_avg_pool2d = chunked(_avg_pool_rows)


def avg_pool2d(y: Array, x: Array, window: Pair, stride: Pair, pad: Pads) -> None:
    """Take the mean of the real cells of each window."""
    N, OH, OW, C = y.shape
    rows = chunk_rows(N * OH, OW * C * window[0] * window[1])
    arrays = y.reshape(-1), x.reshape(-1)
    _avg_pool2d(arrays, _geometry(x, y, window, stride, pad), N * OH, rows)


@body_jit
def _avg_pool_dx_images(arrays: Arrays, geometry: Settings, start: int, stop: int) -> None:
    dx, dy = arrays
    H, W, C, OH, OW, KH, KW, sh, sw, top, left = geometry
    one = constant(1, dx[0])
    for n in range(start, stop):
        _fill(dx, n * H * W * C, (n + 1) * H * W * C)
        for i in range(OH):
            r0, r1 = _cells(i, H, KH, sh, top)
            for j in range(OW):
                s0, s1 = _cells(j, W, KW, sw, left)
                out = np.uintp(((n * OH + i) * OW + j) * C)
                corner = ((n * H + i * sh - top) * W + j * sw - left) * C
                share = one / constant((r1 - r0) * (s1 - s0), one)
                for r in range(r0, r1):
                    for s in range(s0, s1):
                        at = np.uintp(corner + (r * W + s) * C)
                        for c in range(np.uintp(C)):
                            dx[at + c] += dy[out + c] * share


_avg_pool2d_dx = chunked(_avg_pool_dx_images)


def avg_pool2d_dx(dx: Array, dy: Array, size: Pair, window: Pair, stride: Pair, pad: Pads) -> None:
    """Share each gradient among the real cells of its window."""
    N, H, W, C = dx.shape
    images = chunk_rows(N, H * W * C)
    geometry = _geometry(dx, dy, window, stride, pad)
    _avg_pool2d_dx((dx.reshape(-1), dy.reshape(-1)), geometry, N, images)


# ----------------------------------------------------------------------------
# One mean for the whole image
# ----------------------------------------------------------------------------


@body_jit
def _global_avg_dx_images(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    dx, dy = arrays  # dx (N, H*W, C), dy (N, C)
    cells = constant(dx.shape[1], dy[0, 0])
    for n in range(start, stop):
        slope = dy[n]
        for p in range(dx.shape[1]):
            pixel = dx[n, p]
            for c in range(slope.size):
                pixel[c] = slope[c] / cells


_global_avg_pool2d_dx = chunked(_global_avg_dx_images)


def global_avg_pool2d(y: Array, x: Array) -> None:
    """Take each channel's mean over the pixels, with the sums of batch norm's first pass."""
    N, H, W, C = x.shape
    sums = Columns(x, parts=N).moments(np.zeros((1, C)))  # (N, 2, C): of x and x^2
    y[:] = sums[:, 0] / (H * W)


def global_avg_pool2d_dx(dx: Array, dy: Array, size: Pair) -> None:
    """Share each gradient among the pixels."""
    N, H, W, C = dx.shape
    _global_avg_pool2d_dx((dx.reshape(N, H * W, C), dy), (), N, chunk_rows(N, H * W * C))


# ----------------------------------------------------------------------------
# Upsampling to the nearest neighbour
# ----------------------------------------------------------------------------


@body_jit
def _upsample_rows(arrays: Arrays, factor: Settings, start: int, stop: int) -> None:
    y, x = arrays  # y (N*H*fh, W*fw, C), x (N*H, W, C)
    fh, fw = factor
    for row in range(start, stop):
        for j in range(y.shape[1]):
            target, source = y[row, j], x[row // fh, j // fw]
            for c in range(target.size):
                target[c] = source[c]


@body_jit
def _upsample_dx_rows(arrays: Arrays, factor: Settings, start: int, stop: int) -> None:
    dx, dy = arrays  # dx (N*H, W, C), dy (N*H*fh, W*fw, C)
    fh, fw = factor
    zero = constant(0, dy[0, 0, 0])
    for row in range(start, stop):
        for q in range(dx.shape[1]):
            pixel = dx[row, q]
            for c in range(pixel.size):
                pixel[c] = zero
            for r in range(fh):
                for s in range(fw):
                    slope = dy[row * fh + r, q * fw + s]
                    for c in range(pixel.size):
                        pixel[c] += slope[c]


_upsample2d = chunked(_upsample_rows)
_upsample2d_dx = chunked(_upsample_dx_rows)


def _rows(x: Array) -> Array:
    N, H, W, C = x.shape
    return x.reshape(N * H, W, C)


def upsample2d(y: Array, x: Array, factor: Pair) -> None:
    """Repeat each pixel fh x fw times."""
    y, x = _rows(y), _rows(x)
    rows = chunk_rows(len(y), y.shape[1] * y.shape[2])
    _upsample2d((y, x), (int(factor[0]), int(factor[1])), len(y), rows)


def upsample2d_dx(dx: Array, dy: Array, factor: Pair) -> None:
    """Sum over the fh x fw cells that each pixel became."""
    dx, dy = _rows(dx), _rows(dy)
    rows = chunk_rows(len(dx), dy.shape[1] * dy.shape[2] * factor[0])
    _upsample2d_dx((dx, dy), (int(factor[0]), int(factor[1])), len(dx), rows)
