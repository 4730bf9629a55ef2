"""Batch norm and residual sums with the ReLU after them: one kernel after another.

Batch norm comes in its two halves here, since its statistics may have been taken elsewhere.
"""

from typing import Any

from ..contract.fused_conv import OFF, POOL
from .activation import relu, relu_dx
from .norm import batch_norm, batch_norm_grad, batch_norm_infer
from .pool import max_pool2d, max_pool2d_dx


def batch_norm_statistics(
    xp: Any,
    mean: Any,
    inv_std: Any,
    running_mean: Any,
    running_var: Any,
    x: Any,
    eps: float,
    momentum: float,
) -> None:
    """Mean and 1 / standard deviation of each channel of x (..., C), and the running averages."""
    axes = tuple(range(x.ndim - 1))
    cells = x.size // x.shape[-1]  # M, a channel
    mean[...] = xp.mean(x, axis=axes)  # (C,)
    var = xp.mean(xp.square(x - mean), axis=axes)  # (C,)
    inv_std[...] = 1 / xp.sqrt(var + eps)
    running_mean += momentum * (mean - running_mean)
    running_var += momentum * (var * (cells / (cells - 1)) - running_var)


def batch_norm_apply(
    xp: Any, y: Any, x: Any, gamma: Any, beta: Any, mean: Any, inv_std: Any
) -> None:
    """Normalise, scale and shift."""
    y[...] = (x - mean) * inv_std * gamma + beta


def batch_norm_apply_relu(
    xp: Any, y: Any, x: Any, gamma: Any, beta: Any, mean: Any, inv_std: Any
) -> None:
    """Normalise, scale and shift; keep what is positive."""
    batch_norm_apply(xp, y, x, gamma, beta, mean, inv_std)
    relu(xp, y, y)


def batch_norm_apply_relu_max_pool(
    xp: Any, y: Any, argmax: Any, x: Any, gamma: Any, beta: Any, mean: Any, inv_std: Any
) -> None:
    """The same, pooled; mark the windows in which nothing is positive."""
    z = xp.empty(x.shape, dtype=x.dtype)
    batch_norm_apply_relu(xp, z, x, gamma, beta, mean, inv_std)
    max_pool2d(xp, y, argmax, z, *POOL)
    argmax[...] = xp.where(y > 0, argmax, OFF)


def batch_norm_apply_add_relu(
    xp: Any, y: Any, x: Any, residual: Any, gamma: Any, beta: Any, mean: Any, inv_std: Any
) -> None:
    """The end of a residual block: normalise, add what went around the block, keep the positive."""
    z = xp.empty(x.shape, dtype=x.dtype)
    batch_norm_apply(xp, z, x, gamma, beta, mean, inv_std)
    add_relu(xp, y, z, residual)


def batch_norm_relu(
    xp: Any,
    y: Any,
    mean: Any,
    inv_std: Any,
    running_mean: Any,
    running_var: Any,
    x: Any,
    gamma: Any,
    beta: Any,
    eps: float,
    momentum: float,
) -> None:
    """Both halves of batch norm, and ReLU."""
    batch_norm(xp, y, mean, inv_std, running_mean, running_var, x, gamma, beta, eps, momentum)
    relu(xp, y, y)


def batch_norm_infer_relu(
    xp: Any, y: Any, x: Any, gamma: Any, beta: Any, mean: Any, var: Any, eps: float
) -> None:
    """Normalise with the statistics that training remembered; keep what is positive."""
    batch_norm_infer(xp, y, x, gamma, beta, mean, var, eps)
    relu(xp, y, y)


def batch_norm_relu_grad(
    xp: Any,
    dx: Any,
    dgamma: Any,
    dbeta: Any,
    dy: Any,
    x: Any,
    gamma: Any,
    beta: Any,
    mean: Any,
    inv_std: Any,
) -> None:
    """Gradients of batch_norm_relu; the sign of y is found out a second time."""
    y, dz = xp.empty(x.shape, dtype=x.dtype), xp.empty(x.shape, dtype=x.dtype)
    batch_norm_apply(xp, y, x, gamma, beta, mean, inv_std)
    relu_dx(xp, dz, dy, y)
    batch_norm_grad(xp, dx, dgamma, dbeta, dz, x, gamma, mean, inv_std)


def batch_norm_relu_max_pool_grad(
    xp: Any,
    dx: Any,
    dgamma: Any,
    dbeta: Any,
    dy: Any,
    argmax: Any,
    x: Any,
    gamma: Any,
    mean: Any,
    inv_std: Any,
) -> None:
    """Send each gradient to the cell that won, if any, and from there through batch norm."""
    dz = xp.empty(x.shape, dtype=x.dtype)
    max_pool2d_dx(xp, dz, dy, argmax, x.shape[1:3], *POOL)
    batch_norm_grad(xp, dx, dgamma, dbeta, dz, x, gamma, mean, inv_std)


def batch_norm_add_relu_grad(
    xp: Any,
    dx: Any,
    dresidual: Any,
    dgamma: Any,
    dbeta: Any,
    dy: Any,
    y: Any,
    x: Any,
    gamma: Any,
    mean: Any,
    inv_std: Any,
) -> None:
    """The gradient that ReLU lets pass goes both ways: around the block, and through batch norm."""
    relu_dx(xp, dresidual, dy, y)
    batch_norm_grad(xp, dx, dgamma, dbeta, dresidual, x, gamma, mean, inv_std)


def add(xp: Any, y: Any, x: Any, residual: Any) -> None:
    """y = x + residual."""
    y[...] = x + residual


def add_relu(xp: Any, y: Any, x: Any, residual: Any) -> None:
    """y = max(x + residual, 0)."""
    relu(xp, y, x + residual)
