"""Direct convolution, any geometry: copy a band of pixels, multiply it by tiles.

All three directions are products of matrices. The tile finds the first one, the pixels under each
window, through tables (:mod:`.bands`), and the second laid out for it (:mod:`..panels`) ::

    forward   y  (positions, O) = windows of x  (positions, taps * C) @ w   (taps * C, O) + b
    dx        dx (positions, C) = windows of dy (positions, taps * O) @ w.T (taps * O, C)
    dw        dw (taps * C, O)  = windows of x, transposed            @ dy  (positions, O)

where w.T stands for w with input and output channels exchanged.
"""

from functools import lru_cache
from math import prod

import numpy as np
from numba import prange
from numba.np.ufunc import get_thread_id

from ..bfloat16 import bits, sum_type
from ..epilogue import PLAIN, Epilogue, pool_rectangle
from ..jit import Array, config, kernel_jit
from ..pairs import copy_rows_of_steps, for_panels, images_in_a_step, sum_along_last
from ..panels import Panels, filter_panels, pack
from ..product import multiply, whole_tiles
from ..rows import leave, zero
from ..scratch import borrow
from ..sums import add_slices_of_blocks, slice_count
from ..tile import BLOCK_BYTES, TALL
from .bands import TASKS, Axis, Bands, backward_axes, copy_band, cut_bands
from .geometry import Geometry

STRIP = 4 * TALL  # positions whose sums are finished together
DEPTH = 768  # products summed in one go: sums of sums round less than one long sum
PART_BYTES = 1 << 18  # sums for dw that a core keeps in its second-level cache, beside a band


def applies(geometry: Geometry, dtype: np.dtype) -> bool:
    """Whether this algorithm can compute it: any convolution."""
    return True


def forward(
    y: Array, x: Array, w: Array, bias: Array, geometry: Geometry, epilogue: Epilogue = PLAIN
) -> None:
    """y (N, OH, OW, O) from x (N, H, W, C), w (KH, KW, C / groups, O) and bias (O,)."""
    groups = geometry.groups
    x, w = sum_along_last(x, "x", groups), for_panels(w, "w")
    panels = filter_panels(w, groups, geometry.images * prod(geometry.positions))
    _convolve(bits(y), x, panels, bias, *geometry.axes(), groups, epilogue)


