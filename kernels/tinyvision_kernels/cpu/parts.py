"""How arrays are cut for batch norm and group norm, and what is done for each channel in between.

An array (..., C) falls into equal *parts* that have statistics of their own: one for batch norm,
one an image for group norm. The C channels of a part form G groups of as many; in batch norm each
is a group by itself. A part is summed in chunks cut by its size, whose sums are added in their
order. Where a part is a single chunk, all is done while it is near, in one parallel region.

The layout of rows and of vectors in them is that of :mod:`.norm_passes`.
"""

import numpy as np
from numpy.typing import DTypeLike

from .bfloat16 import sum_type
from .chunks import chunk_length
from .jit import Array, inline_jit
from .norm_passes import row_width
from .scratch import borrow

Sizes = tuple[int, ...]  # parts, chunks and numbers of a part, C, G, numbers of a row, of a chunk


class Parts:
    """How an array is cut for statistics (parts, groups), and the working memory for it."""

    def __init__(self, x: Array, statistics: Array) -> None:
        parts, groups = statistics.shape
        C, size = x.shape[-1], x.size // max(parts, 1)
        W = row_width(C, x)
        length = min(chunk_length(x.size, W), max(W, -(-size // W) * W))
        of_a_part = max(1, -(-size // length))
        self.sizes = parts, of_a_part, size, C, groups, W, length
        self.pieces = parts * of_a_part
        self._dtype = sum_type(x)

    def rows(self, vectors: int) -> Array:
        """Return room for vectors of each part, (parts, vectors, W)."""
        parts, W = self.sizes[0], self.sizes[5]
        return borrow("vectors", parts * vectors * W, self._dtype).reshape(parts, vectors, W)

    def sums(self) -> tuple[Array, Array]:
        """Return room for two sums over the columns of each chunk, and for those of a few rows."""
        return room_for_sums(self.pieces, self.sizes[5], self._dtype)


def room_for_sums(chunks: int, W: int, dtype: DTypeLike) -> tuple[Array, Array]:
    """Return (chunks, 2, W) float64, and the same in the data's own precision."""
    shape, size = (chunks, 2, W), chunks * 2 * W
    sums, few = borrow("sums of chunks", size, np.float64), borrow("sums of rows", size, dtype)
    return sums.reshape(shape), few.reshape(shape)


@inline_jit
def span(task: int, sizes: Sizes) -> tuple[int, int, int]:
    """Return the part that a chunk belongs to, and where it begins and ends."""
    _, per_part, size, _, _, _, length = sizes
    part = task // per_part
    start = part * size + task % per_part * length
    return part, start, min(start + length, (part + 1) * size)


@inline_jit
def fold(sums: Array, part: int, sizes: Sizes) -> None:
    """Add up the sums of a part: over its chunks, then over the columns of each channel."""
    _, per_part, _, C, _, W, _ = sizes
    first = part * per_part
    for chunk in range(first + 1, first + per_part):
        for which in range(2):
            for j in range(np.uintp(W)):
                sums[first, which, j] += sums[chunk, which, j]
    for which in range(2):
        for begin in range(C, W, C):
            for c in range(C):
                sums[first, which, c] += sums[first, which, begin + c]


@inline_jit
def level_and_slope(
    gamma: Array, inv_std: Array, sums: Array, rows: Array, part: int, sizes: Sizes, weight: float
) -> None:
    """Lay out what flows back through the statistics: level and slope of :func:`gradient`."""
    _, per_part, _, C, G, W, _ = sizes
    width, chunk = C // G, part * per_part
    fold(sums, part, sizes)
    for g in range(G):
        sum_g = sum_g_deviation = 0.0
        for c in range(g * width, (g + 1) * width):
            sum_g += sums[chunk, 0, c] * gamma[c]
            sum_g_deviation += sums[chunk, 1, c] * gamma[c]
        inverse = np.float64(inv_std[part, g])
        level = slope = 0.0
        if weight > 0:  # 0 times a sum that is not finite would be NaN
            level = weight * inverse * sum_g
            slope = weight * inverse * inverse * inverse * sum_g_deviation
        for c in range(g * width, (g + 1) * width):
            rows[part, 3, c] = level
            rows[part, 4, c] = slope
    for which in range(3, 5):
        for j in range(C, W):
            rows[part, which, j] = rows[part, which, j - C]


@inline_jit
def known(
    vectors: tuple[Array, ...], statistics: tuple[Array, ...], rows: Array, part: int, sizes: Sizes
) -> None:
    """Lay out mean, scale and beta as forward has had them."""
    (gamma, beta), (mean, inv_std) = vectors, statistics
    _, _, _, C, G, W, _ = sizes
    width = C // G
    for c in range(C):
        rows[part, 0, c] = mean[part, c // width]
        rows[part, 1, c] = gamma[c] * inv_std[part, c // width]
        rows[part, 2, c] = beta[c]
    for which in range(3):
        for j in range(C, W):
            rows[part, which, j] = rows[part, which, j - C]
