"""Augmentation: each pixel of the output is fetched, changed and normalised in one pass.

Images are shared out among the cores. See ``reference/augment.py`` for what is computed.
"""

from typing import Any

import numpy as np

from .bfloat16 import bits, stored
from .chunks import Arrays, Settings, chunked, over_images
from .exponential import constant
from .jit import Array, body_jit, formula_jit, inline_jit


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
    over_images(_crop_chunks, (bits(x), images, rows, columns, fill, holes, bits(levels)))


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
    seen = np.empty(C, colours.dtype)
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
                    x[n, i, j, c] = stored(_clipped(value) * scale[c] + bias[c], x)
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
    over_images(_warp_chunks, (bits(x), images, *looks))


@body_jit
def _mix(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    y, pure, partners, shares, boxes = arrays
    _, H, W, C = pure.shape
    for n in range(start, stop):
        other, share = pure[partners[n]], shares[n]
        rest = constant(1, share) - share
        top, bottom, left, right = boxes[n]
        for i in range(H):
            for j in range(W):
                inside = top <= i < bottom and left <= j < right
                for c in range(C):
                    if inside:
                        y[n, i, j, c] = stored(other[i, j, c], y)
                    else:
                        blend = share * pure[n, i, j, c] + rest * other[i, j, c]
                        y[n, i, j, c] = stored(blend, y)


_mix_chunks = chunked(_mix)


def mix_images(y: Array, pure: Array, partners: Array, shares: Array, boxes: Array) -> None:
    """Blend each image with its partner; in its box, show the partner alone."""
    over_images(_mix_chunks, (bits(y), pure, partners, shares, boxes))