def input_gradient(dx: Array, dy: Array, w: Array, geometry: Geometry) -> None:
    """dx (N, H, W, C) from dy (N, OH, OW, O) and w (KH, KW, C / groups, O)."""
    size, stride, pad, dilation, groups = geometry[1:2] + geometry[-4:]
    bias = np.zeros(dx.shape[3], sum_type(w))
    dy, w = sum_along_last(dy, "dy", groups), sum_along_last(w, "w", groups)
    KH, KW, C, O = w.shape  # C of one group
    for down in backward_axes(size[0], KH, stride[0], pad[0], dilation[0]):
        for across in backward_axes(size[1], KW, stride[1], pad[2], dilation[1]):
            cells = [r * KW + s for r in down.taps for s in across.taps]
            taps = np.array(cells, np.int64) * (C * O)
            # Row (r, s, o) and column c hold w[r, s, c, o]: the matrix of each cell is transposed.
            panels = pack(w.reshape(-1), taps, (O // groups, C), (1, O), (groups, O // groups))
            _convolve(bits(dx), dy, panels, bias, down, across, groups)


def weight_gradient(dw: Array, x: Array, dy: Array, geometry: Geometry) -> None:
    """dw (KH, KW, C / groups, O) from x (N, H, W, C) and dy (N, OH, OW, O)."""
    C, O = dw.shape[2:]  # C of one group
    groups = geometry.groups
    together = images_in_a_step(x)
    if together == 1:
        x, dy = sum_along_last(x, "x"), sum_along_last(dy, "dy")
    factor = np.dtype(np.uint32) if together == 2 else x.dtype
    down, across = geometry.axes()
    bands = cut_bands(down, across, x.shape[3], groups, dw.itemsize)
    block = BLOCK_BYTES // dw.itemsize
    rows = whole_tiles(bands.depth)
    blocks = -(-(O // groups) // block)
    parts = -(-blocks // max(1, PART_BYTES // (rows * BLOCK_BYTES)))
    size = groups * blocks * rows * block  # dw in whole blocks
    count = _band_count(bands, -(-len(x) // together), down.windows)
    # Long slices have fewer sums to add up in the end, but are fewer tasks for the cores.
    least = min(8, max(2, count * groups * parts // 8))
    slices = slice_count(count, least, size, groups * parts)
    partial = borrow("partial", slices * size, dw.dtype)
    work = _work_of_threads(bands, x.shape[3], bands.positions.size * block, factor)
    _multiply_transposed(
        partial, bits(x).reshape(-1), bits(dy).reshape(-1), work, x.shape, together,
        (down.windows, across.windows, down.step), bands.cut, bands.frame, bands.corner,
        bands.positions, bands.taps, (groups, C, O // groups), rows, slices, parts,
    )  # fmt: skip
    add_slices_of_blocks(dw, partial, slices, groups, rows)


def _convolve(
    y: Array, x: Array, w: Panels, bias: Array, down: Axis, across: Axis, groups: int,
    epilogue: Epilogue = PLAIN,
) -> None:  # fmt: skip
    """Convolve x (N, H, W, C) into those pixels of y (N, OH, OW, O) that the two axes name."""
    C, O = x.shape[3], y.shape[3]
    bands = cut_bands(down, across, C, groups, bias.itemsize, epilogue.rows, len(x))
    block = BLOCK_BYTES // bias.itemsize
    blocks = groups * -(-(O // groups) // block)
    parts = min(blocks, max(1, TASKS // max(1, _band_count(bands, len(x), down.windows))))
    if epilogue.argmax is None:
        rows, targets = STRIP, _targets(bands.cut, down, across, y.shape)
    else:  # the sums of a whole band are kept, for one block of channels
        rows, targets = bands.positions.size, _every(bands.positions.size, block)
    work = _work_of_threads(bands, C, rows * block, w.numbers.dtype)
    _multiply_bands(
        y.reshape(-1), x.reshape(-1), w.numbers, bias, work, y.shape, x.shape,
        (down.windows, across.windows, down.step), bands.cut, bands.frame, bands.corner,
        bands.positions, bands.taps, bands.depth,
        targets, (down.first, across.first, down.every), (groups, C // groups, O // groups),
        (w.block_step, w.row_step), parts, bias.dtype.type(epilogue.low), epilogue.flat_argmax,
    )  # fmt: skip


@lru_cache(maxsize=256)
def _every(count: int, step: int) -> Array:
    return np.arange(count, dtype=np.int64) * step


@lru_cache(maxsize=1024)
def _targets(
    cut: tuple[int, int], down: Axis, across: Axis, shape: tuple[int, int, int, int]
) -> Array:
    """Where in y each window of a band writes, from where the first one does."""
    _, OH, OW, O = shape
    m, i, j = np.ogrid[: cut[0], : cut[1], : across.windows]
    targets: Array = (((m * OH + i * down.every) * OW + j * across.every) * O).ravel()
    return targets


def _band_count(bands: Bands, images: int, rows: int) -> int:
    return -(-images // bands.cut[0]) * -(-rows // bands.cut[1])


def _work_of_threads(bands: Bands, channels: int, more: int, dtype: np.dtype) -> Array:
    """Working memory (threads, size): for each thread a band, and ``more`` numbers behind it."""
    size = bands.cut[0] * bands.frame[0] * bands.frame[1] * channels + more
    padded = -(-size // 64) * 64  # so that each row begins on a cache line of its own
    threads = config.NUMBA_NUM_THREADS
    return borrow("work", threads * padded, dtype).reshape(threads, padded)


# ----------------------------------------------------------------------------
# The compiled loops
# ----------------------------------------------------------------------------


@kernel_jit
def _multiply_bands(
    y: Array,
    x: Array,
    panels: Array,
    bias: Array,
    work: Array,  # (threads, band and sums)
    y_shape: tuple[int, int, int, int],
    x_shape: tuple[int, int, int, int],
    windows: tuple[int, int, int],  # how many down and across, and their step down
    cut: tuple[int, int],
    frame: tuple[int, int],
    corner: tuple[int, int],
    positions: Array,
    taps: Array,
    depth: int,
    targets: Array,
    target: tuple[int, int, int],  # the first row and column of y, and its rows from band to band
    channels: tuple[int, int, int],  # groups, and the channels of one in x and in y
    panel_steps: tuple[int, int],  # from panel to panel, and from row to row of one
    parts: int,  # of the panels; a task computes one
    low: float,
    argmax: Array | None,
) -> None:
    N, OH, OW, O = y_shape
    down, across, step = windows
    groups, c, o = channels
    block = BLOCK_BYTES // bias.itemsize
    blocks = (o + block - 1) // block
    sums = cut[0] * frame[0] * frame[1] * x_shape[3]  # where they begin, behind the band
    bands = (down + cut[1] - 1) // cut[1]  # in an image
    for task in prange((N + cut[0] - 1) // cut[0] * bands * parts):
        part, index = task % parts, task // parts
        n, i = index // bands * cut[0], index % bands * cut[1]
        images, rows = min(cut[0], N - n), min(cut[1], down - i)
        band = work[get_thread_id()]
        totals = band.view(bias.dtype)  # where factors are pairs of bfloat16, sums are float32
        copy_band(band, x, x_shape, n, images, i * step + corner[0], corner[1], frame, 1)
        start = ((n * OH + target[0] + i * target[2]) * OW + target[1]) * O
        count = images * rows * across
        begin, end = part * groups * blocks // parts, (part + 1) * groups * blocks // parts
        for panel in range(begin, end):
            g, column = panel // blocks, panel % blocks * block
            width = min(block, o - column)
            channel = g * o + column
            for first in range(0, count, STRIP):
                height = min(STRIP, count - first)
                at = sums
                if argmax is not None:
                    at += first * block
                for k in range(0, max(depth, 1), DEPTH):
                    multiply(
                        totals, at, block,
                        band, g * c, positions, first, taps[k:],
                        panels, panel * panel_steps[0] + k * panel_steps[1], panel_steps[1],
                        whole_tiles(height), width, min(DEPTH, depth - k), k > 0,
                    )  # fmt: skip
                if argmax is not None:
                    leave(
                        totals, sums, targets, first,
                        totals, at, block, bias, channel, height, width, low,
                    )  # fmt: skip
                else:
                    leave(
                        y, start + channel, targets, first,
                        totals, at, block, bias, channel, height, width, low,
                    )  # fmt: skip
            if argmax is not None:
                for m in range(images):
                    at = sums + m * rows * across * block
                    pool_rectangle(
                        y, argmax, ((n + m) * OH + i // 2) * OW * O + channel, OW * O, O,
                        totals, at, across * block, block, rows, across, width,
                    )  # fmt: skip


@kernel_jit
def _multiply_transposed(
    partial: Array,  # (slices, groups, blocks, depth, block)
    x: Array,
    dy: Array,
    work: Array,  # (threads, band and one block of columns of dy)
    x_shape: tuple[int, int, int, int],
    together: int,  # images in a step of the sum
    windows: tuple[int, int, int],  # how many down and across, and their step down
    cut: tuple[int, int],
    frame: tuple[int, int],
    corner: tuple[int, int],
    positions: Array,
    taps: Array,
    channels: tuple[int, int, int],  # groups, and the channels of one in x and in dy
    depth: int,
    slices: int,
    parts: int,  # of the blocks of columns; a task computes one
) -> None:
    N = x_shape[0]
    image_steps = (N + together - 1) // together
    down, across, step = windows
    groups, c, o = channels
    block = BLOCK_BYTES // partial.itemsize
    blocks = (o + block - 1) // block
    panel = cut[0] * frame[0] * frame[1] * x_shape[3]  # where dy's columns begin, behind the band
    bands = (down + cut[1] - 1) // cut[1]  # in an image
    total = (image_steps + cut[0] - 1) // cut[0] * bands
    length = (total + slices - 1) // slices
    for task in prange(slices * groups * parts):
        part, g = task % parts, task // parts % groups
        first, last = part * blocks // parts, (part + 1) * blocks // parts
        to = (task // parts * blocks + first) * depth * block
        begin = task // (parts * groups) * length
        band = work[get_thread_id()]
        if begin >= total:
            zero(partial, to, (last - first) * depth * block)
        for index in range(begin, min(begin + length, total)):
            n, i = index // bands * cut[0], index % bands * cut[1]
            images, rows = min(cut[0], image_steps - n), min(cut[1], down - i)
            copy_band(
                band, x, x_shape, n, images, i * step + corner[0], corner[1], frame, together
            )  # fmt: skip
            count = images * rows * across
            for column in range(first * block, last * block, block):
                sums = to + (column - first * block) * depth
                width = min(block, o - column)
                of = (n * down + i) * across * groups * o + g * o + column
                # The tile reads whole vectors of dy, hence beyond this block's columns too; those
                # sums are never looked at. Only the last rows of dy are copied, so as not to read
                # beyond them, and pairs, which have to be formed.
                if together == 1 and of + (count - 1) * groups * o + block <= dy.size:
                    multiply(
                        partial, sums, block,
                        band, g * c, taps, 0, positions,
                        dy, of, groups * o,
                        depth, width, count, index > begin,
                    )  # fmt: skip
                    continue
                for m in range(images):
                    image = (n + m) * together
                    of = (image * down + i) * across * groups * o + g * o + column
                    partner = of + down * across * groups * o if image + 1 < N else -1
                    copy_rows_of_steps(
                        band, panel + m * rows * across * block, block,
                        dy, of, partner, groups * o, rows * across, width,
                    )  # fmt: skip
                multiply(
                    partial, sums, block,
                    band, g * c, taps, 0, positions,
                    band, panel, block,
                    depth, width, count, index > begin,
                )  # fmt: skip
