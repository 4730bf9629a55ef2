"""Direct convolution, one line of the output at a time: for short sums above all.

:mod:`.direct` lets the tile find positions through a table, so that it may run on over the ends of
lines, and stores finished sums in a second pass. Both cost little beside a long sum. With a few
input channels a sum is short, 9 products for a 3 x 3 window over one channel, and they cost as much
as the products. Within one line of y the positions lie at equal steps, in the band that the windows
cover as in y itself, so that a tile needs no table of them, starts from the bias and stores its
sums where they belong.

The price is that tiles end where the line does. The last one of a line is moved back so that it
ends there, too, and computes some positions a second time.
"""

from math import prod

import numpy as np
from numba import prange
from numba.np.ufunc import get_thread_id

from ..epilogue import PLAIN, Epilogue, pool_rectangle
from ..jit import Array, config, formula_jit, kernel_jit
from ..longer import longer
from ..panels import filter_panels
from ..scratch import borrow
from ..tile import BLOCK_BYTES, HOST, MIDDLE, SINGLE, TALL, make_tile
from ..vector import lane_count, load, store_first
from .bands import copy_band, cut_bands
from .geometry import Geometry

MIDDLE_SLIM = 2 * MIDDLE  # as many sums in a tile one vector wide

tall_wide, middle_wide, single_wide = (
    make_tile(rows, 2, HOST.vector_bytes, HOST.register, places="windows")
    for rows in (TALL, MIDDLE, SINGLE)
)
tall_slim, middle_slim, single_slim = (
    make_tile(rows, 1, HOST.vector_bytes, HOST.register, places="windows")
    for rows in (TALL, MIDDLE_SLIM, SINGLE)
)


def applies(geometry: Geometry, dtype: np.dtype) -> bool:
    """Whether this algorithm can compute it: any convolution of plain floating-point numbers."""
    return dtype in (np.float32, np.float64)


