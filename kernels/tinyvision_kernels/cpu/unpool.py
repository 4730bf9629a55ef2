"""Backward through 2x2 max-pooling and ReLU: dy goes to the cells that won, and is summed."""

import numpy as np
from numba import prange

from ..contract.fused_conv import OFF
from .bfloat16 import bits, number
from .bias_grad import add_up
from .chunks import chunk_rows, launch
from .exponential import constant
from .jit import Array, body_jit, formula_jit, kernel_jit
from .mask import choose, load_first_bytes
from .norm_passes import row_width
from .rows import zero as clear
from .scratch import borrow
from .vector import lane_count, load_first, store_first

_OFF = np.uint8(OFF)


@formula_jit
def _send(dz: Array, p: int, q: int, C: int, dy: Array, argmax: Array, at: int, count: int) -> None:
    """Send up to a vector of dy to the cells of its window, which begins at p and, below, at q."""
    g = load_first(dy, at, count)
    index = load_first_bytes(argmax, at, count, g)
    store_first(dz, p, choose(index == 0, g, 0), count)
    store_first(dz, p + C, choose(index == 1, g, 0), count)
    store_first(dz, q, choose(index == 2, g, 0), count)
    store_first(dz, q + C, choose(index == 3, g, 0), count)


@body_jit  # no helper: its inner loops would be left scalar within the loop over chunks
def _unpool(
    total: Array, dz: Array, dy: Array, argmax: Array, shape: tuple[int, ...], start: int, stop: int
) -> None:
    H, W, C = shape
    OH, OW = H // 2, W // 2
    L = lane_count(dy)
    whole = C - C % L
    zero = constant(0, number(dy[0]))
    for row in range(start, stop):  # of N * OH
        n, i = row // OH, row % OH
        for j in range(OW):
            p = ((n * H + i * 2) * W + j * 2) * C
            at = (row * OW + j) * C
            for c in range(0, whole, L):
                _send(dz, p + c, p + W * C + c, C, dy, argmax, at + c, L)
            if whole < C:
                _send(dz, p + whole, p + W * C + whole, C, dy, argmax, at + whole, C - whole)
        for r in range(2 if W % 2 else 0):
            clear(dz, ((n * H + i * 2 + r) * W + W - 1) * C, C)
        if H % 2 and i == OH - 1:
            clear(dz, (n * H + H - 1) * W * C, W * C)
    # The chunk's part of dy, which is still in the cache, seen as rows of whole pixels.
    total[:] = 0
    for first in range(start * OW * C, stop * OW * C, total.size):
        out = np.uintp(first)
        for p in range(np.uintp(min(total.size, stop * OW * C - first))):
            total[p] += np.float64(zero if argmax[out + p] == _OFF else number(dy[out + p]))


@kernel_jit
def _unpool_and_sum(
    db: Array,
    sums: Array,  # (chunks, 1, W)
    dz: Array,
    dy: Array,
    argmax: Array,
    shape: tuple[int, ...],
    lines: int,
    length: int,
) -> None:
    for chunk in prange(len(sums)):
        start, stop = chunk * length, min((chunk + 1) * length, lines)
        _unpool(sums[chunk, 0], dz, dy, argmax, shape, start, stop)
    add_up(db, sums)


def unpool_and_sum(dz: Array, db: Array, dy: Array, argmax: Array) -> None:
    """Fill dz with dy at the cells that won, 0 elsewhere, and db (C,) with its sum."""
    N, H, W, C = dz.shape
    lines = N * (H // 2)
    length = chunk_rows(lines, 2 * W * C)
    chunks = max(1, -(-lines // length))
    width = row_width(C, dz)
    sums = borrow("sums of chunks", chunks * width, np.float64).reshape(chunks, 1, width)
    flat = bits(dz).reshape(-1), bits(dy).reshape(-1), argmax.reshape(-1)
    launch(_unpool_and_sum, chunks, db, sums, *flat, (H, W, C), lines, length)
