"""Walking the cells of a sliding window, as convolution and pooling both do.

A window has few cells (9 for 3x3) and many positions. So the loop in Python runs over the cells,
and one strided slice takes the same cell of every position at once.
"""

from collections.abc import Iterator
from typing import Any

from ..contract import Pads, Pair

Cell = tuple[int, int, tuple[slice, slice, slice]]


def pad_image(xp: Any, x: Any, pad: Pads, fill: float) -> Any:
    """Return x (N, H, W, C) with rows and columns of ``fill`` around it."""
    N, H, W, C = x.shape
    top, bottom, left, right = pad
    padded = xp.full((N, top + H + bottom, left + W + right, C), fill, dtype=x.dtype)
    padded[:, top : top + H, left : left + W] = x
    return padded


def crop_image(padded: Any, pad: Pads) -> Any:
    """Return the inside of a padded image, as a view."""
    top, bottom, left, right = pad
    return padded[:, top : padded.shape[1] - bottom, left : padded.shape[2] - right]


def window_cells(
    window: Pair, positions: Pair, stride: Pair, dilation: Pair = (1, 1)
) -> Iterator[Cell]:
    """Yield (r, s, where) for each cell: ``padded[where]`` is cell (r, s) of all positions.

    That is an array (N, OH, OW, C): row i of it is row r*dh + i*sh of the padded image.
    """
    for r in range(window[0]):
        for s in range(window[1]):
            rows = _every(r * dilation[0], stride[0], positions[0])
            columns = _every(s * dilation[1], stride[1], positions[1])
            yield r, s, (slice(None), rows, columns)


def _every(start: int, stride: int, count: int) -> slice:
    """Slice ``count`` cells: start, start + stride, start + 2 * stride ..."""
    return slice(start, start + stride * (count - 1) + 1, stride)
