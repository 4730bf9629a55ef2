"""Normalising with statistics that are given: the second half of batch norm, and inference."""

from math import inf

import numpy as np
from numba import prange

from .bfloat16 import bits, sum_type
from .chunks import launch
from .exponential import constant
from .jit import Array, body_jit, kernel_jit
from .norm_passes import scale
from .parts import Parts, Sizes, known, span
from .scratch import borrow


@kernel_jit
def _apply(
    y: Array,
    x: Array,
    residual: Array | None,
    vectors: tuple[Array, ...],
    statistics: tuple[Array, ...],
    rows: Array,
    sizes: Sizes,
    floor: float,
) -> None:
    known(vectors, statistics, rows, 0, sizes)
    for chunk in prange(sizes[1]):
        _, start, stop = span(chunk, sizes)
        scale(y, x, residual, rows[0], start, stop, floor)


def apply(
    y: Array,
    x: Array,
    gamma: Array,
    beta: Array,
    mean: Array,
    inv_std: Array,
    *,
    residual: Array | None = None,
    floor: float = -inf,
) -> None:
    """y = max((x - mean) * inv_std * gamma + beta [+ residual], floor) for vectors (C,)."""
    statistics = mean[None], inv_std[None]
    cut = Parts(x, statistics[0])
    added = None if residual is None else bits(residual).reshape(-1)
    launch(
        _apply, cut.pieces, bits(y).reshape(-1), bits(x).reshape(-1), added,
        (gamma, beta), statistics, cut.rows(3), cut.sizes, sum_type(x).type(floor),
    )  # fmt: skip


@body_jit
def _invert(inv_std: Array, var: Array, eps: float) -> None:
    for c in range(var.size):
        inv_std[c] = constant(1, var[c]) / np.sqrt(var[c] + eps)


def inverse_deviation(var: Array, eps: float) -> Array:
    """Return 1 / sqrt(var + eps), (C,), valid until called again."""
    inv_std = borrow("inverse deviations", var.size, var.dtype)
    _invert(inv_std, var, var.dtype.type(eps))
    return inv_std
