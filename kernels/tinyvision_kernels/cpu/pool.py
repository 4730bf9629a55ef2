"""Pooling and upsampling: the innermost loop runs over the channels, which lie side by side.

Work is cut by rows of the array that is written. The backward kernels look, from each row of dx,
for the windows that cover it, rather than from each window for its cells: so no two threads write
to one place, and overlapping windows add up in one order.
"""

from typing import Any

from ..contract import Pads, Pair
from .chunks import Arrays, Settings, chunk_rows, chunked
from .exponential import constant
from .jit import Array, formula_jit, inline_jit

# ----------------------------------------------------------------------------
# Windows along one axis
# ----------------------------------------------------------------------------


@formula_jit
def _cells(position: int, size: int, window: int, stride: int, before: int) -> tuple[int, int]:
    """Window cells first .. last-1 that lie on the image, not on its padding."""
    start = position * stride - before
    return max(0, -start), min(window, size - start)


@formula_jit
def _covering(p: int, count: int, window: int, stride: int, before: int) -> tuple[int, int]:
    """Windows first .. last-1, of ``count``, that cover pixel p."""
    reach = p + before - window + 1  # the first start that still reaches p
    return max(0, (reach + stride - 1) // stride), min(count, (p + before) // stride + 1)


def _geometry(window: Pair, stride: Pair, pad: Pads) -> tuple[int, ...]:
    return (*map(int, window), *map(int, stride), int(pad[0]), int(pad[2]))


# ----------------------------------------------------------------------------
# Max pooling
# ----------------------------------------------------------------------------


@formula_jit
def _wins(cell: Any, best: Any) -> bool:
    # "not <=" also holds if one of them is NaN; only a NaN in the lead cannot be beaten.
    return not (cell <= best) and best == best


@inline_jit
def _max_pool_rows(arrays: Arrays, geometry: Settings, start: int, stop: int) -> None:
    y, argmax, x = arrays  # y and argmax (N * OH, OW, C), x (N, H, W, C)
    KH, KW, sh, sw, top, left = geometry
    _, H, W, C = x.shape
    OH, OW = y.shape[0] // x.shape[0], y.shape[1]
    for row in range(start, stop):
        n, i = row // OH, row % OH
        r0, r1 = _cells(i, H, KH, sh, top)
        for j in range(OW):
            s0, s1 = _cells(j, W, KW, sw, left)
            best, winner = y[row, j], argmax[row, j]  # (C,)
            first = x[n, i * sh - top + r0, j * sw - left + s0]
            for c in range(C):
                best[c] = first[c]
                winner[c] = r0 * KW + s0
            for r in range(r0, r1):
                for s in range(s0, s1):
                    cell = x[n, i * sh - top + r, j * sw - left + s]
                    for c in range(C):
                        wins = _wins(cell[c], best[c])
                        best[c] = cell[c] if wins else best[c]
                        winner[c] = r * KW + s if wins else winner[c]


_max_pool2d = chunked(_max_pool_rows)


def max_pool2d(y: Array, argmax: Array, x: Array, window: Pair, stride: Pair, pad: Pads) -> None:
    """Keep the largest cell of each window, and which it was."""
    N, OH, OW, C = y.shape
    arrays = y.reshape(N * OH, OW, C), argmax.reshape(N * OH, OW, C), x
    rows = chunk_rows(N * OH, OW * C * window[0] * window[1])
    _max_pool2d(arrays, _geometry(window, stride, pad), N * OH, rows)


@inline_jit
def _max_pool_dx_rows(arrays: Arrays, geometry: Settings, start: int, stop: int) -> None:
    dx, dy, argmax = arrays  # dx (N * H, W, C), dy and argmax (N, OH, OW, C)
    KH, KW, sh, sw, top, left = geometry
    N, OH, OW, C = dy.shape
    H, W = dx.shape[0] // N, dx.shape[1]
    zero = constant(0, dx[0, 0, 0])
    for row in range(start, stop):
        n, p = row // H, row % H
        i0, i1 = _covering(p, OH, KH, sh, top)
        for q in range(W):
            j0, j1 = _covering(q, OW, KW, sw, left)
            pixel = dx[row, q]  # (C,)
            if i1 - i0 != 1 or j1 - j0 != 1:
                for c in range(C):
                    pixel[c] = zero
            for i in range(i0, i1):
                for j in range(j0, j1):
                    slope, winner = dy[n, i, j], argmax[n, i, j]
                    index = (p + top - i * sh) * KW + q + left - j * sw
                    if i1 - i0 != 1 or j1 - j0 != 1:
                        for c in range(C):
                            pixel[c] += slope[c] if winner[c] == index else zero
                    else:  # windows apart, the common case: no sum, so nothing to set to zero
                        for c in range(C):
                            pixel[c] = slope[c] if winner[c] == index else zero


_max_pool2d_dx = chunked(_max_pool_dx_rows)


def max_pool2d_dx(
    dx: Array, dy: Array, argmax: Array, size: Pair, window: Pair, stride: Pair, pad: Pads
) -> None:
    """Send each gradient to the cell that won."""
    N, H, W, C = dx.shape
    arrays = dx.reshape(N * H, W, C), dy, argmax
    _max_pool2d_dx(arrays, _geometry(window, stride, pad), N * H, chunk_rows(N * H, W * C))


# ----------------------------------------------------------------------------
# Average pooling
# ----------------------------------------------------------------------------


@inline_jit
def _avg_pool_rows(arrays: Arrays, geometry: Settings, start: int, stop: int) -> None:
    y, x = arrays  # y (N * OH, OW, C), x (N, H, W, C)
    KH, KW, sh, sw, top, left = geometry
    N, H, W, C = x.shape
    OH, OW = y.shape[0] // N, y.shape[1]
    zero = constant(0, x[0, 0, 0, 0])
    for row in range(start, stop):
        n, i = row // OH, row % OH
        r0, r1 = _cells(i, H, KH, sh, top)
        for j in range(OW):
            s0, s1 = _cells(j, W, KW, sw, left)
            mean = y[row, j]  # (C,)
            for c in range(C):
                mean[c] = zero
            for r in range(r0, r1):
                for s in range(s0, s1):
                    cell = x[n, i * sh - top + r, j * sw - left + s]
                    for c in range(C):
                        mean[c] += cell[c]
            count = constant((r1 - r0) * (s1 - s0), zero)
            for c in range(C):
                mean[c] /= count


_avg_pool2d = chunked(_avg_pool_rows)


def avg_pool2d(y: Array, x: Array, window: Pair, stride: Pair, pad: Pads) -> None:
    """Take the mean of the real cells of each window."""
    N, OH, OW, C = y.shape
    rows = chunk_rows(N * OH, OW * C * window[0] * window[1])
    _avg_pool2d((y.reshape(N * OH, OW, C), x), _geometry(window, stride, pad), N * OH, rows)


@inline_jit
def _avg_pool_dx_rows(arrays: Arrays, geometry: Settings, start: int, stop: int) -> None:
    dx, dy = arrays  # dx (N * H, W, C), dy (N, OH, OW, C)
    KH, KW, sh, sw, top, left = geometry
    N, OH, OW, C = dy.shape
    H, W = dx.shape[0] // N, dx.shape[1]
    zero, one = constant(0, dx[0, 0, 0]), constant(1, dx[0, 0, 0])
    for row in range(start, stop):
        n, p = row // H, row % H
        i0, i1 = _covering(p, OH, KH, sh, top)
        for q in range(W):
            j0, j1 = _covering(q, OW, KW, sw, left)
            pixel = dx[row, q]  # (C,)
            for c in range(C):
                pixel[c] = zero
            for i in range(i0, i1):
                r0, r1 = _cells(i, H, KH, sh, top)
                for j in range(j0, j1):
                    s0, s1 = _cells(j, W, KW, sw, left)
                    slope = dy[n, i, j]
                    share = one / constant((r1 - r0) * (s1 - s0), zero)
                    for c in range(C):
                        pixel[c] += slope[c] * share


_avg_pool2d_dx = chunked(_avg_pool_dx_rows)


def avg_pool2d_dx(dx: Array, dy: Array, size: Pair, window: Pair, stride: Pair, pad: Pads) -> None:
    """Share each gradient among the real cells of its window."""
    N, H, W, C = dx.shape
    arrays = dx.reshape(N * H, W, C), dy
    _avg_pool2d_dx(arrays, _geometry(window, stride, pad), N * H, chunk_rows(N * H, W * C))


# ----------------------------------------------------------------------------
# One mean for the whole image
# ----------------------------------------------------------------------------


@inline_jit
def _global_avg_images(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    y, x = arrays  # y (N, C), x (N, H*W, C)
    zero = constant(0, y[0, 0])
    cells = constant(x.shape[1], zero)
    for n in range(start, stop):
        mean = y[n]
        for c in range(mean.size):
            mean[c] = zero
        for p in range(x.shape[1]):
            pixel = x[n, p]
            for c in range(mean.size):
                mean[c] += pixel[c]
        for c in range(mean.size):
            mean[c] /= cells


@inline_jit
def _global_avg_dx_images(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    dx, dy = arrays  # dx (N, H*W, C), dy (N, C)
    cells = constant(dx.shape[1], dy[0, 0])
    for n in range(start, stop):
        slope = dy[n]
        for p in range(dx.shape[1]):
            pixel = dx[n, p]
            for c in range(slope.size):
                pixel[c] = slope[c] / cells


_global_avg_pool2d = chunked(_global_avg_images)
_global_avg_pool2d_dx = chunked(_global_avg_dx_images)


def global_avg_pool2d(y: Array, x: Array) -> None:
    """Take each channel's mean over the pixels."""
    N, H, W, C = x.shape
    _global_avg_pool2d((y, x.reshape(N, H * W, C)), (), N, chunk_rows(N, H * W * C))


def global_avg_pool2d_dx(dx: Array, dy: Array, size: Pair) -> None:
    """Share each gradient among the pixels."""
    N, H, W, C = dx.shape
    _global_avg_pool2d_dx((dx.reshape(N, H * W, C), dy), (), N, chunk_rows(N, H * W * C))


# ----------------------------------------------------------------------------
# Upsampling to the nearest neighbour
# ----------------------------------------------------------------------------


@inline_jit
def _upsample_rows(arrays: Arrays, factor: Settings, start: int, stop: int) -> None:
    y, x = arrays  # y (N*H*fh, W*fw, C), x (N*H, W, C)
    fh, fw = factor
    for row in range(start, stop):
        for j in range(y.shape[1]):
            target, source = y[row, j], x[row // fh, j // fw]
            for c in range(target.size):
                target[c] = source[c]


@inline_jit
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
    return x.reshape(-1, *x.shape[2:])  # (N, H, W, C) -> (N * H, W, C)


def upsample2d(y: Array, x: Array, factor: Pair) -> None:
    """Repeat each pixel fh x fw times."""
    y, x = _rows(y), _rows(x)
    _upsample2d((y, x), (int(factor[0]), int(factor[1])), len(y), chunk_rows(len(y), y[0].size))


def upsample2d_dx(dx: Array, dy: Array, factor: Pair) -> None:
    """Sum over the fh x fw cells that each pixel became."""
    rows = chunk_rows(dx.shape[0] * dx.shape[1], dy[0, 0].size * factor[0])
    dx, dy = _rows(dx), _rows(dy)
    _upsample2d_dx((dx, dy), (int(factor[0]), int(factor[1])), len(dx), rows)
