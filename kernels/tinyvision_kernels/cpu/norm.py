"""Normalisation: two passes over the data each way, one for the sums and one for the result."""

import math

import numpy as np
from numba import prange

from .chunks import Arrays, Settings, chunk_length, chunk_rows, chunked
from .columns import (
    add_gradients,
    add_moments,
    add_up,
    gradient_rows,
    repeat,
    row_length,
    scale_rows,
)
from .exponential import constant
from .jit import Array, inline_jit, kernel_jit

# ----------------------------------------------------------------------------
# Batch norm. Inside the kernels x, y and their gradients are flat; W is the length of their rows as
# columns.py explains it, and each chunk holds whole rows.
# ----------------------------------------------------------------------------


@kernel_jit
def _batch_norm(
    y: Array,
    mean: Array,
    inv_std: Array,
    running_mean: Array,
    running_var: Array,
    x: Array,
    gamma: Array,
    beta: Array,
    eps: float,
    momentum: float,
    W: int,
    length: int,
) -> None:
    C = gamma.size
    cells = x.size // C
    chunks = (x.size + length - 1) // length
    sums = np.zeros((chunks, 2, W))
    shift = repeat(x[:C], W)
    for chunk in prange(chunks):
        add_moments(sums[chunk], x[chunk * length : (chunk + 1) * length], shift)
    total = add_up(sums, C)
    scale = np.empty_like(gamma)
    for c in range(C):
        offset = total[0, c] / cells
        batch_mean = shift[c] + offset
        batch_var = max(total[1, c] / cells - offset * offset, 0.0)
        mean[c] = batch_mean
        inv_std[c] = 1 / math.sqrt(batch_var + eps)
        scale[c] = gamma[c] * inv_std[c]
        unbiased = batch_var * cells / max(cells - 1, 1)
        running_mean[c] += momentum * (batch_mean - running_mean[c])
        running_var[c] += momentum * (unbiased - running_var[c])
    means, scales, betas = repeat(mean, W), repeat(scale, W), repeat(beta, W)
    for chunk in prange(chunks):
        start, stop = chunk * length, (chunk + 1) * length
        scale_rows(y[start:stop], x[start:stop], means, scales, betas)


def batch_norm(
    y: Array,
    mean: Array,
    inv_std: Array,
    running_mean: Array,
    running_var: Array,
    x: Array,
    gamma: Array,
    beta: Array,
    eps: float,
    momentum: float,
) -> None:
    """Write y and the batch's statistics, update the running ones."""
    statistics = (mean, inv_std, running_mean, running_var)
    W = row_length(x.shape[-1])
    flat_y, flat_x, length = y.reshape(-1), x.reshape(-1), chunk_length(x.size, W)
    _batch_norm(flat_y, *statistics, flat_x, gamma, beta, float(eps), float(momentum), W, length)


@kernel_jit
def _batch_norm_grad(
    dx: Array,
    dgamma: Array,
    dbeta: Array,
    dy: Array,
    x: Array,
    gamma: Array,
    mean: Array,
    inv_std: Array,
    through_statistics: bool,
    W: int,
    length: int,
) -> None:
    C = gamma.size
    cells = x.size // C
    chunks = (x.size + length - 1) // length
    sums = np.zeros((chunks, 2, W))
    means = repeat(mean, W)
    for chunk in prange(chunks):
        start, stop = chunk * length, (chunk + 1) * length
        add_gradients(sums[chunk], dy[start:stop], x[start:stop], means)
    total = add_up(sums, C)
    scale, level, slope = np.empty_like(gamma), np.zeros_like(gamma), np.zeros_like(gamma)
    for c in range(C):
        dbeta[c] = total[0, c]
        dgamma[c] = total[1, c] * inv_std[c]
        scale[c] = gamma[c] * inv_std[c]
        if through_statistics:
            level[c] = scale[c] * total[0, c] / cells
            slope[c] = scale[c] * inv_std[c] * inv_std[c] * total[1, c] / cells
    scales, levels, slopes = repeat(scale, W), repeat(level, W), repeat(slope, W)
    for chunk in prange(chunks):
        start, stop = chunk * length, (chunk + 1) * length
        gradient_rows(dx[start:stop], dy[start:stop], x[start:stop], means, scales, levels, slopes)


def batch_norm_grad(
    dx: Array,
    dgamma: Array,
    dbeta: Array,
    dy: Array,
    x: Array,
    gamma: Array,
    mean: Array,
    inv_std: Array,
) -> None:
    """dx = gamma * inv_std * (dy - mean(dy) - (x - mean) * inv_std^2 * mean(dy * (x - mean)))."""
    W = row_length(x.shape[-1])
    flat = dy.reshape(-1), x.reshape(-1)
    length = chunk_length(x.size, W)
    _batch_norm_grad(dx.reshape(-1), dgamma, dbeta, *flat, gamma, mean, inv_std, True, W, length)


