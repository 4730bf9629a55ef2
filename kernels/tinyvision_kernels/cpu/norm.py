"""Normalisation: two passes over the data each way, one for the sums and one for the result.

Batch norm and group norm are one kernel each way (:mod:`.part_norm`, :mod:`.part_norm_grad`).
"""

import numpy as np

from .apply_norm import apply, inverse_deviation
from .chunks import Arrays, Settings, chunk_rows, chunked
from .exponential import constant
from .jit import Array, body_jit
from .part_norm import normalise
from .part_norm_grad import gradients
from .scratch import borrow
from .sums import add_chunks

# ----------------------------------------------------------------------------
# Batch norm: each channel has statistics, (1, C)
# ----------------------------------------------------------------------------


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
    running = running_mean[None], running_var[None]
    statistics = mean[None], inv_std[None]
    normalise(y, *statistics, x, gamma, beta, eps, running=running, momentum=momentum)


def batch_norm_infer(
    y: Array, x: Array, gamma: Array, beta: Array, mean: Array, var: Array, eps: float
) -> None:
    """Normalise with given statistics."""
    apply(y, x, gamma, beta, mean, inverse_deviation(var, eps))


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
    """dx = gamma * inv_std * (dy - mean(dy) - xhat * mean(dy * xhat))."""
    gradients(dx, dgamma, dbeta, dy, x, gamma, mean[None], inv_std[None])


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
    """dx = gamma * inv_std * dy: nothing flows back through constant statistics."""
    inv_std = inverse_deviation(var, eps)
    gradients(dx, dgamma, dbeta, dy, x, gamma, mean[None], inv_std[None], constant=True)


# ----------------------------------------------------------------------------
# Group norm: the same with statistics (N, G), one for each image and group of C/G channels
# ----------------------------------------------------------------------------


def group_norm(
    y: Array,
    mean: Array,
    inv_std: Array,
    x: Array,
    gamma: Array,
    beta: Array,
    groups: int,
    eps: float,
) -> None:
    """Normalise each image and group of channels of x (N, H, W, C)."""
    normalise(y, mean, inv_std, x, gamma, beta, eps)


def group_norm_grad(
    dx: Array,
    dgamma: Array,
    dbeta: Array,
    dy: Array,
    x: Array,
    gamma: Array,
    mean: Array,
    inv_std: Array,
    groups: int,
) -> None:
    """With g = dy * gamma: dx = inv_std * (g - mean(g) - xhat * mean(g * xhat))."""
    gradients(dx, dgamma, dbeta, dy, x, gamma, mean, inv_std)


# ----------------------------------------------------------------------------
# Layer norm: rows of (M, D), each small enough to stay in the cache between its passes
# ----------------------------------------------------------------------------


@body_jit
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


@body_jit
def _layer_norm_grad_rows(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    gamma, mean, inv_std = arrays[3:6]
    chunk, sums = start // settings[0], arrays[6]  # (2, chunks, D) float64
    dgamma, dbeta = sums[0, chunk], sums[1, chunk]
    dgamma[:] = 0
    dbeta[:] = 0
    for m in range(start, stop):
        dx, dy, x = arrays[0][m], arrays[1][m], arrays[2][m]
        center, scale = mean[m], inv_std[m]
        D = constant(x.size, center)
        sum_g = constant(0, center)
        sum_g_xhat = constant(0, center)
        for d in range(x.size):
            g = dy[d] * gamma[d]
            sum_g += g
            sum_g_xhat += g * (x[d] - center) * scale
        for d in range(x.size):  # three loops: with more arrays in one, LLVM does not vectorise
            xhat = (x[d] - center) * scale
            dx[d] = scale * (dy[d] * gamma[d] - sum_g / D - xhat * (sum_g_xhat / D))
        for d in range(x.size):
            dgamma[d] += np.float64(dy[d] * (x[d] - center) * scale)
            dbeta[d] += np.float64(dy[d])


_layer_norm_grad = chunked(_layer_norm_grad_rows)


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
    M, D = x.shape
    rows = chunk_rows(M, D)
    chunks = -(-M // rows)
    sums = borrow("sums of chunks", 2 * chunks * D, np.float64).reshape(2, chunks, D)
    _layer_norm_grad((dx, dy, x, gamma, mean, inv_std, sums), (rows,), M, rows)
    for total, those in zip((dgamma, dbeta), sums, strict=True):
        add_chunks(total[None], those[None])
