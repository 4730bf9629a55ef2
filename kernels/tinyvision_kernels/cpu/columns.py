"""The columns of a channels-last array: sums with one result a channel, and what uses them.

An array (..., C) is a flat sequence in which the channels repeat every C numbers. Cut into rows of
W numbers, W a multiple of C, it is a matrix whose every column belongs to one channel. With few
channels W is many times C, so that the inner loop is long enough for vector registers; the columns
of the same channel are added up at the end, and the last row may be short.

The sums are float64 whatever the data: a float32 sum of a million numbers has lost three of its
seven digits, and the variance, which a difference of two sums yields, would lose the rest. It costs
no time, since these loops wait for memory.
"""

import numpy as np

from .jit import Array, inline_jit

_SHORTEST_ROW = 128  # numbers


def row_length(channels: int) -> int:
    """Return W: a multiple of ``channels``, long enough to vectorise over."""
    return channels * -(-_SHORTEST_ROW // channels)


@inline_jit
def repeat(vector: Array, W: int) -> Array:
    """Return (C,) repeated to (W,): entry j belongs to column j."""
    row = np.empty(W, vector.dtype)
    for j in range(W):
        row[j] = vector[j % vector.size]
    return row


@inline_jit
def add_moments(sums: Array, x: Array, shift: Array) -> None:
    """Add the column sums of d = x - shift to sums[0] and those of d^2 to sums[1].

    x is flat, sums (2, W) float64, shift (W,). mean(d^2) - mean(d)^2 is the variance for any shift,
    but keeps its digits only if the shift is near the mean: one value of x itself is near enough.
    """
    first, second = sums
    for start in range(0, x.size, shift.size):
        row = x[start : start + shift.size]
        for j in range(row.size):
            d = np.float64(row[j]) - np.float64(shift[j])
            first[j] += d
            second[j] += d * d


@inline_jit
def add_gradients(sums: Array, dy: Array, x: Array, mean: Array) -> None:
    """Add the column sums of dy to sums[0] and those of dy * (x - mean) to sums[1].

    dy and x are flat, sums (2, W) float64, mean (W,).
    """
    first, second = sums
    for start in range(0, x.size, mean.size):
        row, dy_row = x[start : start + mean.size], dy[start : start + mean.size]
        for j in range(row.size):
            d = np.float64(dy_row[j])
            first[j] += d
            second[j] += d * (np.float64(row[j]) - np.float64(mean[j]))


@inline_jit
def add_up(sums: Array, C: int) -> Array:
    """Sum (chunks, 2, W) over the chunks, in their order, and over equal channels: (2, C)."""
    total = np.zeros((2, C))
    for chunk in range(sums.shape[0]):
        for start in range(0, sums.shape[2], C):
            for k in range(2):
                for c in range(C):
                    total[k, c] += sums[chunk, k, start + c]
    return total


@inline_jit
def scale_rows(y: Array, x: Array, mean: Array, scale: Array, beta: Array) -> None:
    """y = (x - mean) * scale + beta, column by column; x and y are flat, the others (W,).

    Not x * scale + shift: with a large mean that would be a small difference of large numbers.
    """
    W = mean.size
    for start in range(0, x.size, W):
        row, y_row = x[start : start + W], y[start : start + W]
        for j in range(row.size):
            y_row[j] = (row[j] - mean[j]) * scale[j] + beta[j]


@inline_jit
def gradient_rows(
    dx: Array, dy: Array, x: Array, mean: Array, scale: Array, level: Array, slope: Array
) -> None:
    """dx = dy * scale - level - (x - mean) * slope, column by column."""
    W = mean.size
    for start in range(0, x.size, W):
        row, dx_row, dy_row = x[start : start + W], dx[start : start + W], dy[start : start + W]
        for j in range(row.size):
            dx_row[j] = dy_row[j] * scale[j] - level[j] - (row[j] - mean[j]) * slope[j]
