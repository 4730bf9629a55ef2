"""Contracts of normalisation.

All of them: xhat = (x - mean) * inv_std, inv_std = 1 / sqrt(var + eps), y = xhat * gamma + beta.
They differ in what mean and variance are taken over.
"""

from .registry import Shape, kernel, need, rank


def _scale_and_shift(features: int, *vectors: Shape) -> None:
    for vector in vectors:
        need(vector == (features,), f"expected one value for each of {features}, got {vector}")


@kernel("y", "mean", "inv_std", updates=("running_mean", "running_var"))
def batch_norm(
    running_mean: Shape,
    running_var: Shape,
    x: Shape,
    gamma: Shape,
    beta: Shape,
    eps: float,
    momentum: float,
) -> tuple[Shape, ...]:
    """Normalise each channel over all other axes; x (..., C), the rest (C,).

    running += momentum * (batch - running), the variance with M - 1 in its denominator (M cells a
    channel), as inference should not underestimate it. Source: Ioffe and Szegedy 2015.
    """
    _scale_and_shift(x[-1], running_mean, running_var, gamma, beta)
    return (x, x[-1:], x[-1:])


@kernel("dx", "dgamma", "dbeta")
def batch_norm_grad(
    dy: Shape, x: Shape, gamma: Shape, mean: Shape, inv_std: Shape
) -> tuple[Shape, ...]:
    """dx = gamma * inv_std * (dy - (dbeta + xhat * dgamma) / M), with M cells a channel.

    dbeta = sum dy and dgamma = sum dy * xhat, both over all axes but the last.
    """
    need(dy == x, f"dy {dy} and x {x} differ in shape")
    return (x, gamma, gamma)


@kernel("y")
def batch_norm_infer(
    x: Shape, gamma: Shape, beta: Shape, mean: Shape, var: Shape, eps: float
) -> tuple[Shape, ...]:
    """Normalise with given statistics: y = (x - mean) / sqrt(var + eps) * gamma + beta."""
    _scale_and_shift(x[-1], gamma, beta, mean, var)
    return (x,)


@kernel("dx", "dgamma", "dbeta")
def batch_norm_infer_grad(
    dy: Shape, x: Shape, gamma: Shape, mean: Shape, var: Shape, eps: float
) -> tuple[Shape, ...]:
    """dx = dy * gamma * inv_std, dgamma = sum dy * xhat, dbeta = sum dy: mean and var are given."""
    need(dy == x, f"dy {dy} and x {x} differ in shape")
    return (x, gamma, gamma)


@kernel("y", "mean", "inv_std")
def layer_norm(x: Shape, gamma: Shape, beta: Shape, eps: float) -> tuple[Shape, ...]:
    """Normalise each row of x (M, D) over its D features. Source: Ba, Kiros, Hinton 2016."""
    rank("x", x, "MD")
    _scale_and_shift(x[1], gamma, beta)
    return (x, x[:1], x[:1])


@kernel("dx", "dgamma", "dbeta")
def layer_norm_grad(
    dy: Shape, x: Shape, gamma: Shape, mean: Shape, inv_std: Shape
) -> tuple[Shape, ...]:
    """With g = dy * gamma: dx = inv_std * (g - mean_D(g) - xhat * mean_D(g * xhat)).

    dgamma = sum dy * xhat and dbeta = sum dy over the rows.
    """
    need(dy == x, f"dy {dy} and x {x} differ in shape")
    return (x, gamma, gamma)


@kernel("y", "mean", "inv_std")
def group_norm(x: Shape, gamma: Shape, beta: Shape, groups: int, eps: float) -> tuple[Shape, ...]:
    """Normalise each image and group of C/G channels over H, W and the group.

    x (N, H, W, C); mean and inv_std (N, G); gamma and beta (C,). Source: Wu and He 2018.
    """
    rank("x", x, "NHWC")
    need(x[3] % groups == 0, f"C={x[3]} channels do not divide into {groups} groups")
    _scale_and_shift(x[3], gamma, beta)
    return (x, (x[0], groups), (x[0], groups))


@kernel("dx", "dgamma", "dbeta")
def group_norm_grad(
    dy: Shape, x: Shape, gamma: Shape, mean: Shape, inv_std: Shape, groups: int
) -> tuple[Shape, ...]:
    """As layer_norm_grad, the means taken over H, W and the group."""
    need(dy == x, f"dy {dy} and x {x} differ in shape")
    return (x, gamma, gamma)
