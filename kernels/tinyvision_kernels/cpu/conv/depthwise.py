"""Depthwise convolution: each channel is convolved by itself, so there is no product of matrices.

All three kernels are the same innermost loop, a multiply-add over neighbouring pixels and all their
channels (:func:`_multiply_add`), and all skip the padding instead of reading it.
"""

import numpy as np
from numba import prange

from ..jit import Array, inline_jit, kernel_jit
from ..rows import copy, zero
from ..scratch import borrow
from ..sums import add_slices, slice_count
from ..widen import through_float32
from .bands import Axis
from .geometry import Geometry


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
    _weights(
        partial, x.reshape(-1), dy.reshape(-1), x.shape, *_windows(*geometry.axes()), slices,
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


@kernel_jit
def _weights(
    partial: Array, x: Array, dy: Array,
    shape: tuple[int, int, int, int], windows: tuple[int, int, int, int],
    row_offsets: Array, column_offsets: Array, slices: int,
) -> None:  # fmt: skip
    N, H, W, C = shape
    down, across, row_step, column_step = windows
    taps = row_offsets.size * column_offsets.size
    length = (N * down + slices - 1) // slices
    for task in prange(slices):
        zero(partial, task * taps * C, taps * C)
        for line in range(task * length, min((task + 1) * length, N * down)):
            n, i = line // down, line % down
            for r in range(row_offsets.size):
                row = i * row_step + row_offsets[r]
                if 0 <= row < H:
                    for s in range(column_offsets.size):
                        start, stop = _inside(column_offsets[s], column_step, W, across)
                        column = start * column_step + column_offsets[s]
                        _multiply_add(
                            partial, (task * taps + r * column_offsets.size + s) * C, 0,
                            x, ((n * H + row) * W + column) * C, column_step * C,
                            dy, (line * across + start) * C, C,
                            stop - start, C,
                        )  # fmt: skip
