"""Batch norm with ReLU and 2x2 max-pooling: passes over windows, all channels of one at a time.

An argmax says which cell of its window (0 1 / 2 3) is the largest, or OFF if none is positive. The
arrays are flat; a last odd row or column of x belongs to no window. Formulas are for numbers and
for SIMD vectors: the loops over channels take whole vectors first, then the numbers left over.
"""

from typing import Any

import numpy as np
from numba import prange

from ..contract.fused_conv import OFF
from .bfloat16 import bits, number, stored, sum_type
from .chunks import chunk_rows, launch
from .exponential import constant
from .jit import Array, exact_formula_jit, inline_jit, kernel_jit
from .mask import choose, load_bytes, store_bytes
from .norm_passes import gradient, normalised
from .parts import Sizes, known, level_and_slope, room_for_sums
from .prefetch import prefetch
from .scratch import borrow
from .vector import lane_count, load, store, zeros

Shape = tuple[int, ...]  # H, W, C of x

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


@inline_jit
def _pool(
    y: Array, argmax: Array, x: Array, rows: Array, shape: Shape, start: int, stop: int
) -> None:
    H, W, C = shape
    mean, scale, beta = rows[0], rows[1], rows[2]
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


@kernel_jit
def _apply_relu_max_pool(
    y: Array,
    argmax: Array,
    x: Array,
    vectors: tuple[Array, ...],
    statistics: tuple[Array, ...],
    rows: Array,
    sizes: Sizes,
    shape: Shape,
    lines: tuple[int, int],
) -> None:
    known(vectors, statistics, rows, 0, sizes)
    total, length = lines
    for chunk in prange(sizes[1]):
        start = chunk * length
        _pool(y, argmax, x, rows[0], shape, start, min(start + length, total))


def apply_relu_max_pool(
    y: Array, argmax: Array, x: Array, gamma: Array, beta: Array, mean: Array, inv_std: Array
) -> None:
    """Max-pool max((x - mean) * inv_std * gamma + beta, 0)."""
    sizes, lines = _cut(x)
    rows = borrow("vectors", 3 * x.shape[3], sum_type(x)).reshape(1, 3, -1)
    flat = bits(y).reshape(-1), argmax.reshape(-1), bits(x).reshape(-1)
    statistics = mean[None], inv_std[None]
    how = (gamma, beta), statistics, rows, sizes, x.shape[1:], lines
    launch(_apply_relu_max_pool, sizes[1], *flat, *how)


def _cut(x: Array) -> tuple[Sizes, tuple[int, int]]:
    """Cut x into chunks of rows of windows: as one part, and how many rows in all and in a chunk.

    A row of vectors has C numbers: all channels of one window are looked at together.
    """
    N, H, W, C = x.shape
    lines = N * (H // 2)
    length = chunk_rows(lines, 2 * W * C)
    chunks = max(1, -(-lines // length))
    return (1, chunks, x.size, C, C, C, length), (lines, length)


# ----------------------------------------------------------------------------
# Backward through batch norm
# ----------------------------------------------------------------------------


@exact_formula_jit
def cell(index: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """The one of four cells that has this number."""
    return choose(index == 0, a, choose(index == 1, b, choose(index == 2, c, d)))


@inline_jit
def _sum_up(
    sums: Array, few: Array, dy: Array, argmax: Array, x: Array, rows: Array, shape: Shape,
    start: int, stop: int,
) -> None:  # fmt: skip
    """Sum g and g * (x - mean), where g is dy at the cells that won."""
    H, W, C = shape
    mean, first, second = rows[0], sums[0], sums[1]
    first_few, second_few = few[0], few[1]  # those of a row of windows
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


@inline_jit
def _fill(
    dx: Array, dy: Array, argmax: Array, x: Array, rows: Array, shape: Shape, start: int, stop: int
) -> None:
    H, W, C = shape
    mean, scale, level, slope = rows[0], rows[1], rows[3], rows[4]
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


@kernel_jit
def _pooled_gradients(
    dx: Array,
    outputs: tuple[Array, ...],
    dy: Array,
    argmax: Array,
    x: Array,
    vectors: tuple[Array, ...],
    statistics: tuple[Array, ...],
    room: tuple[Array, ...],
    sizes: Sizes,
    shape: Shape,
    lines: tuple[int, int],
) -> None:
    (dgamma, dbeta), (sums, few, rows), inv_std = outputs, room, statistics[1]
    (total, length), C = lines, shape[2]
    known(vectors, statistics, rows, 0, sizes)
    for chunk in prange(sizes[1]):
        start, stop = chunk * length, min((chunk + 1) * length, total)
        _sum_up(sums[chunk], few[chunk], dy, argmax, x, rows[0], shape, start, stop)
    level_and_slope(vectors[0], inv_std, sums, rows, 0, sizes, C / max(x.size, 1))
    for chunk in prange(sizes[1]):
        start, stop = chunk * length, min((chunk + 1) * length, total)
        _fill(dx, dy, argmax, x, rows[0], shape, start, stop)
    for c in range(C):
        dbeta[c] = sums[0, 0, c]
        dgamma[c] = sums[0, 1, c] * inv_std[0, c]


def pooled_gradients(
    dx: Array,
    dgamma: Array,
    dbeta: Array,
    dy: Array,
    argmax: Array,
    x: Array,
    gamma: Array,
    mean: Array,
    inv_std: Array,
) -> None:
    """Gradients of batch norm where dy belongs to the cells that won."""
    sizes, lines = _cut(x)
    C, dtype = x.shape[3], sum_type(x)
    rows = borrow("vectors", 5 * C, dtype).reshape(1, 5, C)
    room = (*room_for_sums(sizes[1], C, dtype), rows)
    vectors, statistics = (gamma, gamma), (mean[None], inv_std[None])
    launch(
        _pooled_gradients, sizes[1], bits(dx).reshape(-1), (dgamma, dbeta),
        bits(dy).reshape(-1), argmax.reshape(-1), bits(x).reshape(-1),
        vectors, statistics, room, sizes, x.shape[1:], lines,
    )  # fmt: skip
