"""The right-hand matrix of a product, laid out in the order in which the tile reads it.

The tile wants ``b[k, j]`` for one block of columns (two vectors wide) at all k. *Panels* hold just
that, block after block, and fill the last block up with zeros, so that tiles are always whole ::

    b (depth, columns)                      panels (blocks, depth, block)
    +---------+---------+-----+             +---------+  +---------+  +-----+---+
    |  block  |  block  | ... |     ->      |  block  |  |  block  |  | ... | 0 |
    +---------+---------+-----+             +---------+  +---------+  +-----+---+
"""

from typing import NamedTuple

import numpy as np
from numba import prange

from .jit import Array, kernel_jit
from .rows import copy, zero
from .scratch import borrow
from .tile import BLOCK_BYTES, HOST


class Panels(NamedTuple):
    """Where the tile finds b[k, j]: ``numbers[block * block_step + k * row_step + j % block]``."""

    numbers: Array
    row_step: int
    block_step: int


def matrix_panels(b: Array, transposed: bool = False) -> Panels:
    """Lay out a matrix (depth, columns), or (columns, depth) if ``transposed``.

    A matrix whose columns are whole vectors is left where it stands.
    """
    flat = b.reshape(-1)
    depth, columns = b.shape[::-1] if transposed else b.shape
    block = BLOCK_BYTES // b.itemsize
    if not transposed and columns % (HOST.vector_bytes // b.itemsize) == 0:
        return Panels(flat, columns, block)
    steps = (1, depth) if transposed else (columns, 1)
    return pack(flat, np.zeros(1, np.int64), (depth, columns), steps, (1, 0))


def pack(
    b: Array, taps: Array, shape: tuple[int, int], steps: tuple[int, int], groups: tuple[int, int]
) -> Panels:
    """Copy a matrix that lies in pieces ("taps": cells of a convolution's window) to panels.

    Parameters
    ----------
    b : ndarray
        Flat.
    taps : ndarray of int64
        Where each piece begins; the panels' depth is ``len(taps) * shape[0]``.
    shape : tuple of int
        (depth, columns) of a piece.
    steps : tuple of int
        Numbers from one row of a piece to the next, and from one column to the next.
    groups : tuple of int
        How many such matrices there are, and the numbers from one to the next. Their panels follow
        one another.
    """
    block = BLOCK_BYTES // b.itemsize
    depth = len(taps) * shape[0]
    blocks = -(-shape[1] // block)
    numbers = borrow("panels", groups[0] * blocks * depth * block, b.dtype)
    _pack(numbers, b, taps, shape, steps, groups)
    return Panels(numbers, block, depth * block)


@kernel_jit
def _pack(
    panels: Array,
    b: Array,
    taps: Array,
    shape: tuple[int, int],
    steps: tuple[int, int],
    groups: tuple[int, int],
) -> None:
    depth, columns = shape
    row_step, column_step = steps
    group_count, group_step = groups
    block = BLOCK_BYTES // b.itemsize
    blocks = (columns + block - 1) // block
    for task in prange(group_count * blocks * taps.size):
        panel, tap = task // taps.size, task % taps.size
        first = panel % blocks * block  # column
        of = taps[tap] + panel // blocks * group_step + first * column_step
        to = task * depth * block
        width = min(block, columns - first)
        for k in range(depth):
            if column_step == 1:
                copy(panels, to + k * block, b, of + k * row_step, width)
            else:
                for j in range(np.uintp(width)):
                    at = np.uintp(of + k * row_step) + j * np.uintp(column_step)
                    panels[np.uintp(to + k * block) + j] = b[at]
            zero(panels, to + k * block + width, block - width)