@inline_jit
def _infer(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    y, x, mean, scale, beta = arrays
    scale_rows(y[start:stop], x[start:stop], mean, scale, beta)


_batch_norm_infer = chunked(_infer)


def batch_norm_infer(
    y: Array, x: Array, gamma: Array, beta: Array, mean: Array, var: Array, eps: float
) -> None:
    """Normalise with given statistics."""
    C = x.shape[-1]
    W = row_length(C)
    scale = gamma / np.sqrt(var + var.dtype.type(eps))
    rows = (np.tile(vector, W // C) for vector in (mean, scale, beta))
    _batch_norm_infer((y.reshape(-1), x.reshape(-1), *rows), (), x.size, chunk_length(x.size, W))


def batch_norm_infer_grad(
    dx: Array,
    dgamma: Array,
    dbeta: Array,
    dy: Array,
    x: Array,
    gamma: Array,
    mean: Array,
    var: Array,
    eps: float,
) -> None:
    """dx = dy * gamma * inv_std: the same sums, nothing flows back through the statistics."""
    W = row_length(x.shape[-1])
    flat = dy.reshape(-1), x.reshape(-1)
    length = chunk_length(x.size, W)
    inv_std = 1 / np.sqrt(var + var.dtype.type(eps))
    _batch_norm_grad(dx.reshape(-1), dgamma, dbeta, *flat, gamma, mean, inv_std, False, W, length)


# ----------------------------------------------------------------------------
# Layer norm: rows of (M, D), each small enough to stay in the cache between its passes
# ----------------------------------------------------------------------------


@inline_jit
def _layer_norm_rows(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    _, mean, inv_std, _, gamma, beta = arrays
    (eps,) = settings
    for m in range(start, stop):
        y, x = arrays[0][m], arrays[3][m]
        D = constant(x.size, eps)
        center = constant(0, eps)
        for d in range(x.size):
            center += x[d]
        center /= D
        spread = constant(0, eps)
        for d in range(x.size):
            spread += (x[d] - center) * (x[d] - center)
        scale = constant(1, eps) / np.sqrt(spread / D + eps)
        for d in range(x.size):
            y[d] = (x[d] - center) * scale * gamma[d] + beta[d]
        mean[m] = center
        inv_std[m] = scale


_layer_norm = chunked(_layer_norm_rows)


def layer_norm(
    y: Array, mean: Array, inv_std: Array, x: Array, gamma: Array, beta: Array, eps: float
) -> None:
    """Normalise each row of x (M, D)."""
    arrays = (y, mean, inv_std, x, gamma, beta)
    _layer_norm(arrays, (x.dtype.type(eps),), len(x), chunk_rows(*x.shape))


@inline_jit
def _layer_norm_grad_rows(arrays: Arrays, sums: Array, first: int, last: int) -> None:
    _, _, _, gamma, mean, inv_std = arrays
    dgamma, dbeta = sums
    for m in range(first, last):
        dx, dy, x = arrays[0][m], arrays[1][m], arrays[2][m]
        center, scale = mean[m], inv_std[m]
        sum_g = constant(0, center)
        sum_g_xhat = constant(0, center)
        for d in range(x.size):
            xhat = (x[d] - center) * scale
            g = dy[d] * gamma[d]
            sum_g += g
            sum_g_xhat += g * xhat
            dgamma[d] += dy[d] * xhat
            dbeta[d] += dy[d]
        D = constant(x.size, center)
        sum_g /= D
        sum_g_xhat /= D
        for d in range(x.size):
            xhat = (x[d] - center) * scale
            dx[d] = scale * (dy[d] * gamma[d] - sum_g - xhat * sum_g_xhat)


@kernel_jit
def _layer_norm_grad(arrays: Arrays, dgamma: Array, dbeta: Array, rows: int) -> None:
    M, D = arrays[2].shape
    chunks = (M + rows - 1) // rows
    sums = np.zeros((chunks, 2, D))  # float64, as in columns.py
    for chunk in prange(chunks):
        _layer_norm_grad_rows(arrays, sums[chunk], chunk * rows, min(M, (chunk + 1) * rows))
    total = add_up(sums, D)
    for d in range(D):
        dgamma[d] = total[0, d]
        dbeta[d] = total[1, d]


def layer_norm_grad(
    dx: Array,
    dgamma: Array,
    dbeta: Array,
    dy: Array,
    x: Array,
    gamma: Array,
    mean: Array,
    inv_std: Array,
) -> None:
    """With g = dy * gamma: dx = inv_std * (g - mean(g) - xhat * mean(g * xhat))."""
    arrays = (dx, dy, x, gamma, mean, inv_std)
    _layer_norm_grad(arrays, dgamma, dbeta, chunk_rows(*x.shape))
