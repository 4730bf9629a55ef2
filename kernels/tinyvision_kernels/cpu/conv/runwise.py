"""The gradient of the weights, where few channels leave the other products' tiles half empty.

As in :mod:`.direct`, dw (taps * C, O) = windows of x, transposed @ dy, with x in bands and a table
of the pixel under each tap. But taps come in *runs* of numbers that lie side by side, KW * C for
each row of the window. A tile that knows it needs one address a run instead of one a row: all 27
taps of a 3 x 3 window over three channels find their numbers by nine, which fit into registers,
and share one load of dy. And its height divides the number of taps, so that no row is wasted.
"""

from functools import lru_cache

import numpy as np
from numba import prange
from numba.np.ufunc import get_thread_id

from ..jit import Array, config, inline_jit, kernel_jit
from ..rows import copy, zero
from ..scratch import borrow
from ..sums import add_slices_of_blocks, slice_count
from ..tile import BLOCK_BYTES, HOST, TALL, make_tile
from .bands import copy_band, cut_bands
from .geometry import Geometry

RUNS = (3, 5)  # cells of the commonest windows
MANY_REGISTERS = TALL > 6  # 32 instead of 16
# Tallest tiles of whole runs, one and two vectors wide, that leave registers for b and a.
SLIM = {3: 27, 5: 25} if MANY_REGISTERS else {3: 9, 5: 10}
WIDE = {3: 9, 5: 10} if MANY_REGISTERS else {3: 6, 5: 5}

slim_threes, slim_fives = (
    make_tile(SLIM[run], 1, HOST.vector_bytes, HOST.register, places="tables", run=run)
    for run in RUNS
)
wide_threes, wide_fives = (
    make_tile(WIDE[run], 2, HOST.vector_bytes, HOST.register, places="tables", run=run)
    for run in RUNS
)


def applies(geometry: Geometry, dtype: np.dtype) -> bool:
    """Whether taps come in runs of three or five, in one group of plain floating-point numbers."""
    return geometry.groups == 1 and dtype in (np.float32, np.float64) and run_length(geometry) > 0


def run_length(geometry: Geometry) -> int:
    """How many taps side by side share an address: 3, 5 or, if neither divides them, 0."""
    C, KW = geometry.channels[0], geometry.window[1]
    together = KW * C if geometry.dilation[1] == 1 else C
    return next((run for run in RUNS if together % run == 0), 0)


@lru_cache(maxsize=1024)
def _heads(bands_taps: bytes, run: int) -> Array:
    """The first tap of each run, and zeros for the rows that fill up the last tile."""
    taps = np.frombuffer(bands_taps, np.int64)
    return np.pad(taps[::run], (0, max(SLIM.values())))


def weight_gradient(dw: Array, x: Array, dy: Array, geometry: Geometry) -> None:
    """dw (KH, KW, C, O) from x (N, H, W, C) and dy (N, OH, OW, O)."""
    C, O = geometry.channels
    run = run_length(geometry)
    down, across = geometry.axes()
    bands = cut_bands(down, across, C, 1, dw.itemsize)
    block = BLOCK_BYTES // dw.itemsize
    slim = block // 2 >= O
    height = (SLIM if slim else WIDE)[run]
    rows = -(-bands.depth // height) * height
    blocks = -(-O // block)
    size = blocks * rows * block  # dw in whole blocks
    count = -(-len(x) // bands.cut[0]) * -(-down.windows // bands.cut[1])
    slices = slice_count(count, min(8, max(2, count // 8)), size)
    partial = borrow("partial", slices * size, dw.dtype)
    panel = bands.cut[0] * bands.frame[0] * bands.frame[1] * C
    length = -(-(panel + bands.positions.size * block) // 64) * 64
    work = borrow("work", config.NUMBA_NUM_THREADS * length, dw.dtype).reshape(-1, length)
    _multiply_runs(
        partial, x.reshape(-1), dy.reshape(-1), work, x.shape, dy.shape, down.step,
        bands.cut, bands.frame, bands.corner, bands.positions,
        _heads(bands.taps[: bands.depth].tobytes(), run), (run, rows, height), slices, panel,
    )  # fmt: skip
    add_slices_of_blocks(dw, partial, slices, 1, rows)


@kernel_jit
def _multiply_runs(
    partial: Array,  # (slices, blocks, rows, block)
    x: Array,
    dy: Array,
    work_of_threads: Array,  # (threads, band and one block of columns of dy)
    x_shape: tuple[int, int, int, int],
    y_shape: tuple[int, int, int, int],
    step: int,
    cut: tuple[int, int],
    frame: tuple[int, int],
    corner: tuple[int, int],
    positions: Array,
    heads: Array,
    tiles: tuple[int, int, int],  # taps in a run, rows in all and of a tile
    slices: int,
    panel: int,  # where dy's columns begin, behind the band
) -> None:
    N, OH, OW, O = y_shape
    block = BLOCK_BYTES // partial.itemsize
    blocks = (O + block - 1) // block
    slim = block // 2 >= O
    run, rows, height = tiles
    bands = (OH + cut[1] - 1) // cut[1]  # in an image
    total = (N + cut[0] - 1) // cut[0] * bands
    length = (total + slices - 1) // slices
    for task in prange(slices):
        to = task * blocks * rows * block
        work = work_of_threads[get_thread_id()]
        if task * length >= total:
            zero(partial, to, blocks * rows * block)
        for index in range(task * length, min((task + 1) * length, total)):
            n, i = index // bands * cut[0], index % bands * cut[1]
            images, lines = min(cut[0], N - n), min(cut[1], OH - i)
            copy_band(work, x, x_shape, n, images, i * step + corner[0], corner[1], frame, 1)
            count = images * lines * OW
            for b in range(blocks):
                columns = min(block, O - b * block)
                of = (n * OH + i) * OW * O + b * block
                # The tile reads whole vectors of dy, hence beyond this block's columns too; those
                # sums are never looked at. Only the last rows are copied, so as not to read beyond.
                if of + (count - 1) * O + block <= dy.size:
                    _multiply(
                        partial, to + b * rows * block, work, heads, positions,
                        dy, of, O, run, rows, height, count, slim, index > task * length,
                    )  # fmt: skip
                else:
                    for p in range(count):
                        copy(work, panel + p * block, dy, of + p * O, columns)
                        zero(work, panel + p * block + columns, block - columns)
                    _multiply(
                        partial, to + b * rows * block, work, heads, positions,
                        work, panel, block, run, rows, height, count, slim, index > task * length,
                    )  # fmt: skip


@inline_jit
def _multiply(
    c: Array, c_at: int, a: Array, heads: Array, positions: Array,
    b: Array, b_at: int, b_row: int,
    run: int, rows: int, height: int, depth: int, slim: bool, add: bool,
) -> None:  # fmt: skip
    """c (rows, block) (+)= a, transposed @ b, in tiles of so many rows."""
    row = BLOCK_BYTES // c.itemsize
    for i in range(0, rows, height):
        to, head = c_at + i * row, i // run
        if slim:
            if run == 3:
                slim_threes(c, to, row, a, 0, heads, head, positions, b, b_at, b_row, depth, add)
            else:
                slim_fives(c, to, row, a, 0, heads, head, positions, b, b_at, b_row, depth, add)
        else:
            if run == 3:
                wide_threes(c, to, row, a, 0, heads, head, positions, b, b_at, b_row, depth, add)
            else:
                wide_fives(c, to, row, a, 0, heads, head, positions, b, b_at, b_row, depth, add)
