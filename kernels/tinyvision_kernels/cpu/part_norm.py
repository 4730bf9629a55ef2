"""Batch norm and group norm forward, in one compiled call: sums, statistics, result."""

from math import inf
from typing import Any

import numpy as np
from numba import prange

from .bfloat16 import bits, number, sum_type
from .chunks import launch
from .jit import Array, exact_formula_jit, inline_jit, kernel_jit
from .norm_passes import Read, Write, row_sums, scale
from .parts import Parts, Sizes, fold, span


def _moment_terms(stream: Read, read: Read, write: Write) -> Any:
    @exact_formula_jit
    def terms(flat: tuple[Array, ...], rows: Array, W: int, at: int, j: int) -> Any:
        deviation = stream(flat[0], at) - read(rows, j)
        return deviation, deviation * deviation

    return terms


_add_moments = row_sums(_moment_terms)


@inline_jit
def _shift(x: Array, rows: Array, part: int, sizes: Sizes) -> None:
    """Lay out the first number of each group in a part.

    mean(d^2) - mean(d)^2 of d = x - shift is the variance for any shift, but keeps its digits only
    if the shift is near the mean: one value of x itself is near enough.
    """
    _, _, size, C, G, W, _ = sizes
    row, width = rows[part, 0], C // G
    for begin in range(0, W, C):
        for c in range(C):
            row[begin + c] = number(x[part * size + c // width * width])


@inline_jit
def _statistics(
    outputs: tuple[Array, ...],
    vectors: tuple[Array, ...],
    x: Array,
    sums: Array,
    rows: Array,
    part: int,
    sizes: Sizes,
    settings: tuple[float, float],
) -> None:
    """Find the mean of each group and 1 / its deviation; lay out what scale takes."""
    (mean, inv_std, running_mean, running_var), (gamma, beta) = outputs, vectors
    eps, momentum = settings
    _, per_part, size, C, G, W, _ = sizes
    width, cells, chunk = C // G, size // G, part * per_part
    fold(sums, part, sizes)
    for g in range(G):
        total = square = 0.0
        for c in range(g * width, (g + 1) * width):
            total += sums[chunk, 0, c]
            square += sums[chunk, 1, c]
        offset = total / cells
        spread = square / cells - offset * offset
        spread = 0.0 if spread < 0 else spread  # rounding may leave a tiny negative, never a NaN
        mean[part, g] = number(x[part * size + g * width]) + offset
        inv_std[part, g] = 1 / np.sqrt(spread + eps)
        if running_mean.size > 0:
            running_mean[part, g] += momentum * (mean[part, g] - running_mean[part, g])
            unbiased = spread * (cells / max(cells - 1, 1))  # a single cell has no variance
            running_var[part, g] += momentum * (unbiased - running_var[part, g])
        for c in range(g * width, (g + 1) * width):
            rows[part, 0, c] = mean[part, g]
            rows[part, 1, c] = gamma[c] * inv_std[part, g]
            rows[part, 2, c] = beta[c]
    for which in range(3):
        for j in range(C, W):
            rows[part, which, j] = rows[part, which, j - C]


@kernel_jit
def _normalise(
    y: Array,
    outputs: tuple[Array, ...],
    x: Array,
    vectors: tuple[Array, ...],
    room: tuple[Array, ...],
    sizes: Sizes,
    settings: tuple[float, float],
    floor: Any,
) -> None:
    sums, few, rows = room
    parts, per_part = sizes[0], sizes[1]
    alone = per_part == 1  # then all is done with a part while it is near
    if not alone:
        for part in range(parts):
            _shift(x, rows, part, sizes)
    for task in prange(parts * per_part):
        part, start, stop = span(task, sizes)
        if alone:
            _shift(x, rows, part, sizes)
        _add_moments(sums[task], few[task], rows[part].reshape(-1), (x,), start, stop)
        if alone:
            _statistics(outputs, vectors, x, sums, rows, part, sizes, settings)
            if y.size > 0:
                scale(y, x, None, rows[part], start, stop, floor)
    if not alone:
        for part in range(parts):
            _statistics(outputs, vectors, x, sums, rows, part, sizes, settings)
        if y.size > 0:
            for task in prange(parts * per_part):
                part, start, stop = span(task, sizes)
                scale(y, x, None, rows[part], start, stop, floor)


def normalise(
    y: Array | None,
    mean: Array,
    inv_std: Array,
    x: Array,
    gamma: Array,
    beta: Array,
    eps: float,
    *,
    running: tuple[Array, Array] | None = None,
    momentum: float = 0.0,
    floor: float = -inf,
) -> None:
    """Take statistics (parts, groups), fill y = max((x - mean) * inv_std * gamma + beta, floor).

    ``running`` means and variances (parts, groups) follow those of the batch. Without y take
    statistics alone.
    """
    cut = Parts(x, mean)
    outputs = (mean, inv_std, *(running or (mean[:0], mean[:0])))
    flat = bits(x).reshape(-1)
    to = flat[:0] if y is None else bits(y).reshape(-1)
    room, floor = (*cut.sums(), cut.rows(3)), sum_type(x).type(floor)
    settings = float(eps), float(momentum)
    vectors = gamma, beta
    launch(_normalise, cut.pieces, to, outputs, flat, vectors, room, cut.sizes, settings, floor)