def cost_of_line(positions: int, slim: bool) -> float:
    """Count the rows of tall tiles that take as long as a line of so many positions.

    A low tile has fewer sums to use each weight for, and the lowest keeps the multipliers waiting.
    """
    middle = MIDDLE_SLIM if slim else MIDDLE
    if positions < middle:
        return 4.0 * positions
    if positions < TALL:
        return -(-positions // middle) * middle * 1.15
    tall, rest = divmod(positions, TALL)
    return tall * TALL + (0 if rest == 0 else middle * 1.15 if rest <= middle else TALL)


def forward(
    y: Array, x: Array, w: Array, bias: Array, geometry: Geometry, epilogue: Epilogue = PLAIN
) -> None:
    """y (N, OH, OW, O) from x (N, H, W, C), w (KH, KW, C / groups, O) and bias (O,)."""
    groups = geometry.groups
    C, O = w.shape[2:]  # C of one group
    panels = filter_panels(w, groups, geometry.images * prod(geometry.positions))
    down, across = geometry.axes()
    bands = cut_bands(down, across, x.shape[3], groups, x.itemsize, epilogue.rows, len(x))
    block = BLOCK_BYTES // x.itemsize
    if O // groups % (block // 2):
        bias = longer(bias[None], O + block, "bias")[0]  # the tile reads whole vectors
    sums = -(-bands.cut[0] * bands.frame[0] * bands.frame[1] * x.shape[3] // 64) * 64
    kept = TALL  # positions whose sums are kept; of two whole lines for each block, if pooled
    if epilogue.argmax is not None:
        kept = 2 * across.windows * groups * -(-O // groups // block)
    size = sums + -(-kept * block // 64) * 64
    work = borrow("work", config.NUMBA_NUM_THREADS * size, x.dtype).reshape(-1, size)
    _multiply_lines(
        y.reshape(-1), x.reshape(-1), panels.numbers, bias, work, y.shape, x.shape,
        (down.step, across.step), bands.cut, bands.frame, bands.corner, bands.taps, bands.depth,
        (groups, C, O // groups), (panels.block_step, panels.row_step), sums, geometry.positions,
        x.dtype.type(epilogue.low), epilogue.flat_argmax,
    )  # fmt: skip


@kernel_jit
def _multiply_lines(
    y: Array,
    x: Array,
    panels: Array,
    bias: Array,
    work_of_threads: Array,  # (threads, band and sums)
    y_shape: tuple[int, int, int, int],
    x_shape: tuple[int, int, int, int],
    steps: tuple[int, int],  # from one window to the next, down and across
    cut: tuple[int, int],
    frame: tuple[int, int],
    corner: tuple[int, int],
    taps: Array,
    depth: int,
    channels: tuple[int, int, int],  # groups, and the channels of one in x and in y
    panel_steps: tuple[int, int],  # from panel to panel, and from row to row of one
    sums: int,  # where they begin in the working memory, behind the band
    positions: tuple[int, int],  # of the window, down and across
    low: float,
    argmax: Array | None,
) -> None:
    N, O = y_shape[0], y_shape[3]
    OH, OW = positions
    groups, c_of_group, o = channels
    down, across = steps
    step = across * groups * c_of_group
    height, width = frame
    block, lanes = BLOCK_BYTES // y.itemsize, lane_count(y)
    blocks = (o + block - 1) // block
    bands = (OH + cut[1] - 1) // cut[1]  # in an image
    for task in prange((N + cut[0] - 1) // cut[0] * bands):
        n, i = task // bands * cut[0], task % bands * cut[1]
        images, rows = min(cut[0], N - n), min(cut[1], OH - i)
        work = work_of_threads[get_thread_id()]
        copy_band(work, x, x_shape, n, images, i * down + corner[0], corner[1], frame, 1)
        for line in range(images * rows):
            m, r = line // rows, line % rows
            of = (m * height + r * down) * width * groups * c_of_group
            to = ((n + m) * OH + i + r) * OW * O
            for panel in range(groups * blocks):
                g, column = panel // blocks, panel % blocks * block
                channel, columns = g * o + column, min(block, o - column)
                whole = columns % lanes == 0  # if not, vectors would reach beyond y's channels
                piece = OW if whole or argmax is not None else TALL
                for j in range(0, OW, piece):
                    count = min(piece, OW - j)
                    at = to + j * O + channel
                    c, c_at, c_row = (y, at, O) if whole else (work, sums, block)
                    if argmax is not None:
                        c, c_at, c_row = work, sums + (panel * 2 + r % 2) * OW * block, block
                    _multiply_line(
                        c, c_at, c_row, work, of + g * c_of_group + j * step, step, taps,
                        panels, panel * panel_steps[0], panel_steps[1], depth, bias, channel, count,
                        columns <= lanes, low,
                    )  # fmt: skip
                    if argmax is not None:
                        if r % 2:
                            of_pooled = ((n + m) * y_shape[1] + (i + r) // 2) * y_shape[2] * O
                            pool_rectangle(
                                y, argmax, of_pooled + channel, 0, O,
                                work, c_at - OW * block, OW * block, block, 2, OW, columns,
                            )  # fmt: skip
                    elif not whole:
                        for p in range(count):
                            for k in range(0, columns, lanes):
                                value = load(work, sums + p * block + k)
                                store_first(y, at + p * O + k, value, columns - k)


@formula_jit
def _multiply_line(
    c: Array, to: int, c_row: int, a: Array, of: int, a_row: int, taps: Array,
    b: Array, b_at: int, b_row: int, depth: int, bias: Array, channel: int, count: int, slim: bool,
    low: float,
) -> None:  # fmt: skip
    """Compute one block of channels of ``count`` positions, in tiles that never reach further."""
    middle = MIDDLE_SLIM if slim else MIDDLE
    done = 0
    while done < count:
        left = count - done
        if left > middle and count >= TALL:
            i = min(done, count - TALL)
            c_at, a_at = to + i * c_row, of + i * a_row
            if slim:
                tall_slim(
                    c, c_at, c_row, a, a_at, a_row, taps, b, b_at, b_row, depth, bias, channel, low
                )
            else:
                tall_wide(
                    c, c_at, c_row, a, a_at, a_row, taps, b, b_at, b_row, depth, bias, channel, low
                )
            done = i + TALL
        elif count >= middle:
            i = min(done, count - middle)
            c_at, a_at = to + i * c_row, of + i * a_row
            if slim:
                middle_slim(
                    c, c_at, c_row, a, a_at, a_row, taps, b, b_at, b_row, depth, bias, channel, low
                )
            else:
                middle_wide(
                    c, c_at, c_row, a, a_at, a_row, taps, b, b_at, b_row, depth, bias, channel, low
                )
            done = i + middle
        else:
            c_at, a_at = to + done * c_row, of + done * a_row
            if slim:
                single_slim(
                    c, c_at, c_row, a, a_at, a_row, taps, b, b_at, b_row, depth, bias, channel, low
                )
            else:
                single_wide(
                    c, c_at, c_row, a, a_at, a_row, taps, b, b_at, b_row, depth, bias, channel, low
                )
            done += SINGLE
