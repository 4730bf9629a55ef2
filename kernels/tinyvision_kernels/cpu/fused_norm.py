"""Batch norm and residual sums with the ReLU after them (contracts in ``contract/fused_norm.py``).

Batch norm and ReLU are one call each way (:mod:`.part_norm`). Of the others the passes over the
data are compiled (:mod:`.norm_passes`, :mod:`.pooled_passes`); what there is to do for each channel
in between is NumPy's, in float64.
"""

from typing import Any

import numpy as np

from .chunks import elementwise
from .columns import Columns
from .jit import Array, exact_formula_jit
from .norm_passes import (
    apply_add_relu,
    apply_relu,
    mask_and_sums,
    sum_relu,
)
from .part_norm import gradients, normalise
from .pooled_passes import apply_relu_max_pool, fill_pooled_gradient, pooled_sums

# ----------------------------------------------------------------------------
# Forward
# ----------------------------------------------------------------------------


def batch_norm_statistics(
    mean: Array,
    inv_std: Array,
    running_mean: Array,
    running_var: Array,
    x: Array,
    eps: float,
    momentum: float,
) -> None:
    """Take the statistics of each channel of x (..., C), the first half of batch norm."""
    # gamma and beta belong to the second half
    running = running_mean[None], running_var[None]
    statistics = mean[None], inv_std[None]
    normalise(None, *statistics, x, mean, mean, eps, running=running, momentum=momentum)


def batch_norm_apply(
    y: Array, x: Array, gamma: Array, beta: Array, mean: Array, inv_std: Array
) -> None:
    """y = xhat * gamma + beta, the second half of batch norm."""
    Columns(x).scale(y, mean, gamma * inv_std, beta)


def batch_norm_apply_relu(
    y: Array, x: Array, gamma: Array, beta: Array, mean: Array, inv_std: Array
) -> None:
    """The second half, and ReLU."""
    apply_relu(y, x, mean, gamma * inv_std, beta)


def batch_norm_apply_relu_max_pool(
    y: Array, argmax: Array, x: Array, gamma: Array, beta: Array, mean: Array, inv_std: Array
) -> None:
    """The second half, ReLU and 2x2 max-pooling."""
    apply_relu_max_pool(y, argmax, x, mean, gamma * inv_std, beta)


def batch_norm_apply_add_relu(
    y: Array, x: Array, residual: Array, gamma: Array, beta: Array, mean: Array, inv_std: Array
) -> None:
    """The second half, plus what went around the block, and ReLU."""
    apply_add_relu(y, x, residual, mean, gamma * inv_std, beta)


def batch_norm_relu(
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
    """Both halves, and ReLU."""
    running = running_mean[None], running_var[None]
    statistics = mean[None], inv_std[None]
    normalise(y, *statistics, x, gamma, beta, eps, running=running, momentum=momentum, floor=0.0)


def batch_norm_infer_relu(
    y: Array, x: Array, gamma: Array, beta: Array, mean: Array, var: Array, eps: float
) -> None:
    """Normalise with given statistics, and ReLU."""
    apply_relu(y, x, mean, gamma / np.sqrt(var + eps), beta)


@exact_formula_jit
def _sum(a: Any, b: Any) -> Any:
    return a + b


add = elementwise(_sum, inputs=2)
add_relu = elementwise(sum_relu, inputs=2)

# ----------------------------------------------------------------------------
# Backward
# ----------------------------------------------------------------------------


def _through_statistics(
    dgamma: Array, dbeta: Array, sums: Array, gamma: Array, inv_std: Array, cells: int
) -> tuple[Array, Array, Array]:
    """Fill dgamma and dbeta from the sums of dz and dz * (x - mean).

    Return scale, level and slope: dx = dz * scale - level - (x - mean) * slope.
    """
    sum_dz, sum_dz_deviation = sums
    dbeta[:] = sum_dz
    dgamma[:] = sum_dz_deviation * inv_std
    scale = gamma * inv_std
    return scale, scale * (sum_dz / cells), scale * (sum_dz_deviation / cells) * inv_std**2


def batch_norm_relu_grad(
    dx: Array,
    dgamma: Array,
    dbeta: Array,
    dy: Array,
    x: Array,
    gamma: Array,
    beta: Array,
    mean: Array,
    inv_std: Array,
) -> None:
    """Gradients of batch_norm_relu; the mask is computed anew from x."""
    gradients(dx, dgamma, dbeta, dy, x, gamma, mean[None], inv_std[None], beta=beta)


def batch_norm_relu_max_pool_grad(
    dx: Array,
    dgamma: Array,
    dbeta: Array,
    dy: Array,
    argmax: Array,
    x: Array,
    gamma: Array,
    mean: Array,
    inv_std: Array,
) -> None:
    """Gradients of batch norm where dy belongs to the cells that won."""
    sums = pooled_sums(dy, argmax, x, mean)
    cells = x.size // x.shape[-1]
    scale, level, slope = _through_statistics(dgamma, dbeta, sums, gamma, inv_std, cells)
    fill_pooled_gradient(dx, dy, argmax, x, mean, scale, level, slope)


def batch_norm_add_relu_grad(
    dx: Array,
    dresidual: Array,
    dgamma: Array,
    dbeta: Array,
    dy: Array,
    y: Array,
    x: Array,
    gamma: Array,
    mean: Array,
    inv_std: Array,
) -> None:
    """Gradients of a residual block's end; the mask is known from y, and dresidual is dy masked."""
    sums = mask_and_sums(dresidual, dy, y, x, mean)
    cells = x.size // x.shape[-1]
    scale, level, slope = _through_statistics(dgamma, dbeta, sums, gamma, inv_std, cells)
    Columns(x).gradient(dx, dresidual, mean, scale, level, slope)
