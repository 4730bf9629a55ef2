"""The dense layer: three products of matrices (contracts in ``contract/dense.py``).

Forward and both derivatives are c = a @ b, with one side or the other transposed. To transpose a
costs nothing, since the tile walks a by any steps. Of b a task lays out the block of columns that
it needs, piece by piece in its own working memory (``Layout``), and uses it while it is there.

A single row of a uses each number of b once: then b sets the pace, and is read where it stands
(:mod:`.one_row`).
"""

from functools import lru_cache
from math import inf

import numpy as np
from numba import prange
from numba.np.ufunc import get_thread_id

from .bfloat16 import BITS, bits, sum_type
from .jit import Array, config, kernel_jit
from .one_row import multiply_row
from .pairs import copy_rows_of_steps, for_panels, sum_along_first, sum_along_last
from .panels import CROWDED, matrix_panels
from .product import multiply_matrix
from .rows import copy, leave
from .scratch import borrow
from .tile import BLOCK_BYTES, HOST, TALL
from .transpose import transpose

STRIP = 4 * TALL  # rows of c whose sums are finished together, for one block of columns
DEPTH = 512  # rows of b in one go: a piece of a block that stays in the nearest caches
TASKS = 8  # into which a product is cut at least, if it is large enough
MOST_ROWS = 4 * STRIP  # of a task, which share a piece of b
TALL_MATRIX = 8  # times as high as wide: tasks side by side then share rows of a
FEW_ROWS = 2 * TALL  # use b too little to earn its copy back
SAME_PLACES = 4096  # bytes: rows so far apart stand in the same places of the nearest cache
LIES, COPIED, TURNED = range(3)  # what becomes of b


def dense(y: Array, x: Array, w: Array, b: Array | None, low: float = -inf) -> None:
    """y (N, O) = x (N, I) @ w (I, O) + b (O,), where it is not below ``low``: 0 for ReLU."""
    bias = np.zeros(w.shape[1], sum_type(w)) if b is None else b
    x, w = sum_along_last(x, "x"), for_panels(w, "w")
    if len(x) == 1 and w.dtype != BITS and y.dtype == w.dtype:
        multiply_row(y.reshape(-1), x.reshape(-1), w, bias, low)
        return
    _product(bits(y), x, (x.shape[1], 1), x.shape[1], w, bias, low, b is not None)


def dense_dx(dx: Array, dy: Array, w: Array) -> None:
    """dx (N, I) = dy (N, O) @ w.T (O, I)."""
    bias = np.zeros(w.shape[0], sum_type(w))
    dy, w = sum_along_last(dy, "dy"), sum_along_last(w, "w")
    _product(bits(dx), dy, (dy.shape[1], 1), dy.shape[1], w, bias, transposed=True)


def dense_dw(dw: Array, x: Array, dy: Array) -> None:
    """dw (I, O) = x.T (I, N) @ dy (N, O)."""
    bias = np.zeros(dy.shape[1], dw.dtype)
    x, dy = sum_along_first(x, "x"), for_panels(dy, "dy")
    _product(dw, x, (1, x.shape[1]), x.shape[0], dy, bias)


