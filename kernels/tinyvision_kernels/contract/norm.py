"""Contracts of normalisation.

All of them: xhat = (x - mean) * inv_std, inv_std = 1 / sqrt(var + eps), y = xhat * gamma + beta.
They differ in what mean and variance are taken over.
"""

from math import prod

from .registry import Shape, each, kernel, need, rank


def channels_of(x: Shape) -> Shape:
    """Return the shape of vectors that go with x (..., C)."""
    need(len(x) >= 2, f"x must be (..., C), it is {x}")
    need(x[-1] >= 1, f"x has no channels, it is {x}")
    return x[-1:]


def _grouped(x: Shape, groups: int) -> Shape:
    rank("x", x, "NHWC")
    channels_of(x)
    need(
        groups >= 1 and x[3] % groups == 0,
        f"C={x[3]} channels do not divide into {groups} groups",
    )
    return (x[0], groups)


@kernel("y", "mean", "inv_std", updates=("running_mean", "running_var"), bfloat16=True)
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
    C = channels_of(x)
    each(C, running_mean=running_mean, running_var=running_var, gamma=gamma, beta=beta)
    need(
        prod(x[:-1]) > 1,
        f"one value a channel has no variance, x is {x}: train on larger batches or images",
    )
    return (x, x[-1:], x[-1:])


@kernel("dx", "dgamma", "dbeta", bfloat16=True)
def batch_norm_grad(
    dy: Shape, x: Shape, gamma: Shape, mean: Shape, inv_std: Shape
) -> tuple[Shape, ...]:
    """dx = gamma * inv_std * (dy - (dbeta + xhat * dgamma) / M), with M cells a channel.

    dbeta = sum dy and dgamma = sum dy * xhat, both over all axes but the last.
    """
    need(dy == x, f"dy {dy} and x {x} differ in shape")
    each(channels_of(x), gamma=gamma, mean=mean, inv_std=inv_std)
    return (x, gamma, gamma)


@kernel("y", bfloat16=True)
def batch_norm_infer(
    x: Shape, gamma: Shape, beta: Shape, mean: Shape, var: Shape, eps: float
) -> tuple[Shape, ...]:
    """Normalise with given statistics: y = (x - mean) / sqrt(var + eps) * gamma + beta."""
    each(channels_of(x), gamma=gamma, beta=beta, mean=mean, var=var)
    return (x,)


@kernel("dx", "dgamma", "dbeta", bfloat16=True)
def batch_norm_infer_grad(
    dy: Shape, x: Shape, gamma: Shape, mean: Shape, var: Shape, eps: float
) -> tuple[Shape, ...]:
    """dx = dy * gamma * inv_std, dgamma = sum dy * xhat, dbeta = sum dy: mean and var are given."""
    need(dy == x, f"dy {dy} and x {x} differ in shape")
    each(channels_of(x), gamma=gamma, mean=mean, var=var)
    return (x, gamma, gamma)


@kernel("y", "mean", "inv_std", bfloat16=True)
def layer_norm(x: Shape, gamma: Shape, beta: Shape, eps: float) -> tuple[Shape, ...]:
    """Normalise each row of x (M, D) over its D features. Source: Ba, Kiros, Hinton 2016."""
    rank("x", x, "MD")
    each(x[1:], gamma=gamma, beta=beta)
    return (x, x[:1], x[:1])


@kernel("dx", "dgamma", "dbeta", bfloat16=True)
def layer_norm_grad(
    dy: Shape, x: Shape, gamma: Shape, mean: Shape, inv_std: Shape
) -> tuple[Shape, ...]:
    """With g = dy * gamma: dx = inv_std * (g - mean_D(g) - xhat * mean_D(g * xhat)).

    dgamma = sum dy * xhat and dbeta = sum dy over the rows.
    """
    need(dy == x, f"dy {dy} and x {x} differ in shape")
    rank("x", x, "MD")
    each(x[1:], gamma=gamma)
    each(x[:1], mean=mean, inv_std=inv_std)
    return (x, gamma, gamma)


@kernel("y", "mean", "inv_std", bfloat16=True)
def group_norm(x: Shape, gamma: Shape, beta: Shape, groups: int, eps: float) -> tuple[Shape, ...]:
    """Normalise each image and group of C/G channels over H, W and the group.

    x (N, H, W, C); mean and inv_std (N, G); gamma and beta (C,). Source: Wu and He 2018.
    """
    statistics = _grouped(x, groups)
    each(x[3:], gamma=gamma, beta=beta)
    return (x, statistics, statistics)


@kernel("dx", "dgamma", "dbeta", bfloat16=True)
def group_norm_grad(
    dy: Shape, x: Shape, gamma: Shape, mean: Shape, inv_std: Shape, groups: int
) -> tuple[Shape, ...]:
    """As layer_norm_grad, the means taken over H, W and the group."""
    need(dy == x, f"dy {dy} and x {x} differ in shape")
    each(_grouped(x, groups), mean=mean, inv_std=inv_std)
    each(x[3:], gamma=gamma)
    return (x, gamma, gamma)
