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

from .bfloat16 import BITS
from .jit import Array, kernel_jit
from .pairs import copy_rows_of_steps, copy_step
from .rows import zero
from .scratch import borrow
from .tile import BLOCK_BYTES, HOST
from .transpose import turn

# A line of memory may stand in only a few places of the nearest cache, told by the last bits of its
# address. Rows that lie a multiple of so many bytes apart all want the same ones.
CROWDED = 1024
NEAR = 256  # bytes between rows of filters that do no harm
FEW_USES = 256  # of each number of a filter, which do not earn its copy back


class Panels(NamedTuple):
    """Where the tile finds b[k, j]: ``numbers[block * block_step + k * row_step + j % block]``."""

    numbers: Array
    row_step: int
    block_step: int


def matrix_panels(b: Array, transposed: bool = False) -> Panels:
    """Lay out a matrix (depth, columns), or (columns, depth) if ``transposed``.

    A matrix whose columns are whole vectors is left where it stands, unless its rows are crowded.
    """
    flat = b.reshape(-1)
    depth, columns = b.shape[::-1] if transposed else b.shape
    block = BLOCK_BYTES // b.itemsize
    whole = columns % (HOST.vector_bytes // b.itemsize) == 0
    crowded = columns * b.itemsize % CROWDED == 0
    if whole and not (transposed or crowded or b.dtype == BITS):
        return Panels(flat, columns, block)
    steps = (1, depth) if transposed else (columns, 1)
    return pack(flat, np.zeros(1, np.int64), (depth, columns), steps, (1, 0))


def filter_panels(w: Array, groups: int, uses: int) -> Panels:
    """Lay out the filters w (KH, KW, C, O) of a convolution: rows (KH, KW, C), columns O.

    They are left where they stand if their rows are near each other, or used few times.
    """
    KH, KW, C, O = w.shape
    whole = groups == 1 and O % (HOST.vector_bytes // w.itemsize) == 0 and w.dtype != BITS
    if whole and (O * w.itemsize <= NEAR or uses <= FEW_USES):
        return Panels(w.reshape(-1), O, BLOCK_BYTES // w.itemsize)
    taps = np.arange(KH * KW, dtype=np.int64) * (C * O)
    return pack(w.reshape(-1), taps, (C, O // groups), (O, 1), (groups, O // groups))


def pack(
    b: Array, taps: Array, shape: tuple[int, int], steps: tuple[int, int], groups: tuple[int, int]
) -> Panels:
    """Copy a matrix that lies in pieces ("taps": cells of a convolution's window) to panels.

    Parameters
    ----------
    b : ndarray
        Flat. Of bfloat16, each two rows of a piece become one row of pairs (:mod:`.pairs`), and an
        odd one at its end gets zeros for a partner.
    taps : ndarray of int64
        Where each piece begins; the panels' depth is ``len(taps) * shape[0]``, or that of pairs.
    shape : tuple of int
        (depth, columns) of a piece.
    steps : tuple of int
        Numbers from one row of a piece to the next, and from one column to the next.
    groups : tuple of int
        How many such matrices there are, and the numbers from one to the next. Their panels follow
        one another.
    """
    together, dtype = (2, np.dtype(np.uint32)) if b.dtype == BITS else (1, b.dtype)
    block = BLOCK_BYTES // dtype.itemsize
    depth = len(taps) * -(-shape[0] // together)
    blocks = -(-shape[1] // block)
    numbers = borrow("panels", groups[0] * blocks * depth * block, dtype)
    _pack(numbers, b, taps, shape, steps, groups, together)
    return Panels(numbers, block, depth * block)


@kernel_jit
def _pack(
    panels: Array,
    b: Array,
    taps: Array,
    shape: tuple[int, int],
    steps: tuple[int, int],
    groups: tuple[int, int],
    together: int,
) -> None:
    depth, columns = shape
    row_step, column_step = steps
    group_count, group_step = groups
    block, lanes = BLOCK_BYTES // panels.itemsize, HOST.vector_bytes // panels.itemsize
    rows = (depth + together - 1) // together
    blocks = (columns + block - 1) // block
    for task in prange(group_count * blocks * taps.size):
        panel, tap = task // taps.size, task % taps.size
        first = panel % blocks * block  # column
        of = taps[tap] + panel // blocks * group_step + first * column_step
        to = task * rows * block
        width = min(block, columns - first)
        if column_step == 1:
            whole = depth // together
            partner = of + row_step
            copy_rows_of_steps(
                panels, to, block, b, of, partner, together * row_step, whole, width
            )  # fmt: skip
            if whole < rows:
                last = to + whole * block
                copy_step(panels, last, b, of + 2 * whole * row_step, -1, width)
        else:
            turned = depth // lanes * lanes if row_step == 1 else 0  # by whole vectors
            turn(panels, to, block, b, of, column_step, width, turned)
            for k in range(turned, depth):
                for j in range(np.uintp(width)):
                    at = np.uintp(of + k * row_step) + j * np.uintp(column_step)
                    panels[np.uintp(to + k * block) + j] = b[at]
        if width < block:
            for k in range(rows):
                zero(panels, to + k * block + width, block - width)
