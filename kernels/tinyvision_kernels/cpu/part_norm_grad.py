"""Batch norm and group norm backward, in one compiled call: sums, what they imply, result."""

from typing import Any

import numpy as np
from numba import prange

from .bfloat16 import bits, number, stored
from .chunks import launch
from .jit import Array, exact_formula_jit, inline_jit, kernel_jit
from .norm_passes import (
    Read,
    Write,
    gradient,
    load_ahead,
    normalised,
    row_sums,
    where_positive,
)
from .parts import Parts, Sizes, known, level_and_slope, span
from .vector import lane_count, load, store


def _plain_terms(stream: Read, read: Read, write: Write) -> Any:
    @exact_formula_jit
    def terms(flat: tuple[Array, ...], rows: Array, W: int, at: int, j: int) -> Any:
        dy, x = flat
        g = stream(dy, at)
        return g, g * (stream(x, at) - read(rows, j))

    return terms


def _masked_terms(stream: Read, read: Read, write: Write) -> Any:
    """Where y = (x - mean) * scale + beta is positive; else dy counts as 0."""

    @exact_formula_jit
    def terms(flat: tuple[Array, ...], rows: Array, W: int, at: int, j: int) -> Any:
        dy, x = flat
        value, mean = stream(x, at), read(rows, j)
        y = normalised(value, mean, read(rows, W + j), read(rows, 2 * W + j))
        g = where_positive(y, stream(dy, at))
        return g, g * (value - mean)

    return terms


def _residual_terms(stream: Read, read: Read, write: Write) -> Any:
    """Where y, which is known, is positive; dy masked by it is the gradient of the residual."""

    @exact_formula_jit
    def terms(flat: tuple[Array, ...], rows: Array, W: int, at: int, j: int) -> Any:
        dresidual, dy, y, x = flat
        g = where_positive(stream(y, at), stream(dy, at))
        write(dresidual, at, g)
        return g, g * (stream(x, at) - read(rows, j))

    return terms


@exact_formula_jit
def _all(y: Any, dy: Any) -> Any:
    return dy


def _backward(make_terms: Any, kept: Any) -> Any:
    """Make the kernel for sums of the given terms.

    The terms are of ``flat`` arrays, of which the last is x. Of the numbers of the first, which
    they may have written, ``kept(y, dy)`` is the gradient of y.
    """
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
        (dgamma, dbeta), (sums, few, rows) = outputs, room
        dy, x = flat[0], flat[-1]
        gamma, inv_std = vectors[0], statistics[1]
        parts, per_part, _, C, G, _, _ = sizes
        alone = per_part == 1  # then all is done with a part while it is near
        if not alone:
            for part in range(parts):
                known(vectors, statistics, rows, part, sizes)
        for task in prange(parts * per_part):
            part, start, stop = span(task, sizes)
            if alone:
                known(vectors, statistics, rows, part, sizes)
            add_terms(sums[task], few[task], rows[part].reshape(-1), flat, start, stop)
            if alone:
                level_and_slope(gamma, inv_std, sums, rows, part, sizes, weight)
                fill(dx, dy, x, rows, part, start, stop)
        if not alone:
            for part in range(parts):
                level_and_slope(gamma, inv_std, sums, rows, part, sizes, weight)
            for task in prange(parts * per_part):
                part, start, stop = span(task, sizes)
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
_masked_gradients = _backward(_masked_terms, where_positive)
_residual_gradients = _backward(_residual_terms, _all)


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
    residual: tuple[Array, Array] | None = None,
    constant: bool = False,
) -> None:
    """Gradients of :func:`.part_norm.normalise` for statistics (parts, groups).

    With ``beta`` those of its floor 0, where the mask is computed anew from x; with ``residual``,
    which is (dresidual to fill, y), those of y = max(normalised + residual, 0). If the statistics
    are ``constant`` nothing flows back through them.
    """
    cut = Parts(x, mean)
    kernel: Any = _gradients
    arrays: tuple[Array, ...] = dy, x
    if beta is not None:
        kernel = _masked_gradients
    elif residual is not None:
        dresidual, y = residual
        kernel, arrays = _residual_gradients, (dresidual, dy, y, x)
    cells = x.size // max(mean.size, 1)
    weight = 0.0 if constant or not cells else 1 / cells
    flat = tuple(bits(array).reshape(-1) for array in arrays)
    room = (*cut.sums(), cut.rows(5))
    vectors, statistics = (gamma, gamma if beta is None else beta), (mean, inv_std)
    to = bits(dx).reshape(-1)
    how = vectors, statistics, room, cut.sizes, weight
    launch(kernel, cut.pieces, to, (dgamma, dbeta), flat, *how)
