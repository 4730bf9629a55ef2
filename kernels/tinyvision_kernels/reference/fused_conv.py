"""Convolution and dense layers with what follows them: here simply one kernel after another.

The point of a fused kernel is what it spares, reading and writing memory. The reference spares
nothing and shows what the result has to be.
"""

from typing import Any

from ..contract import Pads, Pair, windows
from ..contract.fused_conv import OFF, POOL
from .activation import relu, relu_dx
from .conv import bias_grad, conv2d
from .dense import dense
from .fused_norm import batch_norm_statistics
from .pool import max_pool2d, max_pool2d_dx


def conv2d_relu(
    xp: Any,
    y: Any,
    x: Any,
    w: Any,
    b: Any,
    stride: Pair,
    pad: Pads,
    dilation: Pair,
    groups: int,
    algorithm: str = "auto",
) -> None:
    """y = max(z, 0) of the convolution z."""
    conv2d(xp, y, x, w, b, stride, pad, dilation, groups, algorithm)
    relu(xp, y, y)


def conv2d_relu_max_pool(
    xp: Any,
    y: Any,
    argmax: Any,
    x: Any,
    w: Any,
    b: Any,
    stride: Pair,
    pad: Pads,
    dilation: Pair,
    groups: int,
    algorithm: str = "auto",
) -> None:
    """Pool the convolution's positive part, and mark the windows that have none."""
    positions = windows(x.shape[1:3], w.shape[:2], stride, pad, dilation)
    z = xp.empty((x.shape[0], *positions, w.shape[3]), dtype=x.dtype)
    conv2d_relu(xp, z, x, w, b, stride, pad, dilation, groups, algorithm)
    max_pool2d(xp, y, argmax, z, *POOL)
    argmax[...] = xp.where(y > 0, argmax, OFF)


def conv2d_statistics(
    xp: Any,
    y: Any,
    mean: Any,
    inv_std: Any,
    running_mean: Any,
    running_var: Any,
    x: Any,
    w: Any,
    b: Any,
    stride: Pair,
    pad: Pads,
    dilation: Pair,
    groups: int,
    eps: float,
    momentum: float,
    algorithm: str = "auto",
) -> None:
    """Convolve, and take the statistics that batch norm will want."""
    conv2d(xp, y, x, w, b, stride, pad, dilation, groups, algorithm)
    batch_norm_statistics(xp, mean, inv_std, running_mean, running_var, y, eps, momentum)


def dense_relu(xp: Any, y: Any, x: Any, w: Any, b: Any) -> None:
    """y = max(x w + b, 0)."""
    dense(xp, y, x, w, b)
    relu(xp, y, y)


def relu_bias_grad(xp: Any, dz: Any, db: Any, dy: Any, y: Any) -> None:
    """Let the gradient pass where the output is positive, and add up what has passed."""
    relu_dx(xp, dz, dy, y)
    bias_grad(xp, db, dz)


def relu_max_pool_bias_grad(xp: Any, dz: Any, db: Any, dy: Any, argmax: Any, size: Pair) -> None:
    """Send each gradient to the cell that won. OFF names no cell, so that those come to nothing."""
    max_pool2d_dx(xp, dz, dy, argmax, size, *POOL)
    bias_grad(xp, db, dz)
