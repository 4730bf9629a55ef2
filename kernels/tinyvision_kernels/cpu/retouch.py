"""What a camera or a darkroom does to a picture: whole numbers, and images shared out to the cores.

See ``reference/retouch.py`` for what is computed.
"""

import numpy as np

from ..contract.augment import ONE
from ..contract.retouch import EQUALIZE, KEEP, LOOK_UP, STRETCH, TAPS
from .chunks import Arrays, Settings, chunked, over_images
from .jit import Array, body_jit, inline_jit
from .random import philox, stream_words

_HALF = TAPS * TAPS // 2


@body_jit
def _blur(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    y, images, taps = arrays
    _, H, W, C = images.shape
    R = taps.shape[1] - 1
    sums = np.empty((W, C), np.int64)  # of the pixels above and below a row
    for n in range(start, stop):
        for i in range(H):
            sums[:] = 0
            for d in range(-R, R + 1):
                weight, r = taps[n, abs(d)], min(max(i + d, 0), H - 1)
                for j in range(W):
                    for c in range(C):
                        sums[j, c] += weight * images[n, r, j, c]
            for j in range(W):
                for c in range(C):
                    total = np.int64(_HALF)
                    for d in range(-R, R + 1):
                        total += taps[n, abs(d)] * sums[min(max(j + d, 0), W - 1), c]
                    y[n, i, j, c] = total // (TAPS * TAPS)


_blur_chunks = chunked(_blur)


def blur_images(y: Array, images: Array, taps: Array) -> None:
    """Replace each pixel by a weighted mean of those around it."""
    over_images(_blur_chunks, (y, images, taps))


@body_jit
def _noise(arrays: Arrays, stream: Settings, start: int, stop: int) -> None:
    y, images, strengths, positions = arrays
    size = images.shape[1]
    for n in range(start, stop):
        above = np.uint64(positions[n]) << np.uint64(32)
        for block in range((size + 3) // 4):
            words = philox(above | np.uint64(block), stream)
            for k in range(min(4, size - 4 * block)):
                bits = np.int64(words[k])
                total = (bits & 255) + ((bits >> 8) & 255) + ((bits >> 16) & 255) + (bits >> 24)
                noise = ((total - 510) * strengths[n] + ONE // 2) >> 16
                y[n, 4 * block + k] = min(max(images[n, 4 * block + k] + noise, 0), 255)


_noise_chunks = chunked(_noise)


def noise_images(
    y: Array, images: Array, strengths: Array, positions: Array, seed: int, purpose: int, step: int
) -> None:
    """Add noise that is nearly normal to each value."""
    N = images.shape[0]
    size = images[:1].size if N else 0
    rows = (y.reshape(N, size), images.reshape(N, size))  # (N, H, W, C) -> (N, H*W*C)
    over_images(_noise_chunks, (*rows, strengths, positions), stream_words(seed, purpose, step))


@inline_jit
def _count(counts: Array, pixels: Array) -> None:
    counts[:] = 0
    for i in range(pixels.shape[0]):
        for c in range(pixels.shape[1]):
            counts[c, pixels[i, c]] += 1


@inline_jit
def _exchange(levels: Array, counts: Array, kind: int, table: Array) -> None:
    """Look up 256 levels, and count them anew."""
    new, after = np.empty(256, np.int64), np.zeros(256, np.int64)
    darkest, brightest, darker = 256, 0, 0
    for v in range(256):
        new[v] = table[v] if kind == LOOK_UP else darker if kind == EQUALIZE else v
        darker += counts[v]
        if counts[v] > 0:
            darkest, brightest = min(darkest, v), v
    if kind != LOOK_UP:  # parts of a whole: of all pixels but the brightest, or of all the way
        whole = darker - counts[brightest] if kind == EQUALIZE else brightest - darkest
        for v in range(256):
            part = new[v] if kind == EQUALIZE else v - darkest
            level = (255 * part + whole // 2) // whole if whole > 0 else v
            new[v] = min(max(level, 0), 255)
    for v in range(256):
        after[new[v]] += counts[v]
    for v in range(256):
        levels[v], counts[v] = new[levels[v]], after[v]


@inline_jit
def _look_up(y: Array, images: Array, levels: Array) -> None:
    for i in range(y.shape[0]):
        if y.shape[1] == 3:  # spelt out: a loop of three costs more than what is in it
            y[i, 0] = levels[0, images[i, 0]]
            y[i, 1] = levels[1, images[i, 1]]
            y[i, 2] = levels[2, images[i, 2]]
        else:
            for c in range(y.shape[1]):
                y[i, c] = levels[c, images[i, c]]


@body_jit
def _retone(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    y, images, kinds, tables = arrays
    _, _, C = images.shape
    levels, counts = np.empty((C, 256), np.uint8), np.empty((C, 256), np.int64)
    for n in range(start, stop):
        kept, measured = True, False
        for kind in kinds[n]:
            kept = kept and kind == KEEP
            measured = measured or kind in (EQUALIZE, STRETCH)
        if kept:
            y[n] = images[n]
            continue
        counts[:] = 0
        if measured:
            _count(counts, images[n])
        for c in range(C):
            for v in range(256):
                levels[c, v] = v
            for turn in range(kinds.shape[1]):
                if kinds[n, turn] != KEEP:
                    _exchange(levels[c], counts[c], kinds[n, turn], tables[n, turn])
        _look_up(y[n], images[n], levels)


_retone_chunks = chunked(_retone)


def retone_images(y: Array, images: Array, kinds: Array, tables: Array) -> None:
    """Look tables up in each other, and each pixel in what comes of them."""
    N, H, W, C = images.shape
    pixels = (N, H * W, C)  # (N, H, W, C) -> (N, H*W, C)
    over_images(_retone_chunks, (y.reshape(pixels), images.reshape(pixels), kinds, tables))


@body_jit
def _sharpen(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    y, images, amounts = arrays
    _, H, width = images.shape
    C = settings[0]
    # of the pixels above and below a row, and its own; before it the first again, behind the last
    sums = np.empty(width + 2 * C, np.int32)
    for n in range(start, stop):
        image, amount = images[n], amounts[n]
        if amount == 0:
            y[n] = image
            continue
        for i in range(H):
            above, row, below = image[max(i - 1, 0)], image[i], image[min(i + 1, H - 1)]
            for j in range(np.uintp(width)):
                sums[j + np.uintp(C)] = np.int32(above[j]) + np.int32(row[j]) + np.int32(below[j])
            for c in range(C):
                sums[c], sums[C + width + c] = sums[C + c], sums[width + c]
            for j in range(np.uintp(width)):
                around = sums[j] + sums[j + np.uintp(C)] + sums[j + np.uintp(2 * C)]
                pixel = np.int32(row[j])
                # in 13ths of a level, as the mean is; none is left over where the first is cut off
                part = ((9 * pixel - around) * amount + 13 * ONE // 2) >> 16
                total = np.int32(min(max(13 * pixel + part, 0), 13 * 255))
                y[n, i, j] = total // np.int32(13)


_sharpen_chunks = chunked(_sharpen)


def sharpen_images(y: Array, images: Array, amounts: Array) -> None:
    """Go away from what is smooth, or towards it, in rows of all channels side by side."""
    N, H, W, C = images.shape
    rows = (N, H, W * C)  # (N, H, W, C) -> (N, H, W*C)
    over_images(_sharpen_chunks, (y.reshape(rows), images.reshape(rows), amounts), (np.int64(C),))
