"""Winograd's convolution for 3 x 3 windows of stride 1: a quarter of the products.

The image is cut into patches of 4 x 4 outputs. Each patch, with the pixels around it, is carried to
36 *points* (:mod:`.transforms`), where a convolution is a plain product, channel by channel. So at
each point all patches and channels together are one product of matrices ::

    v[point] (patches, C)  @  u[point] (C, O)  =  m[point] (patches, O)

A task takes a block of patches, few enough for v and m to stay in the cache of a core.
"""

import numpy as np
from numba import prange
from numba.np.ufunc import get_thread_id

from ..bfloat16 import bits, is_bfloat16
from ..epilogue import PLAIN, Epilogue, pool_rectangle
from ..jit import Array, config, kernel_jit
from ..longer import longer
from ..panels import pack
from ..product import multiply_matrix, whole_tiles
from ..rows import copy
from ..scratch import borrow
from ..tile import BLOCK_BYTES, HOST, MIDDLE, TALL
from ..widen import widened
from .geometry import Geometry
from .patches import copy_patch, whole_vectors
from .transforms import (
    PATCH,
    PLANES,
    POINTS,
    transform_input,
    transform_input_at_edge,
    transform_output,
    transform_weights,
)
from .winograd_dw import weight_gradient

__all__ = ["applies", "forward", "input_gradient", "weight_gradient"]

CACHE_NUMBERS = 140_000  # of v and m together, that a block of patches may take
TASKS = 8  # into which few patches are cut
DEPTH = 128  # channels summed in one go: sums of sums round less than one long sum


def applies(geometry: Geometry, dtype: np.dtype) -> bool:
    """Whether the window is 3 x 3, moves by one pixel, and single precision will do.

    The transforms multiply by up to 8 and take differences, which costs about three bits. Those who
    ask for float64 ask for exactness, so they are computed directly. bfloat16 has so few bits that
    between loading and storing them single precision is exactness.

    A pixel that is not finite spoils all outputs of the patches that it lies in, not only those
    whose window holds it: infinity minus infinity is not a number.
    """
    return (
        dtype.name in ("float32", "bfloat16")
        and geometry.window == (3, 3)
        and geometry.stride == geometry.dilation == (1, 1)
        and geometry.groups == 1
    )


