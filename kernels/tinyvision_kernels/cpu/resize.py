"""Resizing: weighted means down the columns, then along the rows, in whole numbers.

See ``reference/resize.py`` for the formula. Only the pixels that weigh anything are looked at.
"""

from typing import Any

import numpy as np

from ..contract.resize import BITS, taps
from .chunks import Arrays, Settings, chunk_rows, chunked
from .jit import Array, body_jit, exact_formula_jit

_HALF, _WHITE = np.int32(1 << (BITS - 1)), np.int32(255)


@exact_formula_jit
def _share(pixel: Any, place: Any, reach: Any) -> Any:
    return max(1.0 - abs((pixel - place + 0.5) * (1.0 / reach)), 0.0)


@exact_formula_jit
def _weigh(low: Any, high: Any, length: Any, ends: Array, weights: Array) -> None:
    """Find for each new pixel the first and last of the old ones it is made of, and their weights.

    ``ends`` (out, 2) and ``weights`` (out, taps) are filled.
    """
    out = ends.shape[0]
    step = np.float64(high - low) / out
    reach = max(step, 1.0)
    for o in range(out):
        place = np.float64(low) + (o + 0.5) * step
        first = max(int(place - reach + 0.5), 0)
        stop = min(min(int(place + reach + 0.5), length), first + weights.shape[1])
        total = 0.0
        for pixel in range(first, stop):
            total += _share(pixel, place, reach)
        for k in range(stop - first):
            share = _share(first + k, place, reach) / total
            weights[o, k] = np.int32(np.floor(share * (1 << BITS) + 0.5))
        ends[o, 0], ends[o, 1] = first, stop


@body_jit
def _resize(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    y, images, boxes = arrays
    C, row_taps, column_taps = settings
    _, H, WC = images.shape
    OH, OW = y.shape[1], y.shape[2] // C
    u, u_ends = np.empty((OH, row_taps), np.int32), np.empty((OH, 2), np.int64)
    v, v_ends = np.empty((OW, column_taps), np.int32), np.empty((OW, 2), np.int64)
    # Of very many pixels the rounded weights may come to more than 1, so that sums are clipped.
    sums, line = np.empty(WC, np.int32), np.empty(WC, np.uint8)  # what makes up one row
    for n in range(np.uintp(start), np.uintp(stop)):
        _weigh(boxes[n, 0], boxes[n, 1], H, u_ends, u)
        _weigh(boxes[n, 2], boxes[n, 3], WC // C, v_ends, v)
        begin, end = np.uintp(v_ends[0, 0] * C), np.uintp(v_ends[OW - 1, 1] * C)  # looked at
        for i in range(np.uintp(OH)):
            for m in range(begin, end):
                sums[m] = _HALF
            for k in range(np.uintp(u_ends[i, 1] - u_ends[i, 0])):
                weight, r = u[i, k], np.uintp(u_ends[i, 0]) + k
                for m in range(begin, end):
                    sums[m] += weight * np.int32(images[n, r, m])
            for m in range(begin, end):
                line[m] = min(sums[m] >> BITS, _WHITE)
            for j in range(np.uintp(OW)):
                first, count = np.uintp(v_ends[j, 0] * C), np.uintp(v_ends[j, 1] - v_ends[j, 0])
                if C == 3:  # spelt out: a loop of three costs more than what is in it
                    red = green = blue = _HALF
                    for k in range(count):
                        weight, pixel = v[j, k], first + np.uintp(3) * k
                        red += weight * np.int32(line[pixel])
                        green += weight * np.int32(line[pixel + np.uintp(1)])
                        blue += weight * np.int32(line[pixel + np.uintp(2)])
                    made = np.uintp(3) * j
                    y[n, i, made] = min(red >> BITS, _WHITE)
                    y[n, i, made + np.uintp(1)] = min(green >> BITS, _WHITE)
                    y[n, i, made + np.uintp(2)] = min(blue >> BITS, _WHITE)
                else:
                    for c in range(np.uintp(C)):
                        total = _HALF
                        for k in range(count):
                            total += v[j, k] * np.int32(line[first + np.uintp(C) * k + c])
                        y[n, i, np.uintp(C) * j + c] = min(total >> BITS, _WHITE)


_resize_chunks = chunked(_resize)


def resize_images(y: Array, images: Array, boxes: Array, height: int, width: int) -> None:
    """Resize image by image, row by row of what is made."""
    N, H, W, C = images.shape
    # (N, H, W, C) -> (N, H, W*C), (N, OH, OW, C) -> (N, OH, OW*C)
    lines = y.reshape(N, height, width * C), images.reshape(N, H, W * C)
    settings = C, taps(H, height), taps(W, width)
    _resize_chunks((*lines, boxes), settings, N, chunk_rows(N, (H + width) * W * C))
