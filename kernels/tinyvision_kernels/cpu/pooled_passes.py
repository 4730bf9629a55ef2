"""The passes of kernels fused with 2x2 max-pooling: over windows, all channels of one at a time.

An argmax says which cell of its window (0 1 / 2 3) is the largest, or OFF if none is positive. The
arrays are flat; a last odd row or column of x belongs to no window. Formulas are for numbers and
for SIMD vectors: the loops over channels take whole vectors first, then the numbers left over.
"""

from typing import Any

import numpy as np

from ..contract.fused_conv import OFF
from .bfloat16 import bits, number, stored, sum_type
from .chunks import Arrays, Settings, chunk_rows, chunked
from .exponential import constant
from .jit import Array, body_jit, exact_formula_jit
from .mask import choose, load_bytes, store_bytes
from .norm_passes import add_up, gradient, in_rows, normalised, room_for_sums, row_width
from .prefetch import prefetch
from .rows import copy
from .rows import zero as clear
from .scratch import borrow
from .vector import lane_count, load, store, zeros

_OFF = np.uint8(OFF)

# ----------------------------------------------------------------------------
# Forward
# ----------------------------------------------------------------------------


@exact_formula_jit
def larger(value: Any, best: Any) -> Any:
    """max(value, best), and NaN if either is."""
    return choose(value == value, choose(value > best, value, best), value)


@exact_formula_jit
def largest(a: Any, b: Any, c: Any, d: Any, off: Any) -> tuple[Any, Any]:
    """The largest of 0 and four cells, and the number of that cell: ``off`` if none is positive."""
    index = choose(a > 0, 0, off)
    best = choose(a <= 0, 0, a)
    index, best = choose(b > best, 1, index), larger(b, best)
    index, best = choose(c > best, 2, index), larger(c, best)
    index, best = choose(d > best, 3, index), larger(d, best)
    return best, choose(best > 0, index, off)  # NaN is not positive


