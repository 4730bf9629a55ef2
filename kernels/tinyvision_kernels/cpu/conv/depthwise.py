"""Depthwise convolution: each channel is convolved by itself, so there is no product of matrices.

All three kernels skip the padding instead of reading it. Forward and the gradient of the input are
the same innermost loop, a multiply-add over neighbouring pixels and all their channels
(:func:`_multiply_add`). The gradient of the weights keeps its few sums in registers, and waits for
the memory alone.
"""

from typing import Any

import numpy as np
from numba import prange

from ..jit import Array, formula_jit, inline_jit, kernel_jit
from ..prefetch import prefetch
from ..rows import copy, zero
from ..scratch import borrow
from ..sums import add_slices, slice_count
from ..vector import lane_count, load, load_first, store, store_first, zeros
from ..widen import through_float32
from .bands import Axis
from .geometry import Geometry

PIECE = 2048  # numbers of a row that stay in the nearest cache, with those of the rows around it


def applies(geometry: Geometry, dtype: np.dtype) -> bool:
    """Whether each group has a single input and a single output channel."""
    C, O = geometry.channels
    return geometry.groups == C == O


@through_float32(outputs=1)
def forward(y: Array, x: Array, w: Array, bias: Array, geometry: Geometry) -> None:
    """y (N, OH, OW, C) from x (N, H, W, C), w (KH, KW, 1, C) and bias (C,)."""
    _forward(
        y.reshape(-1), x.reshape(-1), w.reshape(-1), bias, x.shape, *_windows(*geometry.axes()),
    )  # fmt: skip


@through_float32(outputs=1)
def input_gradient(dx: Array, dy: Array, w: Array, geometry: Geometry) -> None:
    """dx (N, H, W, C) from dy (N, OH, OW, C) and w (KH, KW, 1, C)."""
    _backward(
        dx.reshape(-1), dy.reshape(-1), w.reshape(-1), dx.shape, *_windows(*geometry.axes()),
    )  # fmt: skip


@through_float32(outputs=1)
def weight_gradient(dw: Array, x: Array, dy: Array, geometry: Geometry) -> None:
    """dw (KH, KW, 1, C) from x (N, H, W, C) and dy (N, OH, OW, C)."""
    slices = slice_count(dy.shape[0] * dy.shape[1], 8, dw.size)
    partial = borrow("partial", slices * dw.size, dw.dtype)
    W, (_, across) = x.shape[2], geometry.axes()
    spans = [_inside(offset, across.step, W, across.windows) for offset in across.offsets]
    pixels = np.arange(across.windows, dtype=np.int64) * (across.step * x.shape[3])
    _weights(
        partial, x.reshape(-1), dy.reshape(-1), x.shape, *_windows(*geometry.axes()),
        np.array(spans, np.int64), pixels, slices,
    )  # fmt: skip
    add_slices(dw, partial, slices)


def _windows(down: Axis, across: Axis) -> tuple[tuple[int, int, int, int], Array, Array]:
    """How many windows there are down and across, their steps in pixels, and both axes' offsets."""
    counts = (down.windows, across.windows, down.step, across.step)
    return counts, np.array(down.offsets, np.int64), np.array(across.offsets, np.int64)


