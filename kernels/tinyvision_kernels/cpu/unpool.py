"""Backward through 2x2 max-pooling and ReLU: dy goes to the cells that won, and is summed."""

import numpy as np
from numba import prange

from ..contract.fused_conv import OFF
from .bfloat16 import bits, number, sum_type
from .bias_grad import add_up
from .chunks import chunk_rows, launch
from .exponential import constant
from .jit import Array, body_jit, kernel_jit
from .norm_passes import row_width
from .rows import copy
from .rows import zero as clear
from .scratch import borrow

_OFF = np.uint8(OFF)


@body_jit  # no helper: its inner loops would be left scalar within the loop over chunks
def _unpool(
    total: Array, cells: Array, dz: Array, dy: Array, argmax: Array, shape: tuple[int, ...],
    start: int, stop: int,
) -> None:  # fmt: skip
    H, W, C = shape
    OH, OW = H // 2, W // 2
    zero = constant(0, number(dy[0]))
    for row in range(start, stop):  # of N * OH
        n, i = row // OH, row % OH
        out = np.uintp(row * OW * C)
        for k in range(4):
            # First one cell of all windows, whose numbers are neighbours; then each to its place.
            here = np.uint8(k)
            for p in range(np.uintp(OW * C)):
                cells[p] = number(dy[out + p]) if argmax[out + p] == here else zero
            line = ((n * H + i * 2 + k // 2) * W + k % 2) * C
            for j in range(OW):
                copy(dz, line + j * 2 * C, cells, j * C, C)
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
    work: Array,
    dz: Array,
    dy: Array,
    argmax: Array,
    shape: tuple[int, ...],
    lines: int,
    length: int,
) -> None:
    for chunk in prange(len(sums)):
        start, stop = chunk * length, min((chunk + 1) * length, lines)
        _unpool(sums[chunk, 0], work[chunk], dz, dy, argmax, shape, start, stop)
    add_up(db, sums)


def unpool_and_sum(dz: Array, db: Array, dy: Array, argmax: Array) -> None:
    """Fill dz with dy at the cells that won, 0 elsewhere, and db (C,) with its sum."""
    N, H, W, C = dz.shape
    lines = N * (H // 2)
    length = chunk_rows(lines, 2 * W * C)
    chunks = max(1, -(-lines // length))
    width = row_width(C, dz)
    sums = borrow("sums of chunks", chunks * width, np.float64).reshape(chunks, 1, width)
    work = borrow("cells", chunks * (W // 2) * C, sum_type(dz)).reshape(chunks, W // 2 * C)
    flat = bits(dz).reshape(-1), bits(dy).reshape(-1), argmax.reshape(-1)
    launch(_unpool_and_sum, chunks, db, sums, work, *flat, (H, W, C), lines, length)