def _product(
    c: Array, a: Array, a_steps: tuple[int, int], depth: int, b: Array, bias: Array,
    low: float = -inf, biased: bool = False, transposed: bool = False,
) -> None:  # fmt: skip
    """c (rows, columns) = max(a @ b + bias, low); ``a_steps`` lead to a's next row and column."""
    rows, columns = c.shape
    block, itemsize = BLOCK_BYTES // bias.itemsize, bias.itemsize
    how, numbers, steps = LIES, b.reshape(-1), (columns, block)
    if transposed:
        how, steps = TURNED, (b.shape[1], block * b.shape[1])
    elif b.dtype == BITS:  # of which pairs have to be formed
        panels = matrix_panels(b)
        numbers, steps = panels.numbers, (panels.row_step, panels.block_step)
    elif columns % (block // 2) or (columns * itemsize % CROWDED == 0 and rows > FEW_ROWS):
        how = COPIED
    crowded = a_steps[1] == 1 and a_steps[0] * itemsize % SAME_PLACES == 0 and rows >= TALL
    blocks, lanes = -(-columns // block), block // 2
    share = min(MOST_ROWS, rows * blocks // TASKS)  # rows of a task
    teams = max(1, -(-rows // max(STRIP, share)))
    share = max(1, -(-rows // (teams * TALL))) * TALL
    pitch = DEPTH + lanes  # of rows of a that are copied since they are crowded
    piece = -(-min(depth, DEPTH) // lanes) * lanes * block if how != LIES else 0
    sums = piece + (STRIP * pitch if crowded else 0)
    size = sums + share * block
    work = borrow("work", config.NUMBA_NUM_THREADS * size, numbers.dtype).reshape(-1, size)
    flat = c.reshape(-1)
    _product_tiles(
        flat, flat if c.dtype == bias.dtype else None, a.reshape(-1), numbers, bias, work,
        _table(STRIP, columns), c.shape, a_steps, steps, depth, (piece, sums), how,
        share, pitch if crowded else 0, bias.dtype.type(low), biased or low > -inf,
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
    work_of_threads: Array,  # (threads, a piece of b, a strip of a if that is crowded, and sums)
    c_rows: Array,
    shape: tuple[int, int],
    a_steps: tuple[int, int],
    b_steps: tuple[int, int],  # to the next row, or column if turned, and to the next block
    depth: int,
    starts: tuple[int, int],  # of a's strip and the sums in the working memory
    how: int,
    share: int,  # rows of a task
    pitch: int,  # of a's rows in the working memory, or 0
    low: float,
    finish: bool,  # whether there is a bias or a least number
) -> None:
    rows, columns = shape
    b_step, b_block = b_steps
    block, lanes = BLOCK_BYTES // bias.itemsize, HOST.vector_bytes // bias.itemsize
    teams = (rows + share - 1) // share
    blocks = (columns + block - 1) // block
    for task in prange(teams * blocks):
        # A thread takes neighbouring tasks.
        part, panel = task % teams, task // teams
        if rows > TALL_MATRIX * columns:
            part, panel = task // blocks, task % blocks
        work = work_of_threads[get_thread_id()]
        sums = work.view(bias.dtype)  # where factors are pairs of bfloat16, sums are float32
        column = panel * block
        width = min(block, columns - column)
        # whether the tile's vectors fit into c, which saves a second pass
        straight = y is not None and width % lanes == 0
        start = part * share
        stop = min(start + share, rows)
        for k in range(0, max(depth, 1), DEPTH):
            length = min(DEPTH, depth - k)
            piece, piece_at, piece_row = b, panel * b_block + k * b_step, b_step
            if how == COPIED:
                copy_rows_of_steps(work, 0, block, b, piece_at, -1, b_step, length, width)
                piece, piece_at, piece_row = work, 0, block
            elif how == TURNED:
                transpose(work, 0, block, b, panel * b_block + k, b_step, width, length)
                piece, piece_at, piece_row = work, 0, block
            for first in range(start, stop, STRIP):
                height = min(STRIP, stop - first)
                strip, at, row, step = a, first * a_steps[0] + k * a_steps[1], *a_steps
                if pitch > 0:
                    for i in range(height):
                        copy(work, starts[0] + i * pitch, a, at + i * row, length)
                    strip, at, row = work, starts[0], pitch
                target, to, to_row = sums, starts[1] + (first - start) * block, block
                if y is not None:
                    target = y if straight else sums
                if straight:
                    to, to_row = first * columns + column, columns
                multiply_matrix(
                    target, to, to_row, strip, at, row, step, piece, piece_at, piece_row,
                    height, width, length, k > 0,
                )  # fmt: skip
        if finish or not straight:
            for first in range(start, stop, STRIP):
                target, to, to_row = sums, starts[1] + (first - start) * block, block
                if y is not None:
                    target = y if straight else sums
                if straight:
                    to, to_row = first * columns + column, columns
                leave(
                    c, first * columns + column, c_rows, 0, target, to, to_row,
                    bias, column, min(STRIP, stop - first), width, low,
                )  # fmt: skip
