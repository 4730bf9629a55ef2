"""Convolution with few filters: vectors run along rows of pixels, not over filters.

Six filters leave ten of 16 lanes empty where vectors run over them. So the product is turned
around, y.T (O, positions) = w.T (O, taps * C) @ windows of x, transposed: the tile's rows are
filters, and a vector holds one tap of so many windows side by side. For that each row of x is laid
out once as *shifted rows*, one for each column of the window and each channel ::

    row of x, with zeros around it    0 a b c d e 0
    under the window's column 0       0 a b c d
    under the window's column 1       a b c d e           five windows of three columns
    under the window's column 2       b c d e 0

Windows one above the other share them. The sums of a line of y are turned back in registers
(:mod:`..transpose`) on their way out.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numba import prange
from numba.np.ufunc import get_thread_id

from ..epilogue import PLAIN, Epilogue, pool_rectangle
from ..jit import Array, config, formula_jit, kernel_jit
from ..longer import longer
from ..product import even_wide
from ..rows import copy, leave, zero
from ..scratch import borrow
from ..tile import BLOCK_BYTES, EVEN
from ..transpose import transpose
from ..vector import lane_count, load, store
from .geometry import Geometry

SHIFTED_BYTES = 1 << 15  # of shifted rows in a task: most of a nearest cache


class _Plan(NamedTuple):
    lines: int  # of y in a task
    pitch: int  # from one shifted row to the next, in whole blocks
    filters: int  # in whole tiles
    lanes: int  # of the vectors that hold the filters of a position
    width: int  # of a row of x with zeros around it
    starts: tuple[int, int, int]  # of the sums, the turned sums and the row in the working memory
    size: int  # of the working memory


def _whole(count: int, unit: int) -> int:
    return -(-count // unit) * unit


@lru_cache(maxsize=1024)
def _plan(geometry: Geometry, itemsize: int, together: int) -> _Plan:
    (OH, OW), (C, O), (KH, KW) = geometry.positions, geometry.channels, geometry.window
    (down, across), (apart, aside) = geometry.stride, geometry.dilation
    block = BLOCK_BYTES // itemsize
    pitch, filters, lanes = _whole(OW, block), _whole(O, EVEN), _whole(O, block // 2)
    fitting = SHIFTED_BYTES // (KW * C * max(pitch, 1) * itemsize)  # rows of x
    lines = max(1, (fitting - (KH - 1) * apart - 1) // down + 1)
    lines = min(_whole(-(-OH // max(1, -(-OH // lines))), together), max(OH, 1))
    rows = (lines - 1) * down + (KH - 1) * apart + 1
    width = ((pitch - 1) * across + (KW - 1) * aside + 1) * C
    sums = rows * KW * C * pitch
    turned = sums + _whole(filters, block // 2) * pitch
    row = turned + together * lanes * pitch
    size = _whole(row + max(width, 0), 64)
    return _Plan(lines, pitch, filters, lanes, width, (sums, turned, row), size)


@lru_cache(maxsize=256)
def _every(count: int, step: int) -> Array:
    return np.arange(count, dtype=np.int64) * step


def forward(
    y: Array, x: Array, w: Array, bias: Array, geometry: Geometry, epilogue: Epilogue = PLAIN
) -> None:
    """y (N, OH, OW, O) from x (N, H, W, C), w (KH, KW, C, O) and bias (O,)."""
    O, OW = geometry.channels[1], geometry.positions[1]
    plan = _plan(geometry, x.itemsize, epilogue.rows)
    filters = longer(w.reshape(-1, O), plan.filters, "filters")
    work = borrow("work", config.NUMBA_NUM_THREADS * plan.size, x.dtype)
    _multiply_rows(
        y.reshape(-1), x.reshape(-1), filters.reshape(-1), bias, work.reshape(-1, plan.size),
        y.shape, x.shape, geometry.positions, geometry.window, geometry.stride,
        (geometry.pad[0], geometry.pad[2]), geometry.dilation,
        (plan.lines, plan.pitch, plan.filters, plan.lanes, plan.width), plan.starts,
        _every(OW, O if epilogue.argmax is None else plan.lanes),
        x.dtype.type(epilogue.low), epilogue.flat_argmax,
    )  # fmt: skip


@kernel_jit
def _multiply_rows(
    y: Array,
    x: Array,
    w: Array,  # (taps * C, filters)
    bias: Array,
    work_of_threads: Array,  # (threads, shifted rows, sums, turned sums and one row of x)
    y_shape: tuple[int, int, int, int],
    x_shape: tuple[int, int, int, int],
    positions: tuple[int, int],  # of the window, down and across
    window: tuple[int, int],
    stride: tuple[int, int],
    corner: tuple[int, int],  # rows and columns of padding
    dilation: tuple[int, int],
    sizes: tuple[int, int, int, int, int],
    starts: tuple[int, int, int],
    targets: Array,
    low: float,
    argmax: Array | None,
) -> None:
    N, PH, PW, O = y_shape
    _, H, W, C = x_shape
    OH, OW = positions
    KH, KW = window
    most, pitch, filters, lanes, width = sizes
    sums, turned, row = starts
    block = BLOCK_BYTES // y.itemsize
    step = KW * C * pitch  # from the shifted rows of one row of x to those of the next
    bands = (OH + most - 1) // most
    # Shifted rows of all taps lie at equal steps, unless the window leaves out rows.
    pieces = KH if dilation[0] > 1 else 1
    depth = KH * KW * C // pieces
    for task in prange(N * bands):
        n, i = task // bands, task % bands * most  # the first line of y
        lines = min(most, OH - i)
        work = work_of_threads[get_thread_id()]
        for k in range((lines - 1) * stride[0] + (KH - 1) * dilation[0] + 1):
            h = i * stride[0] - corner[0] + k
            if 0 <= h < H:
                _pad(work, row, width, x, (n * H + h) * W * C, W * C, corner[1] * C)
                _shift(work, k * step, pitch, row, window[1], C, stride[1], dilation[1])
            else:
                zero(work, k * step, step)
        for line in range(lines):
            of = line * stride[0] * step
            for o in range(0, filters, EVEN):
                for q in range(0, pitch, block):
                    for r in range(pieces):
                        even_wide(
                            work, sums + o * pitch + q, pitch,
                            w, r * depth * filters + o, 1, filters,
                            work, of + r * dilation[0] * step + q, pitch, depth, r > 0,
                        )  # fmt: skip
            if argmax is None:
                transpose(work, turned, lanes, work, sums, pitch, O, OW)
                to = ((n * OH + i + line) * OW) * O
                leave(y, to, targets, 0, work, turned, lanes, bias, 0, OW, O, low)
            else:
                at = turned + line % 2 * pitch * lanes
                transpose(work, at, lanes, work, sums, pitch, O, OW)
                leave(work, at, targets, 0, work, at, lanes, bias, 0, OW, O, low)
                if line % 2:
                    to = (n * PH + (i + line) // 2) * PW * O
                    pool_rectangle(
                        y, argmax, to, 0, O, work, turned, pitch * lanes, lanes, 2, OW, O
                    )  # fmt: skip


@formula_jit
def _pad(c: Array, c_at: int, width: int, a: Array, a_at: int, count: int, before: int) -> None:
    """Copy a row of ``count`` numbers with ``before`` zeros before it, and ``width`` in all."""
    inside = max(0, min(count, width - before))
    zero(c, c_at, min(before, width))
    copy(c, c_at + before, a, a_at, inside)
    zero(c, c_at + before + inside, max(0, width - before - inside))


@formula_jit
def _shift(
    work: Array, to: int, pitch: int, row: int, columns: int, C: int, stride: int, dilation: int
) -> None:
    """Lay out a row of x: shifted rows (columns of the window, C, pitch)."""
    for s in range(columns):
        for c in range(C):
            of = row + s * dilation * C + c
            if C * stride == 1:
                for q in range(0, pitch, lane_count(work)):
                    store(work, to + q, load(work, of + q))
            else:
                for q in range(np.uintp(pitch)):
                    work[np.uintp(to) + q] = work[np.uintp(of) + q * np.uintp(C * stride)]
            to += pitch
