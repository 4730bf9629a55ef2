"""Pooling: vectors run over the channels, which lie side by side.

All kernels are cut by rows, the forward ones by rows of the output, the backward ones by rows of
the image: each row of dx collects what the windows over it send, so that no two threads add to one
place, and a single image keeps all cores busy. 2x2 windows, by far the commonest, have loops of
their own in which every number is known, which makes them twice as fast.
"""

from collections.abc import Callable
from typing import Any

from ..contract import Pads, Pair
from .bfloat16 import bits
from .chunks import Arrays, Kernel, Settings, chunk_rows, chunked
from .jit import Array, body_jit, exact_formula_jit, formula_jit
from .mask import choose, load_first_bytes, store_first_bytes
from .prefetch import prefetch
from .rows import zero
from .vector import load_first, store_first, zeros
from .widen import through_float32
from .windows import (
    cells_on_image,
    geometry_of,
    halves_image,
    on_image,
    over_channels,
    windows_over,
)

_AHEAD = 512  # numbers: how far before its use memory is asked for

# ----------------------------------------------------------------------------
# Max pooling
# ----------------------------------------------------------------------------


@exact_formula_jit
def _winner(index: Any, best: Any, number: Any, cell: Any) -> tuple[Any, Any]:
    """The larger of two, and which it is: the one in the lead if both are equal or it is NaN."""
    # "not <=" holds for a NaN, too; only a NaN in the lead, unlike itself, cannot be beaten
    index = choose(best == best, choose(cell <= best, index, number), index)
    return index, choose(best == best, choose(cell <= best, best, cell), best)


@formula_jit
def _largest_of_four(arrays: Arrays, out: int, at: int, settings: Settings, count: int) -> None:
    y, argmax, x = arrays
    row, C = settings
    best = load_first(x, at, count)
    index = zeros(x)
    index, best = _winner(index, best, index + 1, load_first(x, at + C, count))
    index, best = _winner(index, best, zeros(x) + 2, load_first(x, at + row, count))
    index, best = _winner(index, best, zeros(x) + 3, load_first(x, at + row + C, count))
    store_first(y, out, best, count)
    store_first_bytes(argmax, out, index, count)
    ahead = at + _AHEAD
    prefetch(x, ahead)
    prefetch(x, ahead + C)
    prefetch(x, ahead + row)
    prefetch(x, ahead + row + C)


@formula_jit
def _largest_of_window(arrays: Arrays, out: int, at: int, settings: Settings, count: int) -> None:
    y, argmax, x = arrays
    row, C, KW, r0, r1, s0, s1 = settings
    best = load_first(x, at + r0 * row + s0 * C, count)
    index = zeros(x) + (r0 * KW + s0)
    for r in range(r0, r1):
        number = zeros(x) + (r * KW + s0)
        for s in range(s0, s1):
            place = at + r * row + s * C
            index, best = _winner(index, best, number, load_first(x, place, count))
            number = number + 1
            prefetch(x, place + _AHEAD)
    store_first(y, out, best, count)
    store_first_bytes(argmax, out, index, count)


_write_largest_of_four = over_channels(_largest_of_four)
_write_largest_of_window = over_channels(_largest_of_window)