def patches(geometry: Geometry) -> int:
    """Count the patches of 4 x 4 outputs, partly empty ones included."""
    OH, OW = geometry.positions
    return geometry.images * -(-OH // PATCH) * -(-OW // PATCH)


def forward(
    y: Array, x: Array, w: Array, bias: Array, geometry: Geometry, epilogue: Epilogue = PLAIN
) -> None:
    """y (N, OH, OW, O) from x (N, H, W, C), w (3, 3, C, O) and bias (O,)."""
    top, _, left, _ = geometry.pad
    C, O = geometry.channels
    u = _weight_planes(w, np.arange(9) * (C * O), (C, O), (O, 1))
    _convolve(y, x, u, bias, geometry.positions, top, left, epilogue)


def input_gradient(dx: Array, dy: Array, w: Array, geometry: Geometry) -> None:
    """dx (N, H, W, C) from dy (N, OH, OW, O) and w (3, 3, C, O).

    A convolution of dy with the filters turned by half a turn.
    """
    top, _, left, _ = geometry.pad
    C, O = geometry.channels
    u = _weight_planes(w, np.arange(8, -1, -1) * (C * O), (O, C), (1, O))
    _convolve(dx, dy, u, np.zeros(C, u.dtype), geometry.size, 2 - top, 2 - left)


def _weight_planes(w: Array, taps: Array, shape: tuple[int, int], steps: tuple[int, int]) -> Array:
    """Carry the filters to the points: u (point, panel, C, block)."""
    w = widened(w, "w") if is_bfloat16(w) else w
    panels = pack(w.reshape(-1), taps, shape, steps, (1, 0))  # (panel, tap, C, block)
    u = borrow("weight planes", panels.numbers.size // 9 * PLANES, w.dtype)
    _transform_weights(u, panels.numbers, shape[0])
    return u


def _convolve(
    y: Array, x: Array, u: Array, bias: Array, positions: tuple[int, int], top: int, left: int,
    epilogue: Epilogue = PLAIN,
) -> None:  # fmt: skip
    OH, OW = positions  # of y, unless it is pooled
    C, O = x.shape[3], y.shape[3]
    down, across = -(-OH // PATCH), -(-OW // PATCH)
    C_whole, O_whole = whole_vectors(C, u.itemsize), whole_vectors(O, u.itemsize)
    fitting = CACHE_NUMBERS // (PLANES * (C_whole + O_whole)) // TALL * TALL
    block = max(TALL, min(fitting, 16 * TALL))
    share = -(-x.shape[0] * down * across // TASKS)
    unit = TALL if share > TALL else MIDDLE
    block = max(MIDDLE, min(block, -(-share // unit) * unit))
    size = PLANES * (block * (C_whole + O_whole) + 2 * 16) + PLANES * max(C_whole, O_whole)
    size = -(-size // 64) * 64
    work = borrow("work", config.NUMBA_NUM_THREADS * size, u.dtype)
    wide_bias = longer(bias[None], O_whole, "bias")[0]
    _convolve_blocks(
        bits(y).reshape(-1), bits(x).reshape(-1), u, wide_bias, work.reshape(-1, size),
        y.shape, x.shape, positions, (top, left), (down, across), block, (C_whole, O_whole),
        bias.dtype.type(epilogue.low), epilogue.flat_argmax,
    )  # fmt: skip


@kernel_jit
def _transform_weights(u: Array, panels: Array, depth: int) -> None:
    block = BLOCK_BYTES // u.itemsize
    lanes = HOST.vector_bytes // u.itemsize
    rows = u.size // (PLANES * block)  # (panel, C)
    for row in prange(rows):
        panel, c = row // depth, row % depth
        of = (panel * 9 * depth + c) * block
        for j in range(0, block, lanes):
            transform_weights(u, row * block + j, rows * block, panels, of + j, depth * block)


@kernel_jit
def _convolve_blocks(
    y: Array,
    x: Array,
    u: Array,
    bias: Array,
    work_of_threads: Array,
    y_shape: tuple[int, int, int, int],
    x_shape: tuple[int, int, int, int],
    positions: tuple[int, int],
    corner: tuple[int, int],
    patches: tuple[int, int],  # down and across
    block: int,  # patches of a task
    whole: tuple[int, int],  # C and O in whole vectors
    low: float,
    argmax: Array | None,
) -> None:
    N, O = y_shape[0], y_shape[3]
    OH, OW = positions
    _, H, W, C = x_shape
    down, across = patches
    C_whole, O_whole = whole
    total = N * down * across
    width = BLOCK_BYTES // u.itemsize
    panels = (O + width - 1) // width
    v_plane, m_plane = block * C_whole + 16, block * O_whole + 16
    m_at = PLANES * v_plane
    patch_at = m_at + PLANES * m_plane
    for task in prange((total + block - 1) // block):
        work = work_of_threads[get_thread_id()]
        first = task * block
        count = min(block, total - first)
        for p in range(count):
            n, i = divmod((first + p) // across, down)
            row, column = PATCH * i - corner[0], PATCH * ((first + p) % across) - corner[1]
            inside = row >= 0 and row + 6 <= H and column >= 0 and column + 6 <= W
            at = ((n * H + row) * W + column) * C
            if inside and C_whole == C:
                transform_input(work, p * C_whole, v_plane, x, at, W * C, C, C)
            elif C_whole == C:
                place, size = (row, column), (H, W)
                transform_input_at_edge(work, p * C, v_plane, x, at, W * C, C, C, place, size)
            else:
                copy_patch(work, patch_at, C_whole, x, x_shape, n, row, column, POINTS, 0, C)
                transform_input(
                    work, p * C_whole, v_plane, work, patch_at, 6 * C_whole, C_whole, C_whole
                )
        whole_rows = min(whole_tiles(count), block)
        for point in range(PLANES):
            for panel in range(panels):
                for c in range(0, C, DEPTH):
                    multiply_matrix(
                        work, m_at + point * m_plane + panel * width, O_whole,
                        work, point * v_plane + c, C_whole, 1,
                        u, ((point * panels + panel) * C + c) * width, width,
                        whole_rows, min(width, O - panel * width), min(DEPTH, C - c), c > 0,
                    )  # fmt: skip
        for p in range(count):
            n, i = divmod((first + p) // across, down)
            row, column = PATCH * i, PATCH * ((first + p) % across)
            rows, columns = min(PATCH, OH - row), min(PATCH, OW - column)
            m = m_at + p * O_whole
            at = ((n * OH + row) * OW + column) * O
            pooled = argmax is not None
            if rows == columns == PATCH and O_whole == O and not pooled:
                transform_output(y, at, OW * O, O, work, m, m_plane, bias, low, O)
            else:
                transform_output(
                    work, patch_at, PATCH * O_whole, O_whole, work, m, m_plane, bias, low, O_whole
                )
                if argmax is not None:
                    _, PH, PW, _ = y_shape
                    pool_rectangle(
                        y, argmax, ((n * PH + row // 2) * PW + column // 2) * O, PW * O, O,
                        work, patch_at, PATCH * O_whole, O_whole, rows, columns, O,
                    )  # fmt: skip
                else:
                    for r in range(rows):
                        for s in range(columns):
                            of = patch_at + (r * PATCH + s) * O_whole
                            copy(y, at + (r * OW + s) * O, work, of, O)
