"""Windows over images as pooling walks over them: geometry, rows, and the channels of a pixel.

A geometry is (H, W, C, OH, OW, KH, KW, sh, sw, top, left), letters as in the contract with strides
and the padding before; arrays are flat.
"""

from typing import Any

from ..contract import Pads, Pair
from .chunks import Arrays, Settings
from .jit import Array, Function, formula_jit
from .vector import lane_count


def geometry_of(x: Array, y: Array, window: Pair, stride: Pair, pad: Pads) -> Settings:
    """Return the geometry of windows over x that make y."""
    numbers = (*x.shape[1:], *y.shape[1:3], *window, *stride, pad[0], pad[2])
    return tuple(map(int, numbers))


def on_image(geometry: Settings) -> bool:
    """Whether no window reaches over an edge of the image."""
    H, W, _, OH, OW, KH, KW, sh, sw, top, left = geometry
    return top == left == 0 and (OH - 1) * sh + KH <= H and (OW - 1) * sw + KW <= W


def halves_image(geometry: Settings) -> bool:
    """Whether windows are 2x2 and side by side: all cells in one, but for an odd row or column."""
    window, stride = geometry[5:7], geometry[7:9]
    return window == stride == (2, 2) and on_image(geometry)


@formula_jit
def cells_on_image(
    position: int, size: int, window: int, stride: int, before: int
) -> tuple[int, int]:
    """Window cells first .. last-1 along one axis that lie on the image, not on its padding."""
    start = position * stride - before
    return max(0, -start), min(window, size - start)


@formula_jit
def windows_over(place: int, count: int, window: int, stride: int, before: int) -> Any:
    """Positions first .. last-1 along one axis of the windows over one place of the image."""
    place += before  # as seen from the edge of the padding, where the first window starts
    return max(0, (place - window + stride) // stride), min(count, place // stride + 1)


def over_channels(formula: Function) -> Any:
    """Repeat ``formula(arrays, out, at, settings, count)`` for all channels of a pixel.

    ``out`` and ``at`` are the places of the pixel in the pooled and the whole image, ``count`` the
    channels to handle: a whole vector, known to the compiler so that it needs no mask, and then
    those left over. (One loop for both would keep more numbers alive than there are registers.)
    """

    @formula_jit
    def run(arrays: Arrays, out: int, at: int, settings: Settings, C: int) -> None:
        lanes = lane_count(arrays[0])
        whole = C // lanes * lanes
        for c in range(0, whole, lanes):
            formula(arrays, out + c, at + c, settings, lanes)
        if whole < C:
            formula(arrays, out + whole, at + whole, settings, C - whole)

    return run