@inline_jit
def _inside(offset: int, step: int, size: int, count: int) -> tuple[int, int]:
    """First and last + 1 of ``count`` windows whose pixel ``i * step + offset`` exists."""
    start = min(max(-(offset // step), 0), count)  # both divisions round up
    return start, min(max(-((offset - size) // step), start), count)


@inline_jit
def _multiply_add(
    c: Array, c_at: int, c_step: int,
    a: Array, a_at: int, a_step: int,
    b: Array, b_at: int, b_step: int,
    count: int, channels: int,
) -> None:  # fmt: skip
    """c[p, k] += a[p, k] * b[p, k] for p < count pixels, one step apart, and k < channels."""
    for p in range(count):
        to, of = np.uintp(c_at + p * c_step), np.uintp(a_at + p * a_step)
        by = np.uintp(b_at + p * b_step)
        for k in range(np.uintp(channels)):
            c[to + k] += a[of + k] * b[by + k]


@kernel_jit
def _forward(
    y: Array, x: Array, w: Array, bias: Array,
    shape: tuple[int, int, int, int], windows: tuple[int, int, int, int],
    row_offsets: Array, column_offsets: Array,
) -> None:  # fmt: skip
    N, H, W, C = shape
    down, across, row_step, column_step = windows
    for task in prange(N * down):  # a row of y
        n, i = task // down, task % down
        to = task * across * C
        for j in range(across):
            copy(y, to + j * C, bias, 0, C)
        for r in range(row_offsets.size):
            row = i * row_step + row_offsets[r]
            if 0 <= row < H:
                for s in range(column_offsets.size):
                    start, stop = _inside(column_offsets[s], column_step, W, across)
                    column = start * column_step + column_offsets[s]
                    _multiply_add(
                        y, to + start * C, C,
                        x, ((n * H + row) * W + column) * C, column_step * C,
                        w, (r * column_offsets.size + s) * C, 0,
                        stop - start, C,
                    )  # fmt: skip


@kernel_jit
def _backward(
    dx: Array, dy: Array, w: Array,
    shape: tuple[int, int, int, int], windows: tuple[int, int, int, int],
    row_offsets: Array, column_offsets: Array,
) -> None:  # fmt: skip
    N, H, W, C = shape
    down, across, row_step, column_step = windows
    for task in prange(N * H):  # a row of dx
        n, row = task // H, task % H
        zero(dx, task * W * C, W * C)
        for r in range(row_offsets.size):
            i, rest = divmod(row - row_offsets[r], row_step)
            if rest == 0 and 0 <= i < down:
                for s in range(column_offsets.size):
                    start, stop = _inside(column_offsets[s], column_step, W, across)
                    column = start * column_step + column_offsets[s]
                    _multiply_add(
                        dx, (task * W + column) * C, column_step * C,
                        dy, ((n * down + i) * across + start) * C, C,
                        w, (r * column_offsets.size + s) * C, 0,
                        stop - start, C,
                    )  # fmt: skip


# ----------------------------------------------------------------------------
# The gradient of the weights
# ----------------------------------------------------------------------------


@kernel_jit
def _weights(
    partial: Array, x: Array, dy: Array,
    shape: tuple[int, int, int, int], windows: tuple[int, int, int, int],
    row_offsets: Array, column_offsets: Array, spans: Array, pixels: Array, slices: int,
) -> None:  # fmt: skip
    N, H, W, C = shape
    down, across, row_step, _ = windows
    KH, KW = row_offsets.size, column_offsets.size
    length = (N * down + slices - 1) // slices
    piece = max(8, PIECE // C)
    for task in prange(slices):
        zero(partial, task * KH * KW * C, KH * KW * C)
        line, stop = task * length, min((task + 1) * length, N * down)
        while line < stop:
            n, i = line // down, line % down
            lines = min(down - i, stop - line)  # of this image
            for first in range(0, across, piece):
                last = min(first + piece, across)
                for k in range(i, i + lines):
                    r = 0
                    while r < KH:
                        row = k * row_step + row_offsets[r]
                        three = r + 3 <= KH and row >= 0
                        three = three and k * row_step + row_offsets[r + 2] < H
                        if 0 <= row < H:
                            gap = (row_offsets[r + 1] - row_offsets[r]) * W * C if three else 0
                            _weights_of_rows(
                                partial, (task * KH + r) * KW * C,
                                x, (n * H + row) * W * C, dy, (n * down + k) * across * C, C,
                                column_offsets, spans, pixels, across, first, last,
                                three, gap, row_step * W * C,
                            )  # fmt: skip
                        r += 3 if three else 1
            line += lines


@formula_jit
def _weights_of_rows(
    partial: Array, to: int, x: Array, of: int, dy: Array, by: int, C: int,
    offsets: Array, spans: Array, pixels: Array, across: int, first: int, last: int,
    three: bool, gap: int, next_x: int,
) -> None:  # fmt: skip
    """Add what positions ``first`` to ``last`` of a line give to one or three rows of the window.

    Three cells of a row at a time, where all of them lie on the image.
    """
    lanes, KW, rows = lane_count(partial), len(offsets), 3 if three else 1
    for s in range(0, KW, 3):
        start, stop = last, last
        if s + 3 <= KW:
            start = min(max(spans[s, 0], first), last)
            stop = max(min(spans[s + 2, 1], last), start)
            side = (offsets[s + 1] - offsets[s]) * C
            cell, pixel = to + s * C, of + offsets[s] * C
            for c in range(0, C, lanes):
                if three and c + lanes <= C:
                    _sum_nine(
                        partial, cell + c, C, KW * C, x, pixel + c, pixels, side, gap,
                        dy, by + c, start, stop, next_x, across * C,
                    )  # fmt: skip
                    continue
                for r in range(rows):
                    _sum_three(
                        partial, cell + r * KW * C + c, C, x, pixel + r * gap + c, pixels, side,
                        dy, by + c, start, stop, C - c,
                    )  # fmt: skip
        if start > first or stop < last:
            for t in range(s, min(s + 3, KW)):
                begin, end = max(spans[t, 0], first), min(spans[t, 1], last)
                for r in range(rows):
                    cell, row = to + (r * KW + t) * C, of + r * gap + offsets[t] * C
                    for j in range(begin, end):
                        if j < start or j >= stop:
                            at, g = row + pixels[j], by + j * C
                            _multiply_add(partial, cell, 0, x, at, 0, dy, g, 0, 1, C)


@formula_jit
def _sum_nine(
    partial: Array, to: int, C: int, cells: int,
    x: Array, of: int, pixels: Array, side: int, gap: int, dy: Array, by: int,
    start: int, stop: int, next_x: int, next_dy: int,
) -> None:  # fmt: skip
    """Sum one vector of channels of nine cells, so that dy is loaded once for all.

    It is the next line of x and of dy that is still far away, when this one is summed. The places
    of pixels are read from a table: LLVM cannot turn them into a pointer for each cell, to be moved
    on one by one, for which there are not enough registers.
    """
    a0 = zeros(partial)
    a1 = a2 = b0 = b1 = b2 = d0 = d1 = d2 = a0
    for j in range(start, stop):
        at, g_at = of + pixels[np.uintp(j)], by + j * C
        prefetch(dy, g_at + next_dy)
        g = load(dy, g_at)
        a0 = a0 + g * load(x, at)
        a1 = a1 + g * load(x, at + side)
        a2 = a2 + g * load(x, at + 2 * side)
        at += gap
        b0 = b0 + g * load(x, at)
        b1 = b1 + g * load(x, at + side)
        b2 = b2 + g * load(x, at + 2 * side)
        at += gap
        prefetch(x, at + side + next_x)
        d0 = d0 + g * load(x, at)
        d1 = d1 + g * load(x, at + side)
        d2 = d2 + g * load(x, at + 2 * side)
    _add_three(partial, to, C, a0, a1, a2)
    _add_three(partial, to + cells, C, b0, b1, b2)
    _add_three(partial, to + 2 * cells, C, d0, d1, d2)


@formula_jit
def _add_three(partial: Array, to: int, C: int, a: Any, b: Any, d: Any) -> None:
    store(partial, to, load(partial, to) + a)
    store(partial, to + C, load(partial, to + C) + b)
    store(partial, to + 2 * C, load(partial, to + 2 * C) + d)


@formula_jit
def _sum_three(
    partial: Array, to: int, C: int, x: Array, of: int, pixels: Array, side: int,
    dy: Array, by: int, start: int, stop: int, left: int,
) -> None:  # fmt: skip
    """Sum one vector of channels, or what is left of them, of three cells of a row."""
    a = load_first(partial, to, left)
    b, d = load_first(partial, to + C, left), load_first(partial, to + 2 * C, left)
    for j in range(start, stop):
        at, g = of + pixels[np.uintp(j)], load_first(dy, by + j * C, left)
        a = a + g * load_first(x, at, left)
        b = b + g * load_first(x, at + side, left)
        d = d + g * load_first(x, at + 2 * side, left)
    store_first(partial, to, a, left)
    store_first(partial, to + C, b, left)
    store_first(partial, to + 2 * C, d, left)
