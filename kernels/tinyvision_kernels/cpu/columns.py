"""The columns of a channels-last array: sums with one result a channel, and what uses them.

An array (..., C) is a flat sequence in which the channels repeat every C numbers. Cut into rows of
W numbers, W a multiple of C, it is a matrix whose every column belongs to one channel. With few
channels W is many times C, so that the inner loop is long enough for vector registers; the columns
of the same channel are added up at the end, and the last row may be short.

Sums of four rows are taken in the data's own precision and then added to float64: a float32 sum of
a million numbers has lost three of its seven digits, and the variance, a difference of two sums,
would lose the rest; four rows lose nothing to speak of, and spare three conversions of four.
"""

import numpy as np

from .bfloat16 import bits, number, stored, sum_type
from .chunks import Arrays, Kernel, Settings, chunk_length, chunked
from .jit import Array, body_jit

_SHORTEST_ROW = 128  # numbers


class Columns:
    """An array (..., C), its chunks of whole rows, and the passes over them.

    By default the statistics are those of the whole array, as in batch norm, and vectors (1, C).
    With ``parts`` = N each of N equal parts has its own, as in group norm: vectors are (N, C) or
    (1, C), and a part is one chunk.
    """

    def __init__(self, x: Array, parts: int | None = None) -> None:
        self.x = x.reshape(-1)
        self.C = x.shape[-1]
        self.W = self.C * -(-_SHORTEST_ROW // self.C)
        self.length = x.size // parts if parts else chunk_length(x.size, self.W)

    def moments(self, shift: Array) -> Array:
        """Sum d = x - shift and d^2 over each column: (chunks, 2, C) float64.

        mean(d^2) - mean(d)^2 is the variance for any shift, but keeps its digits only if the shift
        is near the mean: one value of x itself is near enough.
        """
        sums = self._room()
        self._run(_moments, sums, self.x, self._repeat(shift))
        return self._add_up(sums)

    def gradient_sums(self, dy: Array, mean: Array) -> Array:
        """Sum dy and dy * (x - mean) over each column: (chunks, 2, C) float64."""
        sums = self._room()
        self._run(_gradient_sums, sums, dy.reshape(-1), self.x, self._repeat(mean))
        return self._add_up(sums)

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
        kernel(tuple(map(bits, arrays)), (self.length,), self.x.size, self.length)

    def _repeat(self, vector: Array) -> Array:
        # (parts, C) -> (parts, W): entry j belongs to column j
        return np.tile(vector.astype(sum_type(self.x), copy=False), (1, self.W // self.C))

    def _room(self) -> Array:
        return np.zeros((-(-self.x.size // self.length), 2, self.W))

    def _add_up(self, sums: Array) -> Array:
        # (chunks, 2, W) -> (chunks, 2, W / C, C) -> (chunks, 2, C)
        return sums.reshape(len(sums), 2, self.W // self.C, self.C).sum(axis=2)


# ----------------------------------------------------------------------------
# The passes. Each chunk finds the vectors of its part, or the only ones there are.
# ----------------------------------------------------------------------------


@body_jit
def _moments_of(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    sums, x, shifts = arrays
    chunk = start // settings[0]
    first, second, shift = sums[chunk, 0], sums[chunk, 1], shifts[chunk % len(shifts)]
    W = shift.size
    while start + 4 * W <= stop:
        a0, a1 = np.uintp(start), np.uintp(start + W)
        a2, a3 = np.uintp(start + 2 * W), np.uintp(start + 3 * W)
        for j in range(np.uintp(W)):
            d0, d1 = number(x[a0 + j]) - shift[j], number(x[a1 + j]) - shift[j]
            d2, d3 = number(x[a2 + j]) - shift[j], number(x[a3 + j]) - shift[j]
            first[j] += np.float64((d0 + d1) + (d2 + d3))
            second[j] += np.float64((d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3))
        start += 4 * W
    while start < stop:
        a0 = np.uintp(start)
        for j in range(np.uintp(min(W, stop - start))):
            d0 = number(x[a0 + j]) - shift[j]
            first[j] += np.float64(d0)
            second[j] += np.float64(d0 * d0)
        start += W


@body_jit
def _gradient_sums_of(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    sums, dy, x, means = arrays
    chunk = start // settings[0]
    first, second, mean = sums[chunk, 0], sums[chunk, 1], means[chunk % len(means)]
    W = mean.size
    while start + 4 * W <= stop:
        a0, a1 = np.uintp(start), np.uintp(start + W)
        a2, a3 = np.uintp(start + 2 * W), np.uintp(start + 3 * W)
        for j in range(np.uintp(W)):
            g0, g1 = number(dy[a0 + j]), number(dy[a1 + j])
            g2, g3 = number(dy[a2 + j]), number(dy[a3 + j])
            d0, d1 = number(x[a0 + j]) - mean[j], number(x[a1 + j]) - mean[j]
            d2, d3 = number(x[a2 + j]) - mean[j], number(x[a3 + j]) - mean[j]
            first[j] += np.float64((g0 + g1) + (g2 + g3))
            second[j] += np.float64((g0 * d0 + g1 * d1) + (g2 * d2 + g3 * d3))
        start += 4 * W
    while start < stop:
        a0 = np.uintp(start)
        for j in range(np.uintp(min(W, stop - start))):
            g0 = number(dy[a0 + j])
            first[j] += np.float64(g0)
            second[j] += np.float64(g0 * (number(x[a0 + j]) - mean[j]))
        start += W


@body_jit
def _scale_of(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    y, x, means, scales, betas = arrays
    chunk = start // settings[0]
    mean, scale = means[chunk % len(means)], scales[chunk % len(scales)]
    beta = betas[chunk % len(betas)]
    for row in range(start, stop, mean.size):
        at = np.uintp(row)
        for j in range(np.uintp(min(mean.size, stop - row))):
            y[at + j] = stored((number(x[at + j]) - mean[j]) * scale[j] + beta[j], y)


@body_jit
def _gradient_of(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    dx, dy, x, means, scales, levels, slopes = arrays
    part = start // settings[0] % len(means)
    mean, scale, level, slope = means[part], scales[part], levels[part], slopes[part]
    for row in range(start, stop, mean.size):
        at = np.uintp(row)
        for j in range(np.uintp(min(mean.size, stop - row))):
            deviation = number(x[at + j]) - mean[j]
            value = number(dy[at + j]) * scale[j] - level[j] - deviation * slope[j]
            dx[at + j] = stored(value, dx)


_moments = chunked(_moments_of)
_gradient_sums = chunked(_gradient_sums_of)
_scale = chunked(_scale_of)
_gradient = chunked(_gradient_of)
