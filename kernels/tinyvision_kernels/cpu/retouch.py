"""What a camera or a darkroom does to a picture: whole numbers, and images shared out to the cores.

See ``reference/retouch.py`` for what is computed.
"""

import numpy as np

from ..contract.retouch import ONE, TAPS
from .chunks import Arrays, Settings, chunked, over_images
from .jit import Array, body_jit
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


@body_jit
def _count(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    images, counts = arrays
    _, size, C = images.shape
    for n in range(start, stop):
        counts[n] = 0
        for i in range(size):
            for c in range(C):
                counts[n, c, images[n, i, c]] += 1


_count_chunks = chunked(_count)


def count_levels(counts: Array, images: Array) -> None:
    """Count the pixels of each level, for each image and channel."""
    over_images(_count_chunks, (_pixels(images), counts))


@body_jit
def _lookup(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    y, images, tables = arrays
    _, size, C = images.shape
    for n in range(start, stop):
        for i in range(size):
            if C == 3:  # spelt out: a loop of three costs more than what is in it
                y[n, i, 0] = tables[n, 0, images[n, i, 0]]
                y[n, i, 1] = tables[n, 1, images[n, i, 1]]
                y[n, i, 2] = tables[n, 2, images[n, i, 2]]
            else:
                for c in range(C):
                    y[n, i, c] = tables[n, c, images[n, i, c]]


_lookup_chunks = chunked(_lookup)


def lookup_images(y: Array, images: Array, tables: Array) -> None:
    """Replace each level by what the table of its image and channel has in its place."""
    over_images(_lookup_chunks, (_pixels(y), _pixels(images), tables))


def _pixels(images: Array) -> Array:
    N, H, W, C = images.shape
    return images.reshape(N, H * W, C)  # (N, H, W, C) -> (N, H*W, C)


@body_jit
def _sharpen(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    y, images, amounts = arrays
    _, H, W, C = images.shape
    sums = np.empty((W, C), np.int64)  # of the pixels above and below a row, and its own
    for n in range(start, stop):
        image, amount = images[n], amounts[n]
        if amount == 0:
            y[n] = image
            continue
        for i in range(H):
            above, below = image[max(i - 1, 0)], image[min(i + 1, H - 1)]
            for j in range(W):
                for c in range(C):
                    sums[j, c] = np.int64(above[j, c]) + image[i, j, c] + below[j, c]
            for j in range(W):
                before, after = sums[max(j - 1, 0)], sums[min(j + 1, W - 1)]
                for c in range(C):
                    pixel = np.int64(image[i, j, c])
                    detail = 9 * pixel - before[c] - sums[j, c] - after[c]
                    part = (detail * amount + 13 * ONE // 2) // (13 * ONE)
                    y[n, i, j, c] = min(max(pixel + part, 0), 255)


_sharpen_chunks = chunked(_sharpen)


def sharpen_images(y: Array, images: Array, amounts: Array) -> None:
    """Go away from what is smooth, or towards it."""
    over_images(_sharpen_chunks, (y, images, amounts))
