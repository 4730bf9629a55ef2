"""The columns of a channels-last array, and passes that treat each by numbers of its channel.

An array (..., C) is a flat sequence in which the channels repeat every C numbers. Cut into rows of
W numbers, W a multiple of C, it is a matrix whose every column belongs to one channel. With few
channels W is many times C, so that the inner loop is long enough for vector registers; the last row
may be short.
"""

import numpy as np

from .bfloat16 import bits, number, stored, sum_type
from .chunks import Arrays, Kernel, Settings, chunk_length, chunked
from .jit import Array, body_jit

_SHORTEST_ROW = 128  # numbers


class Columns:
    """An array (..., C), its chunks of whole rows, and the passes over them; vectors are (C,)."""

    def __init__(self, x: Array) -> None:
        self.x = x.reshape(-1)
        self.C = x.shape[-1]
        self.W = self.C * -(-_SHORTEST_ROW // self.C)
        self.length = chunk_length(x.size, self.W)

    def scale(self, y: Array, mean: Array, scale: Array, beta: Array) -> None:
        """y = (x - mean) * scale + beta.

        Not x * scale + shift: with a large mean that is a small difference of large numbers.
        """
        vectors = self._repeat(mean), self._repeat(scale), self._repeat(beta)
        self._run(_scale, y.reshape(-1), self.x, *vectors)

    def gradient(
        self, dx: Array, dy: Array, mean: Array, scale: Array, level: Array, slope: Array
    ) -> None:
        """dx = dy * scale - level - (x - mean) * slope."""
        vectors = map(self._repeat, (mean, scale, level, slope))
        self._run(_gradient, dx.reshape(-1), dy.reshape(-1), self.x, *vectors)

    def _run(self, kernel: Kernel, *arrays: Array) -> None:
        kernel(tuple(map(bits, arrays)), (), self.x.size, self.length)

    def _repeat(self, vector: Array) -> Array:
        # (C,) -> (W,): entry j belongs to column j
        return np.tile(vector.astype(sum_type(self.x), copy=False), self.W // self.C)


@body_jit
def _scale_of(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    y, x, mean, scale, beta = arrays
    for row in range(start, stop, mean.size):
        at = np.uintp(row)
        for j in range(np.uintp(min(mean.size, stop - row))):
            y[at + j] = stored((number(x[at + j]) - mean[j]) * scale[j] + beta[j], y)


@body_jit
def _gradient_of(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    dx, dy, x, mean, scale, level, slope = arrays
    for row in range(start, stop, mean.size):
        at = np.uintp(row)
        for j in range(np.uintp(min(mean.size, stop - row))):
            deviation = number(x[at + j]) - mean[j]
            value = number(dy[at + j]) * scale[j] - level[j] - deviation * slope[j]
            dx[at + j] = stored(value, dx)


_scale = chunked(_scale_of)
_gradient = chunked(_gradient_of)
