"""Batch norm and residual sums with the ReLU after them (contracts in ``contract/fused_norm.py``).

Each is one compiled call: :mod:`.part_norm`, :mod:`.apply_norm` and :mod:`.part_norm_grad`, or
where pixels are pooled, :mod:`.pooled_passes`.
"""

from .apply_norm import apply, inverse_deviation
from .chunks import elementwise
from .jit import Array
from .norm_passes import plus, sum_relu
from .part_norm import normalise
from .part_norm_grad import gradients
from .pooled_passes import apply_relu_max_pool, pooled_gradients

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
    apply(y, x, gamma, beta, mean, inv_std)


def batch_norm_apply_relu(
    y: Array, x: Array, gamma: Array, beta: Array, mean: Array, inv_std: Array
) -> None:
    """The second half, and ReLU."""
    apply(y, x, gamma, beta, mean, inv_std, floor=0.0)


def batch_norm_apply_relu_max_pool(
    y: Array, argmax: Array, x: Array, gamma: Array, beta: Array, mean: Array, inv_std: Array
) -> None:
    """The second half, ReLU and 2x2 max-pooling."""
    apply_relu_max_pool(y, argmax, x, gamma, beta, mean, inv_std)


def batch_norm_apply_add_relu(
    y: Array, x: Array, residual: Array, gamma: Array, beta: Array, mean: Array, inv_std: Array
) -> None:
    """The second half, plus what went around the block, and ReLU."""
    apply(y, x, gamma, beta, mean, inv_std, residual=residual, floor=0.0)


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
    apply(y, x, gamma, beta, mean, inverse_deviation(var, eps), floor=0.0)


add = elementwise(plus, inputs=2)
add_relu = elementwise(sum_relu, inputs=2)

# ----------------------------------------------------------------------------
# Backward
# ----------------------------------------------------------------------------


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
    pooled_gradients(dx, dgamma, dbeta, dy, argmax, x, gamma, mean, inv_std)


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
    statistics = mean[None], inv_std[None]
    gradients(dx, dgamma, dbeta, dy, x, gamma, *statistics, residual=(dresidual, y))
