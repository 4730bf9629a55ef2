"""A row times a matrix: the dense layer of a single image.

Each number of the matrix is used once, so that the time is that of reading it. It is therefore read
where it stands, in strips of four vectors, side by side in memory, at a time: as many sums wait for
nothing but the memory. What four whole vectors leave of the columns is read through masks.
"""

from .chunks import Arrays, Settings, chunked
from .jit import Array, body_jit
from .rows import at_least
from .tile import BLOCK_BYTES
from .vector import lane_count, load, load_first, splat, store, store_first, zeros

STRIP_VECTORS = 4
DEPTH = 512  # products summed in one go, as in a product of many rows: a row's bits are the same
SERIAL = 1 << 16  # numbers of the matrix that one core has read before a second one is awake


@body_jit
def _multiply_columns(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    y, x, w, bias = arrays
    columns, low = settings
    lanes = lane_count(w)
    depth = x.size
    for j in range(start, stop, STRIP_VECTORS * lanes):
        whole = j + STRIP_VECTORS * lanes <= columns
        left = columns - j
        total0 = total1 = total2 = total3 = zeros(w)
        for first in range(0, depth, DEPTH):
            a = b = c = d = zeros(w)
            last = min(first + DEPTH, depth)
            if whole:
                for k in range(first, last):
                    x_k, at = splat(x, k), k * columns + j
                    a = a + x_k * load(w, at)
                    b = b + x_k * load(w, at + lanes)
                    c = c + x_k * load(w, at + 2 * lanes)
                    d = d + x_k * load(w, at + 3 * lanes)
            else:
                for k in range(first, last):
                    x_k, at = splat(x, k), k * columns + j
                    a = a + x_k * load_first(w, at, left)
                    b = b + x_k * load_first(w, at + lanes, left - lanes)
                    c = c + x_k * load_first(w, at + 2 * lanes, left - 2 * lanes)
                    d = d + x_k * load_first(w, at + 3 * lanes, left - 3 * lanes)
            total0, total1 = total0 + a, total1 + b
            total2, total3 = total2 + c, total3 + d
        if whole:
            store(y, j, at_least(low, total0 + load(bias, j)))
            store(y, j + lanes, at_least(low, total1 + load(bias, j + lanes)))
            store(y, j + 2 * lanes, at_least(low, total2 + load(bias, j + 2 * lanes)))
            store(y, j + 3 * lanes, at_least(low, total3 + load(bias, j + 3 * lanes)))
        else:
            for vector, total in enumerate((total0, total1, total2, total3)):
                rest = left - vector * lanes
                at = j + vector * lanes
                store_first(y, at, at_least(low, total + load_first(bias, at, rest)), rest)


_multiply = chunked(_multiply_columns)


def multiply_row(y: Array, x: Array, w: Array, bias: Array, low: float) -> None:
    """y (O,) = max(x (I,) @ w (I, O) + bias (O,), low)."""
    I, O = w.shape
    strip = STRIP_VECTORS * BLOCK_BYTES // 2 // w.itemsize
    length = strip if I * O > SERIAL else max(O, 1)
    arrays = y, x, w.reshape(-1), bias
    _multiply(arrays, (O, w.dtype.type(low)), O, length)
