"""One mean for the whole image: global average pooling."""

from typing import Any

import numpy as np

from ..contract import Pair
from .bfloat16 import bits, number, stored, sum_type
from .chunks import Arrays, Settings, chunk_rows, chunked
from .exponential import constant
from .jit import Array, body_jit, formula_jit
from .prefetch import prefetch
from .scratch import borrow
from .sums import add_chunks
from .vector import lane_count, load, load_first, store, store_first, zeros

_AHEAD = 512  # numbers: how far before its use memory is asked for
_FEW_IMAGES = 32


@formula_jit
def _sum_of_pixels(x: Array, at: int, H: int, W: int, C: int, count: int) -> Any:
    """Row by row: a sum of a few sums loses fewer digits than a single long one."""
    total = zeros(x)
    for h in range(H):
        line = zeros(x)
        for w in range(W):
            line = line + load_first(x, at + (h * W + w) * C, count)
        total = total + line
    return total


@formula_jit
def _four_sums_of_pixels(x: Array, at: int, H: int, W: int, C: int) -> Any:
    """Four vectors side by side, so that no addition waits for the one before."""
    lanes = lane_count(x)
    ta, tb, tc, td = zeros(x), zeros(x), zeros(x), zeros(x)
    for h in range(H):
        a, b, c, d = zeros(x), zeros(x), zeros(x), zeros(x)
        for w in range(W):
            pixel = at + (h * W + w) * C
            a, b = a + load(x, pixel), b + load(x, pixel + lanes)
            c, d = c + load(x, pixel + 2 * lanes), d + load(x, pixel + 3 * lanes)
            for vector in range(4):
                prefetch(x, pixel + _AHEAD + vector * lanes)
        ta, tb, tc, td = ta + a, tb + b, tc + c, td + d
    return ta, tb, tc, td


@body_jit
def _global_sums_of_slices(arrays: Arrays, geometry: Settings, start: int, stop: int) -> None:
    sums, x = arrays
    H, W, C, slices, rows = geometry
    lanes, share = lane_count(x), 1 / (H * W)
    for task in range(start, stop):  # of N * slices
        n, first = task // slices, task % slices * rows
        height = min(rows, H - first)
        at, to = (n * H + first) * W * C, task * C
        wide = C // (4 * lanes) * (4 * lanes)
        for c in range(0, wide, 4 * lanes):
            a, b, d, e = _four_sums_of_pixels(x, at + c, height, W, C)
            store(sums, to + c, a * share)
            store(sums, to + c + lanes, b * share)
            store(sums, to + c + 2 * lanes, d * share)
            store(sums, to + c + 3 * lanes, e * share)
        for c in range(wide, C, lanes):
            total = _sum_of_pixels(x, at + c, height, W, C, C - c)
            store_first(sums, to + c, total * share, C - c)


_global_sums = chunked(_global_sums_of_slices)


def global_avg_pool2d(y: Array, x: Array) -> None:
    """Take each channel's mean over the pixels."""
    N, H, W, C = x.shape
    # The rows of few images are cut into slices, so that there is work for many cores.
    rows = -(-H // max(1, _FEW_IMAGES // max(N, 1)))
    slices = -(-H // rows)
    sums = bits(y).reshape(-1) if slices == 1 else borrow("slices", N * slices * C, sum_type(x))
    geometry, tasks = (H, W, C, slices, rows), N * slices
    _global_sums((sums, bits(x).reshape(-1)), geometry, tasks, chunk_rows(tasks, rows * W * C))
    if slices > 1:
        add_chunks(bits(y), sums.reshape(N, slices, C))


@body_jit
def _global_avg_dx_rows(arrays: Arrays, geometry: Settings, start: int, stop: int) -> None:
    dx, dy = arrays
    H, W, C = geometry
    share = constant(1 / (H * W), number(dy[0]))
    for row in range(start, stop):  # of N * H
        of = np.uintp(row // H * C)
        for w in range(W):
            to = np.uintp((row * W + w) * C)
            for c in range(np.uintp(C)):
                dx[to + c] = stored(number(dy[of + c]) * share, dx)


_global_avg_pool2d_dx = chunked(_global_avg_dx_rows)


def global_avg_pool2d_dx(dx: Array, dy: Array, size: Pair) -> None:
    """Share each gradient among the pixels."""
    N, H, W, C = dx.shape
    arrays = bits(dx).reshape(-1), bits(dy).reshape(-1)
    _global_avg_pool2d_dx(arrays, (H, W, C), N * H, chunk_rows(N * H, W * C))
