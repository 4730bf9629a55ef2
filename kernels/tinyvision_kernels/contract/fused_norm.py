"""Contracts of batch norm and residual sums together with the ReLU after them.

Batch norm is two passes over x, one for its statistics and one to apply them. The first may be had
with the convolution (``conv2d_statistics``); the second takes what follows along. Letters as in
:mod:`.norm`: x (..., C), vectors (C,), xhat = (x - mean) * inv_std.

Each kernel equals the named kernels one after another, bit for bit wherever no sum is taken in
another order. An output may lie in the memory of what it follows from: y in that of x or
residual, dx in that of x or dy, dresidual in that of dy or y.
"""

from math import prod

from .fused_conv import POOL
from .norm import batch_norm, batch_norm_grad, batch_norm_infer, channels_of
from .pool import max_pool2d, max_pool2d_dx
from .registry import Shape, each, kernel, need, rank, same


@kernel("mean", "inv_std", updates=("running_mean", "running_var"), bfloat16=True)
def batch_norm_statistics(
    running_mean: Shape, running_var: Shape, x: Shape, eps: float, momentum: float
) -> tuple[Shape, ...]:
    """Take the statistics that batch_norm takes, and update the running ones as it does."""
    each(channels_of(x), running_mean=running_mean, running_var=running_var)
    need(
        prod(x[:-1]) > 1,
        f"one value a channel has no variance, x is {x}: train on larger batches or images",
    )
    return (x[-1:], x[-1:])


@kernel("y", bfloat16=True)
def batch_norm_apply(
    x: Shape, gamma: Shape, beta: Shape, mean: Shape, inv_std: Shape
) -> tuple[Shape, ...]:
    """y = xhat * gamma + beta: what batch_norm does with its statistics."""
    each(channels_of(x), gamma=gamma, beta=beta, mean=mean, inv_std=inv_std)
    return (x,)


@kernel("y", bfloat16=True)
def batch_norm_apply_relu(
    x: Shape, gamma: Shape, beta: Shape, mean: Shape, inv_std: Shape
) -> tuple[Shape, ...]:
    """y = relu(batch_norm_apply(x)); backward: batch_norm_relu_grad."""
    return batch_norm_apply(x, gamma, beta, mean, inv_std)


@kernel("y", "argmax", dtypes={"argmax": "uint8"}, bfloat16=True)
def batch_norm_apply_relu_max_pool(
    x: Shape, gamma: Shape, beta: Shape, mean: Shape, inv_std: Shape
) -> tuple[Shape, ...]:
    """y, argmax = max_pool2d(relu(batch_norm_apply(x))) of windows 2x2, stride 2, no padding.

    argmax is OFF = 4 where y > 0 does not hold, as in conv2d_relu_max_pool. x (N, H, W, C).
    Backward: batch_norm_relu_max_pool_grad.
    """
    pooled = max_pool2d(x, *POOL)
    batch_norm_apply(x, gamma, beta, mean, inv_std)
    return pooled


@kernel("y", bfloat16=True)
def batch_norm_apply_add_relu(
    x: Shape, residual: Shape, gamma: Shape, beta: Shape, mean: Shape, inv_std: Shape
) -> tuple[Shape, ...]:
    """y = relu(batch_norm_apply(x) + residual), as a residual block ends (He et al. 2016).

    Backward: batch_norm_add_relu_grad.
    """
    need(residual == x, f"residual {residual} and x {x} differ in shape")
    return batch_norm_apply(x, gamma, beta, mean, inv_std)


@kernel("y", "mean", "inv_std", updates=("running_mean", "running_var"), bfloat16=True)
def batch_norm_relu(
    running_mean: Shape,
    running_var: Shape,
    x: Shape,
    gamma: Shape,
    beta: Shape,
    eps: float,
    momentum: float,
) -> tuple[Shape, ...]:
    """y = relu(batch_norm(x)): batch_norm_statistics and batch_norm_apply_relu in one call."""
    return batch_norm(running_mean, running_var, x, gamma, beta, eps, momentum)


@kernel("y", bfloat16=True)
def batch_norm_infer_relu(
    x: Shape, gamma: Shape, beta: Shape, mean: Shape, var: Shape, eps: float
) -> tuple[Shape, ...]:
    """y = relu(batch_norm_infer(x))."""
    return batch_norm_infer(x, gamma, beta, mean, var, eps)


@kernel("dx", "dgamma", "dbeta", bfloat16=True)
def batch_norm_relu_grad(
    dy: Shape, x: Shape, gamma: Shape, beta: Shape, mean: Shape, inv_std: Shape
) -> tuple[Shape, ...]:
    """batch_norm_grad of dz = dy where y > 0, else 0.

    y = xhat * gamma + beta is computed anew, since x is read anyway: cheaper than reading y.
    """
    each(x[-1:], beta=beta)
    return batch_norm_grad(dy, x, gamma, mean, inv_std)


@kernel("dx", "dgamma", "dbeta", dtypes={"argmax": "uint8"}, bfloat16=True)
def batch_norm_relu_max_pool_grad(
    dy: Shape, argmax: Shape, x: Shape, gamma: Shape, mean: Shape, inv_std: Shape
) -> tuple[Shape, ...]:
    """batch_norm_grad of dz = dy at the cell of each 2x2 window that argmax names, 0 elsewhere."""
    rank("x", x, "NHWC")
    (dz,) = max_pool2d_dx(dy, argmax, (x[1], x[2]), *POOL)
    return batch_norm_grad(dz, x, gamma, mean, inv_std)


@kernel("dx", "dresidual", "dgamma", "dbeta", bfloat16=True)
def batch_norm_add_relu_grad(
    dy: Shape, y: Shape, x: Shape, gamma: Shape, mean: Shape, inv_std: Shape
) -> tuple[Shape, ...]:
    """dresidual = dy where y > 0, else 0; the rest is batch_norm_grad of it."""
    need(dy == y, f"dy {dy} and y {y} differ in shape")
    dx, dgamma, dbeta = batch_norm_grad(dy, x, gamma, mean, inv_std)
    return (dx, dx, dgamma, dbeta)


@kernel("y", bfloat16=True)
def add(x: Shape, residual: Shape) -> tuple[Shape, ...]:
    """y = x + residual, of one shape; the gradient of both is dy itself."""
    return same(x, residual)


@kernel("y", bfloat16=True)
def add_relu(x: Shape, residual: Shape) -> tuple[Shape, ...]:
    """y = relu(x + residual); backward: relu_dx, whose one result is the gradient of both."""
    return same(x, residual)
