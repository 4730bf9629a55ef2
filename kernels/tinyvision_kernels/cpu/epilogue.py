"""What is done with finished sums before they leave the cache: the epilogues of a product.

Bias, ReLU, 2x2 max-pooling and the statistics of batch norm each look at numbers that have just
been computed. At that moment these are in a register or in the nearest caches; a kernel of its own
would fetch them from memory. Bias and ReLU, which is no more than a lower bound, are applied where
sums are stored (:mod:`.rows`, :mod:`.tile`, :mod:`.conv.transforms`). The rest looks at
*rectangles* of finished numbers: rows and columns of pixels, whose channels lie side by side ::

    z[z_at + i * z_row + j * z_pixel + c]        i < rows, j < columns, c < channels

What a kernel has no use for it is handed as None. Numba then compiles a variant of that kernel from
which all that asks for it is left out, so that a plain convolution costs what it did.
"""

from math import inf
from typing import NamedTuple

import numpy as np

from ..contract.fused_conv import OFF
from .jit import Array, body_jit, formula_jit
from .mask import store_bytes, store_first_bytes
from .pooled_passes import largest
from .scratch import borrow
from .vector import lane_count, load, load_first, store, store_first, zeros

Room = tuple[Array, Array]  # see Epilogue.room
Moments = tuple[Array, Array]  # mean and variance of each channel, in float64


class Epilogue(NamedTuple):
    """What to do with the sums besides adding the bias."""

    low: float = -inf  # the least number that is stored: 0 for ReLU
    argmax: Array | None = None  # of 2x2 max-pooling, where y is to be pooled
    statistics: bool = False  # whether to take them

    @property
    def flat_argmax(self) -> Array | None:
        """The argmax as kernels take it."""
        return None if self.argmax is None else self.argmax.reshape(-1)

    @property
    def rows(self) -> int:
        """Rows of a convolution's output that have to be computed together."""
        return 1 if self.argmax is None else 2

    def room(self, tasks: int, like: Array) -> Room | None:
        """Return where each task leaves its sums and how many numbers it has summed, if wanted.

        Flat (tasks, 3, channels), see :func:`sum_rectangle`, and (tasks,). ``like`` is the bias.
        """
        if not self.statistics:
            return None
        sums = borrow("sums of tasks", tasks * 3 * like.size, like.dtype)
        return sums, np.zeros(tasks)


PLAIN = Epilogue()
RELU = Epilogue(low=0.0)
STATISTICS = Epilogue(statistics=True)


# ----------------------------------------------------------------------------
# 2x2 max-pooling
# ----------------------------------------------------------------------------


@formula_jit
def pool_rectangle(
    y: Array, argmax: Array, y_at: int, y_row: int, y_pixel: int,
    z: Array, z_at: int, z_row: int, z_pixel: int, rows: int, columns: int, channels: int,
) -> None:  # fmt: skip
    """Pool max(z, 0), whose pixels are filled up to whole vectors, into y.

    A last odd row or column is left out.
    """
    L = lane_count(z)
    off = zeros(z) + OFF
    for c in range(0, channels, L):
        left = channels - c
        for i in range(rows // 2):
            for j in range(columns // 2):
                p = z_at + 2 * i * z_row + 2 * j * z_pixel + c  # the window's first cell
                q = p + z_row  # the one below
                to = y_at + i * y_row + j * y_pixel + c
                best, index = largest(
                    load(z, p), load(z, p + z_pixel), load(z, q), load(z, q + z_pixel), off
                )
                if left >= L:
                    store(y, to, best)
                    store_bytes(argmax, to, index)
                else:
                    store_first(y, to, best, left)
                    store_first_bytes(argmax, to, index, left)


# ----------------------------------------------------------------------------
# Statistics of each channel
# ----------------------------------------------------------------------------


@formula_jit
def sum_rectangle(
    sums: Array, at: int, step: int,
    z: Array, z_at: int, z_row: int, z_pixel: int,
    rows: int, columns: int, channels: int, first: bool,
) -> None:  # fmt: skip
    """Sum d = z - shift and d^2 onto ``sums``: three rows, of shift, sum of d and sum of d^2.

    The shift is the first value of a task, which is near enough to the mean for d to keep its
    digits. ``step`` leads from one row of sums to the next.
    """
    for c in range(0, channels, lane_count(z)):
        left = channels - c
        to, of = at + c, z_at + c
        if first:
            store_first(sums, to, load_first(z, of, left), left)
            store_first(sums, to + step, zeros(sums), left)
            store_first(sums, to + 2 * step, zeros(sums), left)
        shift = load_first(sums, to, left)
        one, two = load_first(sums, to + step, left), load_first(sums, to + 2 * step, left)
        for i in range(rows):
            p = of + i * z_row
            for j in range(columns // 4):  # four at a time: few sums that wait for one another
                q = p + 4 * j * z_pixel
                d = load_first(z, q, left) - shift
                e = load_first(z, q + z_pixel, left) - shift
                f = load_first(z, q + 2 * z_pixel, left) - shift
                g = load_first(z, q + 3 * z_pixel, left) - shift
                one = one + ((d + e) + (f + g))
                two = two + ((d * d + e * e) + (f * f + g * g))
            for j in range(columns // 4 * 4, columns):
                d = load_first(z, p + j * z_pixel, left) - shift
                one, two = one + d, two + d * d
        store_first(sums, to + step, one, left)
        store_first(sums, to + 2 * step, two, left)


def merged(room: Room) -> Moments:
    """Return mean and variance (channels,) of all that the tasks have summed."""
    sums, counts = room
    channels = sums.size // (3 * counts.size)
    mean, var = np.zeros(channels), np.zeros(channels)
    _merge(mean, var, sums.reshape(counts.size, 3, channels), counts)
    return mean, np.maximum(var, 0.0)  # rounding may leave a tiny negative


@body_jit
def _merge(mean: Array, var: Array, sums: Array, counts: Array) -> None:
    """Merge the tasks' means and squares around them, in their order.

    Source: Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing
    sample variances", 1979.
    """
    total = 0.0
    for task in range(counts.size):
        count = counts[task]
        part = 1 / count
        weight = count / (total + count)  # of this task in all so far
        for c in range(np.uintp(mean.size)):
            offset = np.float64(sums[task, 1, c]) * part
            squares = np.float64(sums[task, 2, c]) - offset * offset * count
            apart = np.float64(sums[task, 0, c]) + offset - mean[c]
            mean[c] += apart * weight
            var[c] += squares + apart * apart * weight * total
        total += count
    for c in range(np.uintp(mean.size)):
        var[c] /= total
