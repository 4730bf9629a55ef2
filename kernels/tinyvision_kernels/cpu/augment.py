"""Augmentation: each pixel of the output is fetched, changed and normalised in one pass.

Images are shared out among the cores. See ``reference/augment.py`` for what is computed.
"""

from typing import Any

import numpy as np

from ..contract.augment import ONE, TAPS
from .chunks import Arrays, Settings, chunk_rows, chunked
from .exponential import constant
from .jit import Array, body_jit, formula_jit, inline_jit
from .random import philox, stream_words

_HALF = TAPS * TAPS // 2


def _launch(kernel: Any, arrays: Arrays, settings: Settings = ()) -> None:
    """Run over chunks of whole images; the first array has one row for each."""
    N = arrays[0].shape[0]
    kernel(arrays, settings, N, chunk_rows(N, arrays[0][:1].size))


@inline_jit
def _cut(x: Array, holes: Array) -> None:
    for top, bottom, left, right in holes:
        for i in range(max(top, 0), min(bottom, x.shape[0])):
            for j in range(max(left, 0), min(right, x.shape[1])):
                for c in range(x.shape[2]):
                    x[i, j, c] = 0


@body_jit
def _crop(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    x, images, rows, columns, fill, holes, levels = arrays
    C = images.shape[3]
    for n in range(start, stop):
        for i in range(x.shape[1]):
            r = rows[n, i]
            for j in range(x.shape[2]):
                s = columns[n, j]
                if r < 0 or s < 0:
                    for c in range(C):
                        x[n, i, j, c] = levels[c, fill[c]]
                elif C == 3:  # spelt out: a loop of three costs more than what is in it
                    x[n, i, j, 0] = levels[0, images[n, r, s, 0]]
                    x[n, i, j, 1] = levels[1, images[n, r, s, 1]]
                    x[n, i, j, 2] = levels[2, images[n, r, s, 2]]
                else:
                    for c in range(C):
                        x[n, i, j, c] = levels[c, images[n, r, s, c]]
        _cut(x[n], holes[n])


_crop_chunks = chunked(_crop)


def crop_images(
    x: Array, images: Array, rows: Array, columns: Array, fill: Array, holes: Array, levels: Array
) -> None:
    """Pick whole pixels and look up what each byte becomes."""
    _launch(_crop_chunks, (x, images, rows, columns, fill, holes, levels))


@formula_jit
def _clipped(value: Any) -> Any:
    # Both tests fail for NaN, which so survives.
    return value * 0 if value < 0 else value * 0 + 255 if value > 255 else value


@formula_jit
def _within(index: Any, length: Any) -> Any:
    return min(max(index, 0), length - 1)


@body_jit
def _warp(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    x, images, matrices, rows, columns, fill, holes, colours, scale, bias = arrays
    _, H, W, C = images.shape
    seen = np.empty(C, x.dtype)
    for n in range(start, stop):
        m, colour = matrices[n], colours[n]
        for i in range(H):
            for j in range(W):
                down = m[0] * i + m[1] * j + m[2]
                right = m[3] * i + m[4] * j + m[5]
                v, u = (down >> 8) & 255, (right >> 8) & 255
                r, s = (down >> 16) + H, (right >> 16) + W
                r0, r1 = rows[_within(r, 3 * H)], rows[_within(r + 1, 3 * H)]
                s0, s1 = columns[_within(s, 3 * W)], columns[_within(s + 1, 3 * W)]
                for c in range(C):
                    a = images[n, r0, s0, c] if r0 >= 0 and s0 >= 0 else fill[c]
                    b = images[n, r0, s1, c] if r0 >= 0 and s1 >= 0 else fill[c]
                    d = images[n, r1, s0, c] if r1 >= 0 and s0 >= 0 else fill[c]
                    e = images[n, r1, s1, c] if r1 >= 0 and s1 >= 0 else fill[c]
                    upper = (256 - u) * np.int64(a) + u * np.int64(b)
                    lower = (256 - u) * np.int64(d) + u * np.int64(e)
                    seen[c] = constant((256 - v) * upper + v * lower, scale[c]) / 65536
                for c in range(C):
                    value = colour[c, C]
                    for k in range(C):
                        value += colour[c, k] * seen[k]
                    x[n, i, j, c] = _clipped(value) * scale[c] + bias[c]
        _cut(x[n], holes[n])


_warp_chunks = chunked(_warp)


def warp_images(
    x: Array,
    images: Array,
    matrices: Array,
    rows: Array,
    columns: Array,
    fill: Array,
    holes: Array,
    colours: Array,
    scale: Array,
    bias: Array,
) -> None:
    """Look between the pixels, turn the colour seen there into another, and normalise it."""
    looks = (matrices, rows, columns, fill, holes, colours, scale, bias)
    _launch(_warp_chunks, (x, images, *looks))


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
    _launch(_blur_chunks, (y, images, taps))


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
    _launch(_noise_chunks, (*rows, strengths, positions), stream_words(seed, purpose, step))


@body_jit
def _mix(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    y, x, partners, shares, boxes = arrays
    _, H, W, C = x.shape
    for n in range(start, stop):
        other, share = x[partners[n]], shares[n]
        rest = constant(1, share) - share
        top, bottom, left, right = boxes[n]
        for i in range(H):
            for j in range(W):
                inside = top <= i < bottom and left <= j < right
                for c in range(C):
                    if inside:
                        y[n, i, j, c] = other[i, j, c]
                    else:
                        y[n, i, j, c] = share * x[n, i, j, c] + rest * other[i, j, c]


_mix_chunks = chunked(_mix)


def mix_images(y: Array, x: Array, partners: Array, shares: Array, boxes: Array) -> None:
    """Blend each image with its partner; in its box, show the partner alone."""
    _launch(_mix_chunks, (y, x, partners, shares, boxes))
