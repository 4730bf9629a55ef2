"""Batch norm and group norm, each way in one compiled call: sums, what follows from them, result.

An array (..., C) falls into equal *parts* that have statistics of their own: one for batch norm,
one an image for group norm. The C channels of a part form G groups of as many; in batch norm each
is a group by itself. A part is summed in chunks cut by its size, whose sums are added in their
order. Where a part is a single chunk, all is done while it is near, in one parallel region.

The layout of rows and of vectors in them is that of :mod:`.norm_passes`.
"""

from math import inf
from typing import Any

import numpy as np
from numba import prange

from .bfloat16 import bits, number, stored, sum_type
from .chunks import chunk_length
from .jit import Array, exact_formula_jit, inline_jit, kernel_jit
from .mask import choose
from .norm_passes import (
    Read,
    Write,
    gradient,
    load_ahead,
    masked_terms,
    normalised,
    row_sums,
    row_width,
    where_positive,
)
from .scratch import borrow
from .vector import lane_count, load, store

Sizes = tuple[int, ...]  # parts, chunks and numbers of a part, C, G, numbers of a row, of a chunk


class Parts:
    """How an array is cut, and the working memory for it."""

    def __init__(self, x: Array, statistics: Array, vectors: int) -> None:
        parts, groups = statistics.shape
        C, size = x.shape[-1], x.size // max(parts, 1)
        W = row_width(C, x)
        length = min(chunk_length(x.size, W), max(W, -(-size // W) * W))
        of_a_part = max(1, -(-size // length))
        self.sizes = parts, of_a_part, size, C, groups, W, length
        chunks = parts * of_a_part
        # of each chunk, the sums over its columns, and those over a few rows
        self.sums = borrow("sums of chunks", chunks * 2 * W, np.float64).reshape(chunks, 2, W)
        self.few = borrow("sums of rows", chunks * 2 * W, sum_type(x)).reshape(chunks, 2, W)
        # of each part
        rows = borrow("vectors", parts * vectors * W, sum_type(x))
        self.rows = rows.reshape(parts, vectors, W)


@inline_jit
def _span(task: int, sizes: Sizes) -> tuple[int, int, int]:
    """Return the part that a chunk belongs to, and where it begins and ends."""
    _, per_part, size, _, _, _, length = sizes
    part = task // per_part
    start = part * size + task % per_part * length
    return part, start, min(start + length, (part + 1) * size)


@inline_jit
def _fold(sums: Array, part: int, sizes: Sizes) -> None:
    """Add up the sums of a part: over its chunks, then over the columns of each channel."""
    _, per_part, _, C, _, W, _ = sizes
    first = part * per_part
    for chunk in range(first + 1, first + per_part):
        for which in range(2):
            for j in range(np.uintp(W)):
                sums[first, which, j] += sums[chunk, which, j]
    for which in range(2):
        for begin in range(C, W, C):
            for c in range(C):
                sums[first, which, c] += sums[first, which, begin + c]


# ----------------------------------------------------------------------------
# Forward
# ----------------------------------------------------------------------------


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
    _fold(sums, part, sizes)
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


@inline_jit
def _scale(y: Array, x: Array, rows: Array, part: int, start: int, stop: int, floor: Any) -> None:
    mean, scale, beta = rows[part, 0], rows[part, 1], rows[part, 2]
    W, L = mean.size, lane_count(mean)
    whole = start + (stop - start) // W * W
    for row in range(start, whole, W):
        for j in range(0, W, L):
            value = normalised(load_ahead(x, row + j), load(mean, j), load(scale, j), load(beta, j))
            store(y, row + j, choose(value <= floor, floor, value))
    for j in range(np.uintp(stop - whole)):
        at = np.uintp(whole) + j
        value = normalised(number(x[at]), mean[j], scale[j], beta[j])
        y[at] = stored(choose(value <= floor, floor, value), y)


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
    if per_part == 1:
        for part in prange(parts):
            _, start, stop = _span(part, sizes)
            _shift(x, rows, part, sizes)
            _add_moments(sums[part], few[part], rows[part].reshape(-1), (x,), start, stop)
            _statistics(outputs, vectors, x, sums, rows, part, sizes, settings)
            if y.size > 0:
                _scale(y, x, rows, part, start, stop, floor)
    else:
        for part in range(parts):
            _shift(x, rows, part, sizes)
        for task in prange(parts * per_part):
            part, start, stop = _span(task, sizes)
            _add_moments(sums[task], few[task], rows[part].reshape(-1), (x,), start, stop)
        for part in range(parts):
            _statistics(outputs, vectors, x, sums, rows, part, sizes, settings)
        if y.size > 0:
            for task in prange(parts * per_part):
                part, start, stop = _span(task, sizes)
                _scale(y, x, rows, part, start, stop, floor)


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
    cut = Parts(x, mean, vectors=3)
    outputs = (mean, inv_std, *(running or (mean[:0], mean[:0])))
    flat = bits(x).reshape(-1)
    to = flat[:0] if y is None else bits(y).reshape(-1)
    room, floor = (cut.sums, cut.few, cut.rows), sum_type(x).type(floor)
    settings = float(eps), float(momentum)
    _normalise(to, outputs, flat, (gamma, beta), room, cut.sizes, settings, floor)


# ----------------------------------------------------------------------------
# Backward
# ----------------------------------------------------------------------------


def _plain_terms(stream: Read, read: Read, write: Write) -> Any:
    @exact_formula_jit
    def terms(flat: tuple[Array, ...], rows: Array, W: int, at: int, j: int) -> Any:
        dy, x = flat
        g = stream(dy, at)
        return g, g * (stream(x, at) - read(rows, j))

    return terms


@exact_formula_jit
def _all(y: Any, dy: Any) -> Any:
    return dy


@inline_jit
def _level_and_slope(
    gamma: Array, inv_std: Array, sums: Array, rows: Array, part: int, sizes: Sizes, weight: float
) -> None:
    """Lay out what flows back through the statistics: level and slope of :func:`gradient`."""
    _, per_part, _, C, G, W, _ = sizes
    width, chunk = C // G, part * per_part
    _fold(sums, part, sizes)
    for g in range(G):
        sum_g = sum_g_deviation = 0.0
        for c in range(g * width, (g + 1) * width):
            sum_g += sums[chunk, 0, c] * gamma[c]
            sum_g_deviation += sums[chunk, 1, c] * gamma[c]
        inverse = np.float64(inv_std[part, g])
        level = slope = 0.0
        if weight > 0:  # 0 times a sum that is not finite would be NaN
            level = weight * inverse * sum_g
            slope = weight * inverse * inverse * inverse * sum_g_deviation
        for c in range(g * width, (g + 1) * width):
            rows[part, 3, c] = level
            rows[part, 4, c] = slope
    for which in range(3, 5):
        for j in range(C, W):
            rows[part, which, j] = rows[part, which, j - C]


@inline_jit
def _known(
    vectors: tuple[Array, ...], statistics: tuple[Array, ...], rows: Array, part: int, sizes: Sizes
) -> None:
    """Lay out mean, scale and beta as forward has had them."""
    (gamma, beta), (mean, inv_std) = vectors, statistics
    _, _, _, C, G, W, _ = sizes
    width = C // G
    for c in range(C):
        rows[part, 0, c] = mean[part, c // width]
        rows[part, 1, c] = gamma[c] * inv_std[part, c // width]
        rows[part, 2, c] = beta[c]
    for which in range(3):
        for j in range(C, W):
            rows[part, which, j] = rows[part, which, j - C]


def _backward(make_terms: Any, kept: Any) -> Any:
    """Make the kernel for sums of the given terms, where ``kept(y, dy)`` is the gradient of y."""
    add_terms = row_sums(make_terms)

    @inline_jit
    def fill(dx: Array, dy: Array, x: Array, rows: Array, part: int, start: int, stop: int) -> None:
        mean, scale, beta = rows[part, 0], rows[part, 1], rows[part, 2]
        level, slope = rows[part, 3], rows[part, 4]
        W, L = mean.size, lane_count(mean)
        whole = start + (stop - start) // W * W
        for row in range(start, whole, W):
            for j in range(0, W, L):
                x0, center, factor = load_ahead(x, row + j), load(mean, j), load(scale, j)
                y = normalised(x0, center, factor, load(beta, j))
                g = kept(y, load_ahead(dy, row + j))
                value = gradient(g, x0 - center, factor, load(level, j), load(slope, j))
                store(dx, row + j, value)
        for j in range(np.uintp(stop - whole)):
            at = np.uintp(whole) + j
            x0 = number(x[at])
            g = kept(normalised(x0, mean[j], scale[j], beta[j]), number(dy[at]))
            dx[at] = stored(gradient(g, x0 - mean[j], scale[j], level[j], slope[j]), dx)

    @kernel_jit
    def backward(
        dx: Array,
        outputs: tuple[Array, ...],
        flat: tuple[Array, ...],
        vectors: tuple[Array, ...],
        statistics: tuple[Array, ...],
        room: tuple[Array, ...],
        sizes: Sizes,
        weight: float,
    ) -> None:
        (dgamma, dbeta), (dy, x), (sums, few, rows) = outputs, flat, room
        gamma, inv_std = vectors[0], statistics[1]
        parts, per_part, _, C, G, _, _ = sizes
        if per_part == 1:
            for part in prange(parts):
                _, start, stop = _span(part, sizes)
                _known(vectors, statistics, rows, part, sizes)
                add_terms(sums[part], few[part], rows[part].reshape(-1), flat, start, stop)
                _level_and_slope(gamma, inv_std, sums, rows, part, sizes, weight)
                fill(dx, dy, x, rows, part, start, stop)
        else:
            for part in range(parts):
                _known(vectors, statistics, rows, part, sizes)
            for task in prange(parts * per_part):
                part, start, stop = _span(task, sizes)
                add_terms(sums[task], few[task], rows[part].reshape(-1), flat, start, stop)
            for part in range(parts):
                _level_and_slope(gamma, inv_std, sums, rows, part, sizes, weight)
            for task in prange(parts * per_part):
                part, start, stop = _span(task, sizes)
                fill(dx, dy, x, rows, part, start, stop)
        for c in range(C):
            sum_dy = sum_dy_xhat = 0.0
            for part in range(parts):
                sum_dy += sums[part * per_part, 0, c]
                sum_dy_xhat += sums[part * per_part, 1, c] * inv_std[part, c // (C // G)]
            dbeta[c] = sum_dy
            dgamma[c] = sum_dy_xhat

    return backward


_gradients = _backward(_plain_terms, _all)
_masked_gradients = _backward(masked_terms, where_positive)


def gradients(
    dx: Array,
    dgamma: Array,
    dbeta: Array,
    dy: Array,
    x: Array,
    gamma: Array,
    mean: Array,
    inv_std: Array,
    *,
    beta: Array | None = None,
    constant: bool = False,
) -> None:
    """Gradients of :func:`normalise` for statistics (parts, groups).

    With ``beta`` those of its floor 0, where the mask is computed anew from x. If the statistics
    are ``constant`` nothing flows back through them.
    """
    cut = Parts(x, mean, vectors=5)
    kernel, beta = (_gradients, gamma) if beta is None else (_masked_gradients, beta)
    cells = x.size // max(mean.size, 1)
    weight = 0.0 if constant or not cells else 1 / cells
    flat = bits(dy).reshape(-1), bits(x).reshape(-1)
    room = cut.sums, cut.few, cut.rows
    vectors, statistics = (gamma, beta), (mean, inv_std)
    to = bits(dx).reshape(-1)
    kernel(to, (dgamma, dbeta), flat, vectors, statistics, room, cut.sizes, weight)
