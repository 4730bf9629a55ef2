"""Normalisation: take the mean off, divide by the standard deviation, then scale and shift.

The kernels differ in which axes the statistics run over: all but the channel (batch norm), the
features of one row (layer norm), the pixels and channels of one group of one image (group norm).

Where mean and deviation come from x itself, they depend on x too, and the gradient knows it: with
g = dloss/dxhat,

    dx = inv_std * (g - mean(g) - xhat * mean(g * xhat)).

Two parts of g are taken off, because no change of x can bring them about: shifting all of x, which
the mean undoes, and stretching x, which the deviation undoes.
"""

from typing import Any


def _moments(xp: Any, x: Any, axes: tuple[int, ...]) -> tuple[Any, Any]:
    """Mean and variance over ``axes``, kept as axes of length one.

    The variance is taken of x - mean, never as mean(x^2) - mean^2: that loses every digit when the
    mean is large, and may come out negative.
    """
    mean = xp.mean(x, axis=axes, keepdims=True)
    return mean, xp.mean(xp.square(x - mean), axis=axes, keepdims=True)


def _through_statistics(xp: Any, g: Any, xhat: Any, inv_std: Any, axes: tuple[int, ...]) -> Any:
    """Return dx for g = dloss/dxhat, where the statistics over ``axes`` were taken of x."""
    mean_g = xp.mean(g, axis=axes, keepdims=True)
    mean_g_xhat = xp.mean(g * xhat, axis=axes, keepdims=True)
    return inv_std * (g - mean_g - xhat * mean_g_xhat)


def _over_all_but_last(x: Any) -> tuple[int, ...]:
    return tuple(range(x.ndim - 1))


def batch_norm(
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
    """Normalise each channel of x (..., C) by the batch at hand, and remember the statistics."""
    cells = x.size // x.shape[-1]  # M, a channel
    batch_mean, batch_var = _moments(xp, x, _over_all_but_last(x))  # (1, ..., 1, C)
    mean[...] = batch_mean.reshape(-1)  # (C,)
    inv_std[...] = 1 / xp.sqrt(batch_var.reshape(-1) + eps)  # (C,)
    y[...] = (x - mean) * inv_std * gamma + beta
    unbiased = batch_var.reshape(-1) * (cells / (cells - 1))
    running_mean += momentum * (mean - running_mean)
    running_var += momentum * (unbiased - running_var)


def batch_norm_grad(
    xp: Any,
    dx: Any,
    dgamma: Any,
    dbeta: Any,
    dy: Any,
    x: Any,
    gamma: Any,
    mean: Any,
    inv_std: Any,
) -> None:
    """Gradients of batch_norm."""
    axes = _over_all_but_last(x)
    xhat = (x - mean) * inv_std
    dgamma[...] = xp.sum(dy * xhat, axis=axes)
    dbeta[...] = xp.sum(dy, axis=axes)
    dx[...] = _through_statistics(xp, dy * gamma, xhat, inv_std, axes)


def batch_norm_infer(
    xp: Any, y: Any, x: Any, gamma: Any, beta: Any, mean: Any, var: Any, eps: float
) -> None:
    """Normalise with the statistics that training remembered."""
    y[...] = (x - mean) * (1 / xp.sqrt(var + eps)) * gamma + beta


def batch_norm_infer_grad(
    xp: Any,
    dx: Any,
    dgamma: Any,
    dbeta: Any,
    dy: Any,
    x: Any,
    gamma: Any,
    mean: Any,
    var: Any,
    eps: float,
) -> None:
    """Gradients of batch_norm_infer: the statistics do not depend on x."""
    axes = _over_all_but_last(x)
    inv_std = 1 / xp.sqrt(var + eps)
    dgamma[...] = xp.sum(dy * ((x - mean) * inv_std), axis=axes)
    dbeta[...] = xp.sum(dy, axis=axes)
    dx[...] = dy * (gamma * inv_std)


def layer_norm(
    xp: Any, y: Any, mean: Any, inv_std: Any, x: Any, gamma: Any, beta: Any, eps: float
) -> None:
    """Normalise each row of x (M, D) by itself."""
    row_mean, row_var = _moments(xp, x, (1,))  # (M, 1)
    mean[...] = row_mean[:, 0]
    inv_std[...] = 1 / xp.sqrt(row_var[:, 0] + eps)
    y[...] = (x - mean[:, None]) * inv_std[:, None] * gamma + beta


def layer_norm_grad(
    xp: Any,
    dx: Any,
    dgamma: Any,
    dbeta: Any,
    dy: Any,
    x: Any,
    gamma: Any,
    mean: Any,
    inv_std: Any,
) -> None:
    """Gradients of layer_norm."""
    xhat = (x - mean[:, None]) * inv_std[:, None]
    dgamma[...] = xp.sum(dy * xhat, axis=0)
    dbeta[...] = xp.sum(dy, axis=0)
    dx[...] = _through_statistics(xp, dy * gamma, xhat, inv_std[:, None], (1,))


def _split(x: Any, groups: int) -> Any:
    """(N, H, W, C) -> (N, H*W, G, C/G): the statistics then run over axes 1 and 3."""
    N, H, W, C = x.shape
    return x.reshape(N, H * W, groups, C // groups)


def group_norm(
    xp: Any,
    y: Any,
    mean: Any,
    inv_std: Any,
    x: Any,
    gamma: Any,
    beta: Any,
    groups: int,
    eps: float,
) -> None:
    """Normalise each group of channels of each image x (N, H, W, C) by itself."""
    split = _split(x, groups)
    group_mean, group_var = _moments(xp, split, (1, 3))  # (N, 1, G, 1)
    mean[...] = group_mean[:, 0, :, 0]  # (N, G)
    inv_std[...] = 1 / xp.sqrt(group_var[:, 0, :, 0] + eps)
    xhat = (split - group_mean) * inv_std[:, None, :, None]
    y[...] = xhat.reshape(x.shape) * gamma + beta  # (N, H*W, G, C/G) -> (N, H, W, C)


def group_norm_grad(
    xp: Any,
    dx: Any,
    dgamma: Any,
    dbeta: Any,
    dy: Any,
    x: Any,
    gamma: Any,
    mean: Any,
    inv_std: Any,
    groups: int,
) -> None:
    """Gradients of group_norm."""
    spread = inv_std[:, None, :, None]  # (N, G) -> (N, 1, G, 1)
    xhat = (_split(x, groups) - mean[:, None, :, None]) * spread  # (N, H*W, G, C/G)
    dgamma[...] = xp.sum(dy * xhat.reshape(x.shape), axis=(0, 1, 2))
    dbeta[...] = xp.sum(dy, axis=(0, 1, 2))
    g = _split(dy * gamma, groups)
    dx[...] = _through_statistics(xp, g, xhat, spread, (1, 3)).reshape(dx.shape)
