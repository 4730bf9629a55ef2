"""Normalisation and dropout: what keeps a training steady."""

from typing import Any

from .. import random
from ..ops import norm
from ..ops.dropout import Dropout
from ..ops.op import Op
from ..ops.window import whole
from ..tensor import Tensor, as_tensor
from .operands import run


def batch_norm(
    x: Any,
    gamma: Any,
    beta: Any,
    running_mean: Any,
    running_var: Any,
    *,
    training: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel of x (..., C); gamma, beta and the running statistics are (C,).

    In training by the batch's own mean and variance, which the running statistics follow in place:
    ``running += momentum * (batch - running)``. Otherwise by the running statistics.
    """
    op: Op = norm.BatchNorm(eps, momentum) if training else norm.BatchNormInfer(eps)
    return run(op, x, gamma, beta, running_mean, running_var)


def layer_norm(x: Any, gamma: Any, beta: Any, *, eps: float = 1e-5) -> Tensor:
    """Normalise x (..., D) over its last axis; gamma and beta are (D,)."""
    return run(norm.LayerNorm(eps), x, gamma, beta)


def group_norm(x: Any, gamma: Any, beta: Any, groups: int, *, eps: float = 1e-5) -> Tensor:
    """Normalise each image of x (N, H, W, C) over H, W and each group of C/groups channels."""
    return run(norm.GroupNorm(whole("groups", groups), eps), x, gamma, beta)


def dropout(x: Any, rate: float, training: bool = True) -> Tensor:
    """Set a share ``rate`` in [0, 1) of the elements to 0 and scale the others by 1 / (1 - rate).

    Which ones follows from :func:`tinyvision.random.seed` and the number of draws before. Without
    ``training``, returns x itself.
    """
    if not 0 <= rate < 1:
        raise ValueError(f"dropout: rate must lie in [0, 1), got {rate}")
    if not training or rate == 0:
        return as_tensor(x)
    seed, step = random.next_step()
    return run(Dropout(rate, seed, random.purpose_of("dropout"), step), x)
