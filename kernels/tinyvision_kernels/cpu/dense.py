"""The dense layer: three products of matrices (contracts in ``contract/dense.py``).

Forward and both derivatives are c = a @ b, with one side or the other transposed. To transpose a
costs nothing, since the tile walks a by any steps; b is laid out by :mod:`.panels`.
"""

from functools import lru_cache
from math import inf

import numpy as np
from numba import prange
from numba.np.ufunc import get_thread_id

from .bfloat16 import bits, sum_type
from .jit import Array, config, kernel_jit
from .pairs import for_panels, sum_along_first, sum_along_last
from .panels import Panels, matrix_panels
from .product import multiply_matrix
from .rows import leave
from .scratch import borrow
from .tile import BLOCK_BYTES, TALL

STRIP = 4 * TALL  # rows of c that one task computes, for one block of columns
DEPTH = 512  # rows of b in one go: a piece of a panel that stays in the nearest cache


def dense(y: Array, x: Array, w: Array, b: Array | None, low: float = -inf) -> None:
    """y (N, O) = x (N, I) @ w (I, O) + b (O,), where it is not below ``low``: 0 for ReLU."""
    bias = np.zeros(w.shape[1], sum_type(w)) if b is None else b
    x, w = sum_along_last(x, "x"), for_panels(w, "w")
    _product(bits(y), x, (x.shape[1], 1), x.shape[1], matrix_panels(w), bias, low, b is not None)


def dense_dx(dx: Array, dy: Array, w: Array) -> None:
    """dx (N, I) = dy (N, O) @ w.T (O, I)."""
    bias = np.zeros(w.shape[0], sum_type(w))
    dy, w = sum_along_last(dy, "dy"), sum_along_last(w, "w")
    _product(bits(dx), dy, (dy.shape[1], 1), dy.shape[1], matrix_panels(w, transposed=True), bias)


def dense_dw(dw: Array, x: Array, dy: Array) -> None:
    """dw (I, O) = x.T (I, N) @ dy (N, O)."""
    bias = np.zeros(dy.shape[1], dw.dtype)
    x, dy = sum_along_first(x, "x"), for_panels(dy, "dy")
    _product(dw, x, (1, x.shape[1]), x.shape[0], matrix_panels(dy), bias)


def _product(
    c: Array, a: Array, a_steps: tuple[int, int], depth: int, b: Panels, bias: Array,
    low: float = -inf, biased: bool = False,
) -> None:  # fmt: skip
    """c (rows, columns) = max(a @ b + bias, low); ``a_steps`` lead to a's next row and column."""
    length = config.NUMBA_NUM_THREADS * STRIP * BLOCK_BYTES // bias.itemsize
    sums = borrow("sums", length, bias.dtype)
    sums = sums.reshape(config.NUMBA_NUM_THREADS, -1)
    flat = c.reshape(-1)
    _product_tiles(
        flat, flat if c.dtype == bias.dtype else None, a.reshape(-1), b.numbers, bias, sums,
        _table(STRIP, c.shape[1]),
        c.shape, a_steps, (b.row_step, b.block_step), depth, bias.dtype.type(low),
        biased or low > -inf,
    )  # fmt: skip


@lru_cache(maxsize=256)
def _table(count: int, step: int) -> Array:
    return np.arange(count, dtype=np.int64) * step


@kernel_jit
def _product_tiles(
    c: Array,
    y: Array | None,  # c again, if sums can be kept there
    a: Array,
    b: Array,
    bias: Array,
    sums_of_threads: Array,  # (threads, STRIP * block)
    c_rows: Array,
    shape: tuple[int, int],
    a_steps: tuple[int, int],
    b_steps: tuple[int, int],
    depth: int,
    low: float,
    finish: bool,  # whether there is a bias or a least number
) -> None:
    rows, columns = shape
    a_row, a_col = a_steps
    b_row, b_block = b_steps
    block = BLOCK_BYTES // bias.itemsize
    strips = (rows + STRIP - 1) // STRIP
    blocks = (columns + block - 1) // block
    for task in prange(strips * blocks):
        # Neighbouring tasks share the operand that is larger, since a thread takes neighbours.
        strip, panel = task // blocks, task % blocks
        if columns >= rows:
            strip, panel = task % strips, task // strips
        first, column = strip * STRIP, panel * block
        height, width = min(STRIP, rows - first), min(block, columns - column)
        to = first * columns + column
        straight = False  # whether the tile's vectors fit into c, which saves a second pass
        target, at, row = sums_of_threads[get_thread_id()], 0, block
        if y is not None:
            straight = width == block or 2 * width == block
            if straight:
                target, at, row = y, to, columns
        for k in range(0, max(depth, 1), DEPTH):
            multiply_matrix(
                target, at, row,
                a, first * a_row + k * a_col, a_row, a_col,
                b, panel * b_block + k * b_row, b_row,
                height, width, min(DEPTH, depth - k), k > 0,
            )  # fmt: skip
        if finish or not straight:
            leave(
                c, to, c_rows, 0, target, at, row, bias, column, height, width, low,
            )  # fmt: skip
