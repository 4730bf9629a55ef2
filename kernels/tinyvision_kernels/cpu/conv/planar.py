"""The gradient of images with few channels: vectors run along rows of pixels, not over channels.

With one or three channels a vector over channels is nearly empty. Along a row of the image there
are pixels enough, and they lie side by side once each channel has a *plane* of its own.

As in :mod:`.overlap_add` each position of the window sends a number to each of its cells, in a
product without gaps: sent (positions, KH * KW * C) = dy (positions, O) @ w.T (O, KH * KW * C).
Turned (:mod:`..transpose`), this is a row of numbers for each cell, a number for each position, and
a row of dx is the sum of such rows, each shifted by its cell's column ::

    sent to cell 0    p0 p1 p2 p3 ...
    sent to cell 1       p0 p1 p2 p3 ...          three cells side by side, stride 1
    sent to cell 2          p0 p1 p2 p3 ...
                      -----------------------
    a row of dx        .  .  .  .  .  .

With a stride the columns of each remainder are neighbours in a plane of their own.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numba import prange
from numba.np.ufunc import get_thread_id

from ..jit import Array, config, formula_jit, kernel_jit
from ..panels import matrix_panels
from ..product import multiply_matrix, whole_tiles
from ..rows import copy, zero
from ..scratch import borrow
from ..tile import BLOCK_BYTES
from ..transpose import transpose
from ..vector import lane_count, load, store
from .geometry import Geometry
from .overlap_add import DEPTH, STRIP, applies, band_rows
from .planar_forward import forward

__all__ = ["applies", "forward", "input_gradient"]


class _Plan(NamedTuple):
    band: int  # rows of dx in a task
    strip: int  # rows of dy whose products are computed together
    width: int  # of a plane, in whole blocks of vectors
    margin: int  # zeros before the first position of a turned row
    pitch: int  # from one turned row to the next
    sources: Array  # int64 (stride, 1 + KW): for each remainder how many turned rows, and where


def _whole(count: int, unit: int) -> int:
    return -(-count // unit) * unit


@lru_cache(maxsize=1024)
def _plan(geometry: Geometry, lanes: int) -> _Plan:
    OW, W, C = geometry.positions[1], geometry.size[1], geometry.channels[0]
    KW, stride, dilation = geometry.window[1], geometry.stride[1], geometry.dilation[1]
    sources = np.zeros((stride, 1 + KW), np.int64)
    cells, shifts = [], [0]
    for rest in range(stride):
        for s in range(KW):
            # Pixel q * stride + rest lies under cell s of window q + shift, if that is whole.
            shift, between = divmod(rest + geometry.pad[2] - s * dilation, stride)
            if not between:
                cells.append((rest, s, shift))
                shifts.append(shift)
    width = _whole(-(-W // stride), 2 * lanes)
    margin = _whole(-min(shifts), lanes)
    pitch = margin + _whole(max(OW, width + max(shifts)), lanes)
    for rest, s, shift in cells:
        sources[rest, 0] += 1
        sources[rest, sources[rest, 0]] = s * C * pitch + margin + shift
    return _Plan(band_rows(geometry), max(1, STRIP // OW), width, margin, pitch, sources)


def input_gradient(dx: Array, dy: Array, w: Array, geometry: Geometry) -> None:
    """dx (N, H, W, C) from dy (N, OH, OW, O) and w (KH, KW, C, O)."""
    KH, KW, C, O = w.shape
    block = BLOCK_BYTES // dx.itemsize
    plan = _plan(geometry, block // 2)
    panels = matrix_panels(w.reshape(-1, O), transposed=True)
    cells = _whole(KH * KW * C, block)
    turned = whole_tiles(plan.strip * dy.shape[2]) * cells
    planes = turned + cells * plan.pitch
    size = _whole(planes + plan.band * C * geometry.stride[1] * plan.width, 64)
    work = borrow("work", config.NUMBA_NUM_THREADS * size, dx.dtype)
    _send_and_add(
        dx.reshape(-1), dy.reshape(-1), panels.numbers, work.reshape(-1, size),
        dx.shape, dy.shape, geometry.window, geometry.stride, geometry.pad[0],
        geometry.dilation[0], (plan.band, plan.strip), (plan.width, plan.margin, plan.pitch),
        plan.sources, (turned, planes),
    )  # fmt: skip


@kernel_jit
def _send_and_add(
    dx: Array,
    dy: Array,
    panels: Array,
    work_of_threads: Array,  # (threads, sent, turned and planes)
    x_shape: tuple[int, int, int, int],
    y_shape: tuple[int, int, int, int],
    window: tuple[int, int],
    stride: tuple[int, int],
    top: int,  # rows of padding
    dilation: int,  # of rows
    cut: tuple[int, int],  # rows of dx in a task, and of dy in a strip
    sizes: tuple[int, int, int],
    sources: Array,
    starts: tuple[int, int],  # of the turned rows and the planes in the working memory
) -> None:
    N, H, W, C = x_shape
    _, OH, OW, O = y_shape
    KH, KW = window
    down, across = stride
    width, margin, pitch = sizes
    turned, planes = starts
    block, lanes = BLOCK_BYTES // dx.itemsize, lane_count(dx)
    cells = KH * KW * C
    blocks = (cells + block - 1) // block
    row = blocks * block  # of what a position sends
    filled = (cells + lanes - 1) // lanes * lanes  # the panels fill cells up with zeros
    bands = (H + cut[0] - 1) // cut[0]
    for task in prange(N * bands):
        n, h = task // bands, task % bands * cut[0]  # the first row of dx
        height = min(cut[0], H - h)
        work = work_of_threads[get_thread_id()]
        zero(work, turned, row * pitch + height * C * across * width)
        # the rows of windows that touch these rows of dx
        begin = max(0, -((h + top - (KH - 1) * dilation) // -down))
        end = min(OH, (h + height - 1 + top) // down + 1)
        for first in range(begin, end, cut[1]):
            rows = min(cut[1], end - first)
            of = (n * OH + first) * OW * O
            count = whole_tiles(rows * OW)
            if of + count * O > dy.size:
                count = rows * OW
            for b in range(blocks):
                for k in range(0, O, DEPTH):
                    multiply_matrix(
                        work, b * block, row,
                        dy, of + k, O, 1,
                        panels, (b * O + k) * block, block,
                        count, cells - b * block, min(DEPTH, O - k), k > 0,
                    )  # fmt: skip
            for i in range(rows):
                transpose(work, turned + margin, pitch, work, i * OW * row, row, OW, filled)
                for r in range(KH):
                    line = (first + i) * down + r * dilation - top - h
                    if 0 <= line < height:
                        to = planes + line * C * across * width
                        _add_cells(work, to, width, turned + r * KW * C * pitch, pitch, sources, C)
        for line in range(height):
            to = (n * H + h + line) * W * C
            of = planes + line * C * across * width
            if C * across == 1:
                copy(dx, to, work, of, W)
                continue
            for c in range(C):
                for rest in range(across):
                    for q in range((W - rest + across - 1) // across):
                        dx[np.uintp(to + (q * across + rest) * C + c)] = work[np.uintp(of + q)]
                    of += width


@formula_jit
def _add_cells(
    work: Array, to: int, width: int, of: int, pitch: int, sources: Array, channels: int
) -> None:
    """Add a row of cells, turned, to a row of dx: planes (channels, remainders, width)."""
    lanes = lane_count(work)
    for _ in range(channels):
        for rest in range(len(sources)):
            for q in range(0, width, 2 * lanes):
                a, b = load(work, to + q), load(work, to + q + lanes)
                for k in range(1, sources[rest, 0] + 1):
                    at = of + sources[rest, k] + q
                    a, b = a + load(work, at), b + load(work, at + lanes)
                store(work, to + q, a)
                store(work, to + q + lanes, b)
            to += width
        of += pitch