@body_jit
def _apply_relu_max_pool_to(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    y, argmax, x, vectors = arrays
    H, W, C = settings
    mean, scale, beta = vectors[0], vectors[1], vectors[2]
    OH, OW = H // 2, W // 2
    L = lane_count(x)
    off, vector_off = constant(OFF, number(x[0])), zeros(x) + OFF
    for row in range(start, stop):  # of N * OH
        for j in range(OW):
            p = ((row // OH * H + row % OH * 2) * W + j * 2) * C  # the window's first cell
            q = p + W * C  # the one below
            out = (row * OW + j) * C
            for c in range(0, C - L + 1, L):
                for ahead in (p + 2 * W * C, p + 2 * W * C + C, q + 2 * W * C, q + 2 * W * C + C):
                    prefetch(x, ahead + c)
                m, s, b = load(mean, c), load(scale, c), load(beta, c)
                best, index = largest(
                    normalised(load(x, p + c), m, s, b),
                    normalised(load(x, p + C + c), m, s, b),
                    normalised(load(x, q + c), m, s, b),
                    normalised(load(x, q + C + c), m, s, b),
                    vector_off,
                )
                store(y, out + c, best)
                store_bytes(argmax, out + c, index)
            for c in range(C // L * L, C):
                m, s, b = mean[c], scale[c], beta[c]
                best, index = largest(
                    normalised(number(x[p + c]), m, s, b),
                    normalised(number(x[p + C + c]), m, s, b),
                    normalised(number(x[q + c]), m, s, b),
                    normalised(number(x[q + C + c]), m, s, b),
                    off,
                )
                y[out + c] = stored(best, y)
                argmax[out + c] = np.uint8(index)


_apply_relu_max_pool = chunked(_apply_relu_max_pool_to)


def apply_relu_max_pool(
    y: Array, argmax: Array, x: Array, mean: Array, scale: Array, beta: Array
) -> None:
    """Max-pool max((x - mean) * scale + beta, 0)."""
    N, H, W, C = x.shape
    rows = N * (H // 2)
    vectors = in_rows(C, x, mean, scale, beta)
    arrays = (bits(y).reshape(-1), argmax.reshape(-1), bits(x).reshape(-1), vectors)
    _apply_relu_max_pool(arrays, (H, W, C), rows, chunk_rows(rows, 2 * W * C))


# ----------------------------------------------------------------------------
# Backward through batch norm
# ----------------------------------------------------------------------------


@exact_formula_jit
def cell(index: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """The one of four cells that has this number."""
    return choose(index == 0, a, choose(index == 1, b, choose(index == 2, c, d)))


@body_jit
def _pooled_sums_of(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    sums, partial, dy, argmax, x, vectors = arrays
    H, W, C, length = settings
    mean, chunk = vectors[0], start // length
    first, second = sums[chunk, 0], sums[chunk, 1]
    first_few, second_few = partial[chunk, 0], partial[chunk, 1]  # those of a row of windows
    OH, OW = H // 2, W // 2
    L = lane_count(x)
    first[:] = 0
    second[:] = 0
    for row in range(start, stop):  # of N * OH
        first_few[:] = 0
        second_few[:] = 0
        for j in range(OW):
            p = ((row // OH * H + row % OH * 2) * W + j * 2) * C  # the window's first cell
            q = p + W * C  # the one below
            out = (row * OW + j) * C
            for c in range(0, C - L + 1, L):
                for ahead in (p + 2 * W * C, p + 2 * W * C + C, q + 2 * W * C, q + 2 * W * C + C):
                    prefetch(x, ahead + c)
                index = load_bytes(argmax, out + c, zeros(x))
                a, b = load(x, p + c), load(x, p + C + c)
                winner = cell(index, a, b, load(x, q + c), load(x, q + C + c))
                g = choose(index == OFF, 0, load(dy, out + c))
                store(first_few, c, load(first_few, c) + g)
                store(second_few, c, load(second_few, c) + g * (winner - load(mean, c)))
            for c in range(C // L * L, C):
                index = argmax[out + c]
                a, b = number(x[p + c]), number(x[p + C + c])
                winner = cell(index, a, b, number(x[q + c]), number(x[q + C + c]))
                g = choose(index == OFF, 0, number(dy[out + c]))
                first_few[c] += g
                second_few[c] += g * (winner - mean[c])
        for c in range(np.uintp(C)):
            first[c] += np.float64(first_few[c])
            second[c] += np.float64(second_few[c])


@body_jit
def _pooled_gradient_of(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    dx, dy, argmax, x, vectors = arrays
    H, W, C = settings
    mean, scale, level, slope = vectors[0], vectors[1], vectors[2], vectors[3]
    OH, OW = H // 2, W // 2
    L = lane_count(x)
    zero = constant(0, number(x[0]))
    for row in range(start, stop):  # of N * OH
        n, i = row // OH, row % OH
        for j in range(OW):
            p = ((n * H + i * 2) * W + j * 2) * C  # the window's first cell
            q = p + W * C  # the one below
            out = (row * OW + j) * C
            for c in range(0, C - L + 1, L):
                for ahead in (p + 2 * W * C, p + 2 * W * C + C, q + 2 * W * C, q + 2 * W * C + C):
                    prefetch(x, ahead + c)
                m, s = load(mean, c), load(scale, c)
                v, t = load(level, c), load(slope, c)
                index, g = load_bytes(argmax, out + c, m), load(dy, out + c)
                a, b = load(x, p + c) - m, load(x, p + C + c) - m
                d, e = load(x, q + c) - m, load(x, q + C + c) - m
                store(dx, p + c, gradient(choose(index == 0, g, 0), a, s, v, t))
                store(dx, p + C + c, gradient(choose(index == 1, g, 0), b, s, v, t))
                store(dx, q + c, gradient(choose(index == 2, g, 0), d, s, v, t))
                store(dx, q + C + c, gradient(choose(index == 3, g, 0), e, s, v, t))
            for k in range(4):
                at = p + (k // 2 * W + k % 2) * C
                for c in range(C // L * L, C):
                    g = choose(argmax[out + c] == k, number(dy[out + c]), 0)
                    d = number(x[at + c]) - mean[c]
                    dx[at + c] = stored(gradient(g, d, scale[c], level[c], slope[c]), dx)
        # What lies in no window: the end of both rows, and the row below the last windows.
        corner = (n * H + i * 2) * W
        for first, pixels in (
            (corner + OW * 2, W % 2),
            (corner + W + OW * 2, W % 2),
            (corner + W * 2, W if H % 2 and i == OH - 1 else 0),
        ):
            for at in range(first * C, (first + pixels) * C, C):
                for c in range(np.uintp(C)):
                    d = number(x[np.uintp(at) + c]) - mean[c]
                    value = gradient(zero, d, scale[c], level[c], slope[c])
                    dx[np.uintp(at) + c] = stored(value, dx)


_pooled_sums = chunked(_pooled_sums_of)
_pooled_gradient = chunked(_pooled_gradient_of)


def pooled_sums(dy: Array, argmax: Array, x: Array, mean: Array) -> Array:
    """Sum g and g * (x - mean), where g is dy at the cells that won: (2, C) float64."""
    N, H, W, C = x.shape
    rows = N * (H // 2)
    length = chunk_rows(rows, 2 * W * C)
    sums = room_for_sums(-(-rows // length), 2, C)
    partial = borrow("sums of rows", sums.size, sum_type(x)).reshape(sums.shape)
    flat = (bits(dy).reshape(-1), argmax.reshape(-1), bits(x).reshape(-1))
    arrays = (sums, partial, *flat, in_rows(C, x, mean))
    _pooled_sums(arrays, (H, W, C, length), rows, length)
    return add_up(sums, C)


def fill_pooled_gradient(dx: Array, dy: Array, argmax: Array, x: Array, *vectors: Array) -> None:
    """dx of batch norm for dy at the cells that won; vectors: mean, scale, level, slope."""
    N, H, W, C = x.shape
    rows = N * (H // 2)
    flat = tuple(bits(array).reshape(-1) for array in (dx, dy, argmax, x))
    arrays = (*flat, in_rows(C, x, *vectors))
    _pooled_gradient(arrays, (H, W, C), rows, chunk_rows(rows, 2 * W * C))


# ----------------------------------------------------------------------------
# Backward through pooling and ReLU alone
# ----------------------------------------------------------------------------


@body_jit
def _unpool_and_sum_of(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    sums, work, dz, dy, argmax = arrays
    H, W, C, length = settings
    total, cells = sums[start // length, 0], work[start // length]
    OH, OW = H // 2, W // 2
    zero = constant(0, number(dy[0]))
    for row in range(start, stop):  # of N * OH
        n, i = row // OH, row % OH
        out = np.uintp(row * OW * C)
        for k in range(4):
            # First one cell of all windows, whose numbers are neighbours; then each to its place.
            here = np.uint8(k)
            for p in range(np.uintp(OW * C)):
                cells[p] = number(dy[out + p]) if argmax[out + p] == here else zero
            line = ((n * H + i * 2 + k // 2) * W + k % 2) * C
            for j in range(OW):
                copy(dz, line + j * 2 * C, cells, j * C, C)
        for r in range(2 if W % 2 else 0):
            clear(dz, ((n * H + i * 2 + r) * W + W - 1) * C, C)
        if H % 2 and i == OH - 1:
            clear(dz, (n * H + H - 1) * W * C, W * C)
    # The chunk's part of dy, which is still in the cache, seen as rows of whole pixels.
    total[:] = 0
    for first in range(start * OW * C, stop * OW * C, total.size):
        out = np.uintp(first)
        for p in range(np.uintp(min(total.size, stop * OW * C - first))):
            total[p] += np.float64(zero if argmax[out + p] == _OFF else number(dy[out + p]))


_unpool_and_sum = chunked(_unpool_and_sum_of)


def unpool_and_sum(dz: Array, dy: Array, argmax: Array) -> Array:
    """Fill dz with dy at the cells that won, 0 elsewhere, and sum it: (C,) float64."""
    N, H, W, C = dz.shape
    rows = N * (H // 2)
    length = chunk_rows(rows, 2 * W * C)
    chunks = -(-rows // length)
    sums = room_for_sums(chunks, 1, row_width(C, dz))
    work = borrow("cells", chunks * (W // 2) * C, sum_type(dz)).reshape(chunks, W // 2 * C)
    arrays = (sums, work, bits(dz).reshape(-1), bits(dy).reshape(-1), argmax.reshape(-1))
    _unpool_and_sum(arrays, (H, W, C, length), rows, length)
    total: Array = add_up(sums, C)[0]
    return total
