"""Winograd's convolution, gradient of the weights: products summed over patches, at each point.

    du[point] (C, O)  =  v[point].T (C, patches)  @  m[point] (patches, O),      dw = G^T du G

with v the points of the input and m those of dy (:mod:`.transforms`). Patches are taken in blocks,
for the cache. They are cut into slices, each of which has sums of its own, and wide dy into parts
of its channels, so that every core has a task; both by the sizes alone, so that the number of
threads changes no bit.
"""

import numpy as np
from numba import prange
from numba.np.ufunc import get_thread_id

from ..bfloat16 import bits
from ..jit import Array, config, kernel_jit
from ..product import multiply_transposed
from ..rows import copy
from ..scratch import borrow
from ..sums import slice_count
from ..tile import BLOCK_BYTES, EVEN, HOST
from .geometry import Geometry
from .patches import copy_patch, whole_vectors
from .transforms import (
    PATCH,
    PLANES,
    POINTS,
    transform_input,
    transform_input_at_edge,
    transform_output_gradient,
    transform_weight_gradient,
)

CACHE_NUMBERS = 140_000  # of v and m together, that a block of patches should take
FEWEST = 56  # patches of a block: each one reads and writes all of du once
PART_NUMBERS = 1_200_000  # of du that one task should hold


def weight_gradient(dw: Array, x: Array, dy: Array, geometry: Geometry) -> None:
    """dw (3, 3, C, O) from x (N, H, W, C) and dy (N, OH, OW, O)."""
    top, _, left, _ = geometry.pad
    C, O = geometry.channels
    N, (OH, OW) = geometry.images, geometry.positions
    down, across = -(-OH // PATCH), -(-OW // PATCH)
    rows = -(-C // (2 * EVEN)) * 2 * EVEN
    columns = BLOCK_BYTES // dw.itemsize
    panels = -(-O // columns)
    parts = min(panels, -(-PLANES * rows * O // PART_NUMBERS))
    width = min(whole_vectors(O, dw.itemsize), -(-panels // parts) * columns)  # of a part
    parts = -(-O // width)
    C_whole = whole_vectors(C, dw.itemsize)
    fitting = CACHE_NUMBERS // (PLANES * (C_whole + width))
    block = max(min(max(fitting, FEWEST), N * down * across), 1)
    size = PLANES * rows * width  # of a part of du
    slices = slice_count(N * down * across, 2 * block, size * parts)
    partial = borrow("partial", slices * parts * size, dw.dtype)
    v_plane, m_plane = block * C_whole + 16, block * width + 16
    work_size = PLANES * (v_plane + m_plane + max(C_whole, width)) + 2 * EVEN
    work_size = -(-work_size // 64) * 64
    work = borrow("work", config.NUMBA_NUM_THREADS * work_size, dw.dtype)
    _multiply_patches(
        partial, bits(x).reshape(-1), bits(dy).reshape(-1), work.reshape(-1, work_size),
        x.shape, dy.shape, (top, left), (down, across), block, slices, parts,
        (rows, C_whole, width),
    )  # fmt: skip
    _back_to_weights(dw.reshape(-1), partial, C, O, slices, parts, rows, width)


@kernel_jit
def _multiply_patches(
    partial: Array,  # (slices, parts, 36, rows, width)
    x: Array,
    dy: Array,
    work_of_threads: Array,
    x_shape: tuple[int, int, int, int],
    dy_shape: tuple[int, int, int, int],
    corner: tuple[int, int],
    patches: tuple[int, int],  # down and across
    block: int,
    slices: int,
    parts: int,
    wide: tuple[int, int, int],  # rows of du, C and channels of a part in whole vectors
) -> None:
    N, H, W, C = x_shape
    _, OH, OW, O = dy_shape
    down, across = patches
    rows, C_whole, width = wide
    total = N * down * across
    length = (total + slices - 1) // slices
    columns = BLOCK_BYTES // partial.itemsize
    v_plane, m_plane = block * C_whole + 16, block * width + 16
    m_at = PLANES * v_plane
    patch_at = m_at + PLANES * m_plane
    for task in prange(slices * parts):
        work = work_of_threads[get_thread_id()]
        part = task % parts
        channel = part * width
        here = min(width, O - channel)  # channels of this part
        begin = task // parts * length
        end = min(begin + length, total)
        for first in range(begin, max(end, begin + 1), block):  # no images: a block of none, zeros
            count = min(block, end - first)
            for p in range(count):
                n, i = divmod((first + p) // across, down)
                j = (first + p) % across
                row, column = PATCH * i - corner[0], PATCH * j - corner[1]
                inside = row >= 0 and row + POINTS <= H and column >= 0 and column + POINTS <= W
                v = p * C_whole
                at = ((n * H + row) * W + column) * C
                if inside and C_whole == C:
                    transform_input(work, v, v_plane, x, at, W * C, C, C)
                elif C_whole == C:
                    place, size = (row, column), (H, W)
                    transform_input_at_edge(work, v, v_plane, x, at, W * C, C, C, place, size)
                else:
                    copy_patch(work, patch_at, C_whole, x, x_shape, n, row, column, POINTS, 0, C)
                    transform_input(
                        work, v, v_plane, work, patch_at, POINTS * C_whole, C_whole, C_whole
                    )
                row, column = PATCH * i, PATCH * j
                m = m_at + p * width
                if row + PATCH <= OH and column + PATCH <= OW and here == width:
                    at = ((n * OH + row) * OW + column) * O + channel
                    transform_output_gradient(work, m, m_plane, dy, at, OW * O, O, width)
                else:
                    copy_patch(
                        work, patch_at, width, dy, dy_shape, n, row, column, PATCH, channel, here
                    )
                    transform_output_gradient(
                        work, m, m_plane, work, patch_at, PATCH * width, width, width
                    )
            for point in range(PLANES):
                for j in range(0, here, columns):
                    multiply_transposed(
                        partial, ((task * PLANES) + point) * rows * width + j, width,
                        work, point * v_plane, C_whole,
                        work, m_at + point * m_plane + j, width,
                        C, min(columns, width - j), max(count, 0), first > begin,
                    )  # fmt: skip


@kernel_jit
def _back_to_weights(
    dw: Array, partial: Array, C: int, O: int, slices: int, parts: int, rows: int, width: int
) -> None:
    lanes = HOST.vector_bytes // dw.itemsize
    plane = rows * width
    for c in prange(C):
        rest = np.empty(9 * lanes, dw.dtype)
        for o in range(0, O, lanes):
            of = o // width * PLANES * plane + c * width + o % width
            slice_step = parts * PLANES * plane
            if o + lanes <= O:
                transform_weight_gradient(
                    dw, c * O + o, C * O, partial, of, plane, slices, slice_step
                )
            else:
                transform_weight_gradient(rest, 0, lanes, partial, of, plane, slices, slice_step)
                for tap in range(9):
                    copy(dw, (tap * C + c) * O + o, rest, tap * lanes, O - o)