@body_jit
def _max_pool_2x2_rows(arrays: Arrays, geometry: Settings, start: int, stop: int) -> None:
    H, W, C, OH, OW, _, _, sh, sw, _, _ = geometry
    for row in range(start, stop):  # of N * OH
        at = (row // OH * H + row % OH * sh) * W * C
        for j in range(OW):
            out = (row * OW + j) * C
            _write_largest_of_four(arrays, out, at + j * sw * C, (W * C, C), C)


@body_jit
def _max_pool_rows(arrays: Arrays, geometry: Settings, start: int, stop: int) -> None:
    H, W, C, OH, OW, KH, KW, sh, sw, top, left = geometry
    for row in range(start, stop):  # of N * OH
        n, i = row // OH, row % OH
        r0, r1 = cells_on_image(i, H, KH, sh, top)
        for j in range(OW):
            s0, s1 = cells_on_image(j, W, KW, sw, left)
            at = ((n * H + i * sh - top) * W + j * sw - left) * C  # of the window's corner
            settings = (W * C, C, KW, r0, r1, s0, s1)
            _write_largest_of_window(arrays, (row * OW + j) * C, at, settings, C)


_max_pool_2x2 = chunked(_max_pool_2x2_rows)
_max_pool_any = chunked(_max_pool_rows)


def max_pool2d(y: Array, argmax: Array, x: Array, window: Pair, stride: Pair, pad: Pads) -> None:
    """Keep the largest cell of each window, and which it was."""
    N, OH, OW, C = y.shape
    geometry = geometry_of(x, y, window, stride, pad)
    run = _max_pool_2x2 if tuple(window) == (2, 2) and on_image(geometry) else _max_pool_any
    arrays = bits(y).reshape(-1), argmax.reshape(-1), bits(x).reshape(-1)
    run(arrays, geometry, N * OH, chunk_rows(N * OH, OW * C * window[0] * window[1]))


@formula_jit
def _to_two_winners(arrays: Arrays, out: int, at: int, settings: Settings, count: int) -> None:
    """Write one row of a 2x2 window: dy where the cell won, else zero."""
    dx, dy, argmax = arrays
    C, first = settings
    slope = load_first(dy, out, count)
    winner = load_first_bytes(argmax, out, count, slope)
    store_first(dx, at, choose(winner == first, slope, 0), count)
    store_first(dx, at + C, choose(winner == first + 1, slope, 0), count)


@formula_jit
def _add_to_winners(arrays: Arrays, out: int, at: int, settings: Settings, count: int) -> None:
    """The same for cells s0 to s1 - 1 of any window: others may share them."""
    dx, dy, argmax = arrays
    C, s0, s1, first = settings
    slope = load_first(dy, out, count)
    winner = load_first_bytes(argmax, out, count, slope)
    for s in range(s0, s1):
        so_far = load_first(dx, at + s * C, count)
        store_first(dx, at + s * C, so_far + choose(winner == first + s, slope, 0), count)


_write_to_two_winners = over_channels(_to_two_winners)
_send_to_winners = over_channels(_add_to_winners)


@body_jit
def _max_pool_2x2_dx_rows(arrays: Arrays, geometry: Settings, start: int, stop: int) -> None:
    H, W, C, OH, OW = geometry[:5]
    for row in range(start, stop):  # of N * H
        n, h = row // H, row % H
        columns = OW if h < 2 * OH else 0  # windows over this row
        out, at = (n * OH + h // 2) * OW * C, row * W * C
        settings = (C, h % 2 * 2)
        for j in range(columns):
            _write_to_two_winners(arrays, out + j * C, at + 2 * j * C, settings, C)
        if 2 * columns < W:
            zero(arrays[0], at + 2 * columns * C, (W - 2 * columns) * C)


@body_jit
def _max_pool_dx_rows(arrays: Arrays, geometry: Settings, start: int, stop: int) -> None:
    H, W, C, OH, OW, KH, KW, sh, sw, top, left = geometry
    for row in range(start, stop):  # of N * H
        n, h = row // H, row % H
        zero(arrays[0], row * W * C, W * C)
        i0, i1 = windows_over(h, OH, KH, sh, top)
        for i in range(i0, i1):
            for j in range(OW):
                s0, s1 = cells_on_image(j, W, KW, sw, left)
                out, at = ((n * OH + i) * OW + j) * C, (row * W + j * sw - left) * C
                settings = (C, s0, s1, (h + top - i * sh) * KW)
                _send_to_winners(arrays, out, at, settings, C)


def _by_rows_of_dx(body: Kernel) -> Callable[..., None]:
    """Make ``kernel(dx, dy, ..., geometry)`` of the loops over rows of dx."""
    run = chunked(body)

    def launch(dx: Array, *others: Any) -> None:
        *arrays, geometry = dx, *others
        N, H, W, C = dx.shape
        flat = tuple(bits(array).reshape(-1) for array in arrays)
        run(flat, geometry, N * H, chunk_rows(N * H, W * C))

    return launch


_max_pool_2x2_dx = _by_rows_of_dx(_max_pool_2x2_dx_rows)
# A cell of several windows takes a sum, which is not taken in bfloat16.
_max_pool_any_dx = through_float32(outputs=1)(_by_rows_of_dx(_max_pool_dx_rows))


def max_pool2d_dx(
    dx: Array, dy: Array, argmax: Array, size: Pair, window: Pair, stride: Pair, pad: Pads
) -> None:
    """Send each gradient to the cell that won."""
    geometry = geometry_of(dx, dy, window, stride, pad)
    run = _max_pool_2x2_dx if halves_image(geometry) else _max_pool_any_dx
    run(dx, dy, argmax, geometry)


# ----------------------------------------------------------------------------
# Average pooling
# ----------------------------------------------------------------------------


@formula_jit
def _mean(arrays: Arrays, out: int, at: int, settings: Settings, count: int) -> None:
    y, x = arrays
    row, C, r0, r1, s0, s1, share = settings
    total = zeros(x)
    for r in range(r0, r1):
        for s in range(s0, s1):
            cell = at + r * row + s * C
            total = total + load_first(x, cell, count)
            prefetch(x, cell + _AHEAD)
    store_first(y, out, total * share, count)


_write_mean = over_channels(_mean)


@body_jit
def _avg_pool_rows(arrays: Arrays, geometry: Settings, start: int, stop: int) -> None:
    H, W, C, OH, OW, KH, KW, sh, sw, top, left = geometry
    for row in range(start, stop):  # of N * OH
        n, i = row // OH, row % OH
        r0, r1 = cells_on_image(i, H, KH, sh, top)
        for j in range(OW):
            s0, s1 = cells_on_image(j, W, KW, sw, left)
            at = ((n * H + i * sh - top) * W + j * sw - left) * C
            settings = (W * C, C, r0, r1, s0, s1, 1 / ((r1 - r0) * (s1 - s0)))
            _write_mean(arrays, (row * OW + j) * C, at, settings, C)


_avg_pool2d = chunked(_avg_pool_rows)


def avg_pool2d(y: Array, x: Array, window: Pair, stride: Pair, pad: Pads) -> None:
    """Take the mean of the real cells of each window."""
    N, OH, OW, C = y.shape
    rows = chunk_rows(N * OH, OW * C * window[0] * window[1])
    arrays = bits(y).reshape(-1), bits(x).reshape(-1)
    _avg_pool2d(arrays, geometry_of(x, y, window, stride, pad), N * OH, rows)


@formula_jit
def _to_two(arrays: Arrays, out: int, at: int, settings: Settings, count: int) -> None:
    """Write a quarter of dy to both cells of one row of a 2x2 window."""
    dx, dy = arrays
    (C,) = settings
    share = load_first(dy, out, count) * 0.25
    store_first(dx, at, share, count)
    store_first(dx, at + C, share, count)


@formula_jit
def _add_to_row(arrays: Arrays, out: int, at: int, settings: Settings, count: int) -> None:
    """Add a share of dy to cells s0 to s1 - 1 of one row of a window."""
    dx, dy = arrays
    C, s0, s1, part = settings
    share = load_first(dy, out, count) * part
    for s in range(s0, s1):
        store_first(dx, at + s * C, load_first(dx, at + s * C, count) + share, count)


_write_to_two = over_channels(_to_two)
_send_to_row = over_channels(_add_to_row)


@body_jit
def _avg_pool_2x2_dx_rows(arrays: Arrays, geometry: Settings, start: int, stop: int) -> None:
    H, W, C, OH, OW = geometry[:5]
    for row in range(start, stop):  # of N * H
        n, h = row // H, row % H
        columns = OW if h < 2 * OH else 0  # windows over this row
        out, at = (n * OH + h // 2) * OW * C, row * W * C
        for j in range(columns):
            _write_to_two(arrays, out + j * C, at + 2 * j * C, (C,), C)
        if 2 * columns < W:
            zero(arrays[0], at + 2 * columns * C, (W - 2 * columns) * C)


@body_jit
def _avg_pool_dx_rows(arrays: Arrays, geometry: Settings, start: int, stop: int) -> None:
    H, W, C, OH, OW, KH, KW, sh, sw, top, left = geometry
    for row in range(start, stop):  # of N * H
        n, h = row // H, row % H
        zero(arrays[0], row * W * C, W * C)
        i0, i1 = windows_over(h, OH, KH, sh, top)
        for i in range(i0, i1):
            r0, r1 = cells_on_image(i, H, KH, sh, top)
            for j in range(OW):
                s0, s1 = cells_on_image(j, W, KW, sw, left)
                out, at = ((n * OH + i) * OW + j) * C, (row * W + j * sw - left) * C
                settings = (C, s0, s1, 1 / ((r1 - r0) * (s1 - s0)))
                _send_to_row(arrays, out, at, settings, C)


_avg_pool_2x2_dx = _by_rows_of_dx(_avg_pool_2x2_dx_rows)
_avg_pool_any_dx = through_float32(outputs=1)(_by_rows_of_dx(_avg_pool_dx_rows))


def avg_pool2d_dx(dx: Array, dy: Array, size: Pair, window: Pair, stride: Pair, pad: Pads) -> None:
    """Share each gradient among the real cells of its window."""
    geometry = geometry_of(dx, dy, window, stride, pad)
    run = _avg_pool_2x2_dx if halves_image(geometry) else _avg_pool_any_dx
    run(dx, dy, geometry)
