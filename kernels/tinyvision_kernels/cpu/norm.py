"""Normalisation: two passes over the data each way, one for the sums and one for the result.

Batch norm and group norm share their compiled passes (columns.py); what there is to do for each
channel in between is NumPy's, in float64.
"""

import numpy as np

from .chunks import Arrays, Settings, chunk_rows, chunked
from .columns import Columns
from .exponential import constant
from .jit import Array, body_jit

# ----------------------------------------------------------------------------
# Batch norm
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
    columns, cells = Columns(x), x.size // x.shape[-1]
    shift = columns.x[: x.shape[-1]]
    offset, square = columns.moments(shift[None]).sum(axis=0) / cells  # over chunks, in their order
    var = np.maximum(square - offset * offset, 0.0)  # rounding may leave a tiny negative
    mean[:] = shift + offset
    inv_std[:] = 1 / np.sqrt(var + eps)
    running_mean += momentum * (mean - running_mean)
    unbiased = var * (cells / max(cells - 1, 1))  # a single cell has no variance to correct
    running_var[:] = running_var + momentum * (unbiased - running_var)
    columns.scale(y, mean[None], (gamma * inv_std)[None], beta[None])


def batch_norm_infer(
    y: Array, x: Array, gamma: Array, beta: Array, mean: Array, var: Array, eps: float
) -> None:
    """Normalise with given statistics."""
    scale = gamma / np.sqrt(var + eps)
    Columns(x).scale(y, mean[None], scale[None], beta[None])


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
    _batch_norm_grad(dx, dgamma, dbeta, dy, x, gamma, mean, inv_std, x.shape[-1] / x.size)


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
    _batch_norm_grad(dx, dgamma, dbeta, dy, x, gamma, mean, 1 / np.sqrt(var + eps), 0.0)


def _batch_norm_grad(
    dx: Array,
    dgamma: Array,
    dbeta: Array,
    dy: Array,
    x: Array,
    gamma: Array,
    mean: Array,
    inv_std: Array,
    weight: float,
) -> None:
    """``weight`` is that of one cell in the statistics: 1 / M, or 0 if they are constants."""
    columns = Columns(x)
    sum_dy, sum_dy_deviation = columns.gradient_sums(dy, mean[None]).sum(axis=0)
    dbeta[:] = sum_dy
    dgamma[:] = sum_dy_deviation * inv_std
    scale = gamma * inv_std
    level = scale * (weight * sum_dy)
    slope = scale * (weight * sum_dy_deviation) * inv_std**2
    columns.gradient(dx, dy, mean[None], scale[None], level[None], slope[None])


# ----------------------------------------------------------------------------
# Group norm: the same with statistics (N, G), one for each image and group of C/G channels
# ----------------------------------------------------------------------------


def _group_sums(sums: Array, groups: int) -> tuple[Array, Array]:
    # (N, 2, C) -> (N, 2, G, C/G) -> two of (N, G)
    totals = sums.reshape(*sums.shape[:2], groups, sums.shape[2] // groups).sum(axis=3)
    return totals[:, 0], totals[:, 1]


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
    N, H, W, C = x.shape
    width = C // groups
    columns, cells = Columns(x, parts=N), H * W * width
    shift = x[:, 0, 0, ::width]  # (N, G): the first value of each group
    sums = columns.moments(np.repeat(shift, width, axis=1))
    offset, square = (total / cells for total in _group_sums(sums, groups))
    mean[:] = shift + offset
    inv_std[:] = 1 / np.sqrt(np.maximum(square - offset * offset, 0.0) + eps)
    scale = gamma * np.repeat(inv_std, width, axis=1)  # (N, C)
    columns.scale(y, np.repeat(mean, width, axis=1), scale, beta[None])


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
    N, H, W, C = x.shape
    width = C // groups
    columns, cells = Columns(x, parts=N), H * W * width
    means, inverses = np.repeat(mean, width, axis=1), np.repeat(inv_std, width, axis=1)  # (N, C)
    sums = columns.gradient_sums(dy, means)  # (N, 2, C): of dy and dy * (x - mean)
    dbeta[:] = sums[:, 0].sum(axis=0)
    dgamma[:] = (sums[:, 1] * inverses).sum(axis=0)
    sum_g, sum_g_deviation = _group_sums(sums * gamma, groups)
    level = np.repeat(inv_std * sum_g / cells, width, axis=1)
    slope = np.repeat(inv_std**3 * sum_g_deviation / cells, width, axis=1)
    columns.gradient(dx, dy, means, gamma * inverses, level, slope)


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
    sums = arrays[6][start // settings[0]]  # (2, D) float64, as in columns.py
    dgamma, dbeta = sums[0], sums[1]
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
    sums = np.zeros((-(-M // rows), 2, D))
    _layer_norm_grad((dx, dy, x, gamma, mean, inv_std, sums), (rows,), M, rows)
    dgamma[:], dbeta[:] = sums.sum(axis=0)  # in the order of the chunks
