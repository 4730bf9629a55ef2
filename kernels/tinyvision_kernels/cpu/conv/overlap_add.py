"""The gradient of the input by overlap and add: multiply first, then find out what goes where.

:mod:`.direct` asks for each pixel which windows lie over it. With a stride there is a different
answer for every parity of row and column. It is simpler to ask the windows: each position sends a
number to each cell of its window, all in one product of matrices without any gaps, ::

    sent (positions, KH * KW * C) = dy (positions, O) @ w.T (O, KH * KW * C)

and what a row of the window sends, KW * C numbers, lies side by side in dx, too. There such *runs*
overlap and are added. (The same is done to audio: a transposed convolution is overlap-add.)

A task adds in a *frame* of its own: some rows of dx with all that the windows over them reach. The
windows across two tasks' rows are computed by both, so that no thread adds to another's pixels.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numba import prange
from numba.np.ufunc import get_thread_id

from ..jit import Array, config, formula_jit, kernel_jit
from ..panels import pack
from ..product import multiply_matrix, whole_tiles
from ..rows import copy, zero
from ..scratch import borrow
from ..tile import BLOCK_BYTES, TALL
from ..vector import lane_count, load, load_first, store, store_first
from .geometry import Geometry

STRIP = 4 * TALL  # positions whose products are computed together
DEPTH = 768  # products summed in one go: sums of sums round less than one long sum
TASKS = 16  # into which a batch is cut at least, if its images are high enough


def applies(geometry: Geometry, dtype: np.dtype) -> bool:
    """Whether there is a single group, of plain floating-point numbers."""
    return geometry.groups == 1 and dtype in (np.float32, np.float64)


class _Plan(NamedTuple):
    images: int  # in a task; if several, whole ones
    band: int  # rows of dx in a task
    windows: int  # rows of windows that touch a band, at most
    frame: tuple[int, int]  # height and width of a task's part of an image
    positions: Array  # int64: where in the frame each position's window begins
    runs: Array  # int64 (runs, 5): see _runs


@lru_cache(maxsize=1024)
def _plan(geometry: Geometry, lanes: int) -> _Plan:
    down, across = geometry.axes()
    H, C = geometry.size[0], geometry.channels[0]
    band = band_rows(geometry)
    reach = down.reach(1)
    windows = min(down.windows, (band + reach - 2) // down.step + 1)
    images = max(1, STRIP // (windows * across.windows)) if windows == down.windows else 1
    if images > 1:
        band = H
    height, width = down.reach(windows), across.reach(across.windows)
    m, i, j = np.ogrid[:images, :windows, : across.windows]
    positions = ((m * height + i * down.step) * width + j * across.step) * C
    runs = _runs(geometry, width, lanes)
    return _Plan(images, band, windows, (height, width), positions.ravel(), runs)


def band_rows(geometry: Geometry) -> int:
    """Rows of dx in a task: enough tasks for many cores, few windows computed twice."""
    reach = (geometry.window[0] - 1) * geometry.dilation[0] + 1
    wanted = -(-TASKS // max(geometry.images, 1))  # bands in an image
    bands = max(1, min(wanted, geometry.size[0] // (4 * reach)))
    return -(-geometry.size[0] // bands)


def aligned_rows(geometry: Geometry, block: int) -> bool:
    """Whether each row of a window gets whole blocks of columns, if that takes no more of them.

    A row that ends within a block is cut there, and each of its pieces costs a pass.
    """
    C, (KH, KW) = geometry.channels[0], geometry.window
    return -(-KW * C // block) * KH <= -(-KH * KW * C // block)


def _runs(geometry: Geometry, width: int, lanes: int) -> Array:
    """List the runs of what a position sends, cut where a block of columns ends.

    Each is (block, column in it, offset in the frame, length, K): windows K positions apart do not
    touch the same numbers. To add at once to a number that has just been stored costs a wait,
    unless it is the same vector, so neighbours are added some time after each other.
    """
    C, (KH, KW), stride = geometry.channels[0], geometry.window, geometry.stride[1]
    block = 2 * lanes
    aligned = aligned_rows(geometry, block)
    dh, dw = geometry.dilation
    columns = [(0, KW * C)] if dw == 1 else [(s * dw * C, C) for s in range(KW)]
    runs = []
    column = 0
    for r in range(KH):
        if aligned:
            column = -(-column // block) * block
        for offset, length in columns:
            done = 0
            while done < length:
                count = min(length - done, block - column % block)
                apart = 1 if C % lanes == 0 else -(-count // (stride * C))
                to = r * dh * width * C + offset + done
                runs.append((column // block, column % block, to, count, apart))
                column, done = column + count, done + count
    return np.array(runs, np.int64)


def input_gradient(dx: Array, dy: Array, w: Array, geometry: Geometry) -> None:
    """dx (N, H, W, C) from dy (N, OH, OW, O) and w (KH, KW, C, O)."""
    C, O = geometry.channels
    block = BLOCK_BYTES // dx.itemsize
    plan = _plan(geometry, block // 2)
    KH, length = w.shape[0], w.size // (w.shape[0] * O)  # rows of a window, numbers of one
    pieces = KH if aligned_rows(geometry, block) else 1
    shape = O, KH // pieces * length
    panels = pack(w.reshape(-1), np.zeros(1, np.int64), shape, (1, O), (pieces, O * length))
    sent = -(-plan.images * plan.frame[0] * plan.frame[1] * C // 64) * 64
    size = sent + STRIP * block
    work = borrow("work", config.NUMBA_NUM_THREADS * size, dx.dtype).reshape(-1, size)
    reach = (geometry.window[0] - 1) * geometry.dilation[0] + 1
    _send_and_add(
        dx.reshape(-1), dy.reshape(-1), panels.numbers, work, dx.shape, dy.shape,
        (plan.images, plan.band), plan.frame, (geometry.pad[0], geometry.pad[2]),
        geometry.stride[0], reach, plan.positions, plan.runs, sent,
    )  # fmt: skip


@kernel_jit
def _send_and_add(
    dx: Array,
    dy: Array,
    panels: Array,
    work_of_threads: Array,  # (threads, frame and sent)
    x_shape: tuple[int, int, int, int],
    y_shape: tuple[int, int, int, int],
    cut: tuple[int, int],  # images and rows of dx in a task
    frame: tuple[int, int],
    corner: tuple[int, int],  # rows and columns of padding before the image
    down: int,  # the stride of rows
    reach: int,  # the height of a window
    positions: Array,
    runs: Array,
    sent: int,  # where it begins in the working memory, behind the frame
) -> None:
    N, H, W, C = x_shape
    _, OH, OW, O = y_shape
    height, width = frame
    block = BLOCK_BYTES // dx.itemsize
    bands = (H + cut[1] - 1) // cut[1]  # in an image
    for task in prange((N + cut[0] - 1) // cut[0] * bands):
        n, h = task // bands * cut[0], task % bands * cut[1]
        images, lines = min(cut[0], N - n), min(cut[1], H - h)
        begin, end = 0, OH  # rows of windows: all, if images follow one another
        if cut[0] == 1:  # or those that touch these rows of dx
            begin = max(0, -((h + corner[0] - reach + 1) // -down))
            end = max(begin, min(OH, (h + lines - 1 + corner[0]) // down + 1))
        work = work_of_threads[get_thread_id()]
        zero(work, 0, images * height * width * C)
        total = images * (end - begin) * OW
        for first in range(0, total, STRIP):
            count = min(STRIP, total - first)
            of = ((n * OH + begin) * OW + first) * O
            rows = whole_tiles(count)
            if of + rows * O > dy.size:
                rows = count
            u = 0
            while u < len(runs):
                panel, here = runs[u, 0], u
                while u < len(runs) and runs[u, 0] == panel:
                    u += 1
                columns = runs[u - 1, 1] + runs[u - 1, 3]
                for k in range(0, O, DEPTH):
                    multiply_matrix(
                        work, sent, block,
                        dy, of + k, O, 1,
                        panels, (panel * O + k) * block, block,
                        rows, columns, min(DEPTH, O - k), k > 0,
                    )  # fmt: skip
                for run in range(here, u):
                    _add_run(
                        work, runs[run, 2], positions, first, count, runs[run, 4],
                        sent + runs[run, 1], block, runs[run, 3],
                    )  # fmt: skip
        for m in range(images):
            for i in range(lines):
                line = h + i + corner[0] - begin * down
                to = ((n + m) * H + h + i) * W * C
                inside = min(W, width - corner[1]) if 0 <= line < height else 0
                copy(dx, to, work, ((m * height + line) * width + corner[1]) * C, inside * C)
                zero(dx, to + inside * C, (W - inside) * C)


@formula_jit
def _add_run(
    work: Array, to: int, positions: Array, first: int, count: int, apart: int,
    of: int, step: int, length: int,
) -> None:  # fmt: skip
    """Add one run of each position to where it belongs."""
    lanes = lane_count(work)
    for start in range(apart):
        for j in range(0, length, lanes):
            if j + lanes <= length:
                for p in range(start, count, apart):
                    at = positions[np.uintp(first + p)] + to + j
                    store(work, at, load(work, at) + load(work, of + p * step + j))
            else:
                left = length - j
                for p in range(start, count, apart):
                    at = positions[np.uintp(first + p)] + to + j
                    more = load_first(work, of + p * step + j, left)
                    store_first(work, at, load_first(work, at, left) + more, left)
