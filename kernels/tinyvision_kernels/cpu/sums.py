"""Sums over many rows, with the same bits for any number of threads.

Floating-point sums depend on their order. So the rows are cut into *slices* by their number alone,
whichever thread takes one sums it up by itself, and the slices' sums are added in slice order.
"""

from numba import prange

from .bfloat16 import stored
from .jit import Array, body_jit, kernel_jit
from .rows import add_to, copy
from .tile import BLOCK_BYTES

MOST_SLICES = 32  # enough for the cores of a workstation, few enough to add up quickly
MOST_NUMBERS = 1 << 22  # in all slices' sums together: 16 MiB of float32


def slice_count(rows: int, least: int, size: int, parts: int = 1) -> int:
    """Slices for sums of ``size`` numbers over ``rows``, of at least ``least`` rows each.

    Where each slice is summed up in ``parts``, fewer slices keep all cores busy.
    """
    return max(1, min(rows // least, MOST_SLICES // parts, MOST_NUMBERS // max(size, 1)))


@body_jit
def add_chunks(total: Array, sums: Array) -> None:
    """total (n, K) = the sum over the chunks of sums (n, chunks, K), few numbers each."""
    for i in range(len(total)):
        for k in range(total.shape[1]):
            value = 0.0
            for chunk in range(sums.shape[1]):
                value += sums[i, chunk, k]
            total[i, k] = stored(value, total)


def add_slices(c: Array, partial: Array, slices: int) -> None:
    """Add up slices of c's own layout: c (...) = sum of partial (slices, ...)."""
    _add_blocks(c.reshape(-1), partial, slices, 1, c.size, c.size, 1)


def add_slices_of_blocks(c: Array, partial: Array, slices: int, groups: int, rows: int) -> None:
    """Add up slices in the layout of tiles.

    c (..., O) = sum of partial (slices, groups, blocks, rows, block), where the O / groups columns
    of a group are cut into whole blocks, and only as many rows count as c has.
    """
    columns = c.shape[-1] // groups
    _add_blocks(c.reshape(-1), partial, slices, groups, columns, BLOCK_BYTES // c.itemsize, rows)


@kernel_jit
def _add_blocks(
    c: Array, partial: Array, slices: int, groups: int, columns: int, block: int, rows: int
) -> None:
    blocks = (columns + block - 1) // block
    wanted = c.size // (groups * columns)
    slice_size = groups * blocks * rows * block
    for task in prange(groups * blocks * wanted):
        panel, row = task // wanted, task % wanted
        column = panel % blocks * block
        to = (row * groups + panel // blocks) * columns + column
        of = (panel * rows + row) * block
        width = min(block, columns - column)
        copy(c, to, partial, of, width)
        for s in range(1, slices):
            add_to(c, to, c, to, partial, s * slice_size + of, width)
