"""From a convolution to a product of matrices: which pixels meet which cells of the window.

A convolution is a product of the matrix of *patches* (a row for each position of the window: all
the pixels it covers there) with the matrix of weights. The patch matrix would be KH * KW times as
large as the image, so it is never built. The tile is rather told where its numbers lie: the pixel
at window position p and window cell k stands at ``positions[p] + taps[k]``, in an image with zeros
around it. (Dukhan, "The Indirect Convolution Algorithm", 2019, https://arxiv.org/abs/1907.02129.)

What has zeros around it is a copy of a *band* only: the pixels that some rows of windows read, few
enough to stay in the cache of a core. A band is one task of a parallel loop ::

            x (H, W, C)                   band (height, width, C)
        +----------------+
        |                |              0 0 +----------------+ 0 0
        |................|              0 0 |................| 0 0    positions: (0, 0), (0, 1) ...
        |.. these rows ..|     ->       0 0 |.. these rows ..| 0 0    taps: a KH x KW x C corner
        |................|              0 0 |................| 0 0
        +----------------+              0 0 +----------------+ 0 0

So stride, padding, dilation and groups all end in tables, and the tile sees a plain product. Which
pixels a window reads is first said axis by axis (:class:`Axis`). The gradient of the input turns
out to be a convolution with other offsets, so that it needs no loops of its own.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..jit import Array, inline_jit
from ..pairs import copy_step
from ..rows import zero
from ..tile import TALL

BAND_BYTES = 1 << 18  # what a band may take of a second-level cache
BAND_POSITIONS = 256  # windows in a band
LEAST_POSITIONS = 2 * TALL  # windows in a band, even if there are then fewer tasks than
TASKS = 8  # into which the windows of few images are cut


class Axis(NamedTuple):
    """One axis: window i reads pixels ``i * step + offsets`` and writes ``first + i * every``."""

    windows: int  # how many
    step: int  # pixels from one window to the next
    taps: tuple[int, ...]  # cells of the window
    offsets: tuple[int, ...]  # the pixel under each of these cells, from window * step
    first: int
    every: int

    @property
    def low(self) -> int:
        """The offset of the first pixel that a window touches."""
        return min(self.offsets, default=0)

    def reach(self, count: int) -> int:
        """Pixels from the first to the last that so many windows touch."""
        return (count - 1) * self.step + max(self.offsets, default=0) - self.low + 1


@lru_cache(maxsize=1024)
def forward_axis(windows: int, window: int, stride: int, before: int, dilation: int) -> Axis:
    """Window i covers pixels i * stride + r * dilation - before, and writes output i."""
    taps = tuple(range(window))
    return Axis(windows, stride, taps, tuple(r * dilation - before for r in taps), 0, 1)


@lru_cache(maxsize=1024)
def backward_axes(
    size: int, window: int, stride: int, before: int, dilation: int
) -> tuple[Axis, ...]:
    """Turn the axis around: for each of ``size`` pixels, which windows have read it?

    Pixel p lies under cell r of window i where p = i * stride + r * dilation - before. So for a
    given p only those cells count for which stride divides p + before - r * dilation. They are the
    same for all p of one remainder ("parity", at stride 2), and the windows i of successive such p
    are successive: each remainder is a convolution of stride 1 over dy.
    """
    axes = []
    for first in range(min(stride, size)):
        taps = tuple(r for r in range(window) if (first + before - r * dilation) % stride == 0)
        offsets = tuple((first + before - r * dilation) // stride for r in taps)
        axes.append(Axis(len(range(first, size, stride)), 1, taps, offsets, first, stride))
    return tuple(axes)


class Bands(NamedTuple):
    """How a convolution is cut into bands, and the tables that hold for every band."""

    cut: tuple[int, int]  # images and rows of windows in one band
    frame: tuple[int, int]  # height and width of an image's part of the band, zeros included
    corner: tuple[int, int]  # offsets of the band's first pixel, along H and W
    depth: int  # KH * KW * C of a group
    positions: Array  # int64 (windows of a band, ...): where in the band each window begins
    taps: Array  # int64 (depth, ...): where each pixel of a window lies from there


@lru_cache(maxsize=1024)
def cut_bands(
    down: Axis, across: Axis, channels: int, groups: int, itemsize: int, together: int = 1,
    images_in_all: int | None = None,
) -> Bands:  # fmt: skip
    """Cut by the sizes alone, so that the number of threads cannot change a bit.

    A band has a multiple of ``together`` rows of windows, unless the image ends with it. Where the
    number of images is given, few images are cut into more bands.
    """
    width = across.reach(across.windows)
    most = BAND_POSITIONS
    if images_in_all is not None:
        share = images_in_all * down.windows * across.windows // TASKS
        most = max(LEAST_POSITIONS, min(most, share))

    def fits(images: int, rows: int) -> bool:
        numbers = images * down.reach(rows) * width * channels
        windows = images * rows * across.windows
        return numbers * itemsize <= BAND_BYTES and windows <= most

    images, rows = 1, down.windows
    while rows > 1 and not fits(1, rows):
        rows -= 1
    rows = -(-down.windows // -(-down.windows // rows))  # as many bands, but equal ones
    rows = min(-(-rows // together) * together, down.windows)
    while rows == down.windows and fits(images + 1, rows):
        images += 1

    height = down.reach(rows)
    m, i, j = np.ogrid[:images, :rows, : across.windows]
    positions = ((m * height + i * down.step) * width + j * across.step) * channels
    r = np.array(down.offsets, np.int64).reshape(-1, 1, 1) - down.low
    s = np.array(across.offsets, np.int64).reshape(-1, 1) - across.low
    taps = (r * width + s) * channels + np.arange(channels // groups)  # (KH, KW, C)
    # Zeros at the end let the last tile of either be a whole one (product.whole_tiles).
    return Bands(
        cut=(images, rows),
        frame=(height, width),
        corner=(down.low, across.low),
        depth=taps.size,
        positions=np.pad(positions.ravel(), (0, TALL)),
        taps=np.pad(taps.ravel(), (0, TALL)),
    )


@inline_jit
def copy_band(
    band: Array,
    x: Array,
    shape: tuple[int, int, int, int],  # of x
    image: int,  # the first image, and how many
    images: int,
    row: int,  # the first pixel's row and column in x, either of which may lie outside
    column: int,
    frame: tuple[int, int],
    together: int,
) -> None:
    """Copy a part of x, with zeros where it reaches outside of the images.

    Where two images go ``together`` (:func:`..pairs.images_in_a_step`), so many are copied as
    pairs; "image" then counts pairs, of which the last may lack its second image.
    """
    N, H, W, C = shape
    height, width = frame
    left = min(max(-column, 0), width)  # zeros on the left
    inside = min(max(W - column - left, 0), width - left)
    for line in range(images * height):
        n, h = (image + line // height) * together, row + line % height
        to = line * width * C
        if 0 <= h < H:
            zero(band, to, left * C)
            of = ((n * H + h) * W + column + left) * C
            partner = of + H * W * C if n + 1 < N else -1
            copy_step(band, to + left * C, x, of, partner, inside * C)
            zero(band, to + (left + inside) * C, (width - left - inside) * C)
        else:
            zero(band, to, width * C)
