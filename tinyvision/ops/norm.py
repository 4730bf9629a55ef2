"""Normalisation: y = (x - mean) / sqrt(var + eps) * gamma + beta.

The ops differ in what mean and variance are taken over. gamma and beta have one value a channel (or
feature); all ops are described in ``kernels/tinyvision_kernels/contract/norm.py``.
"""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from tinyvision_kernels.contract import Shape

from ..backend import Array, Kernels
from .dense import rows
from .op import Grads, Op, Saved


@dataclass(frozen=True)
class _Norm(Op):
    """Base of the ops in this file: about eight operations an element, statistics included."""

    def flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return 8 * prod(output)


@dataclass(frozen=True)
class BatchNorm(_Norm):
    """Normalise each channel over all other axes, and follow its mean and variance.

    Inputs: x (..., C); gamma, beta, running_mean, running_var (C,). The running statistics are
    changed in place: running += momentum * (batch - running).
    """

    recordable: ClassVar[bool] = True

    eps: float = 1e-5
    momentum: float = 0.1

    def forward(
        self,
        k: Kernels,
        x: Array,
        gamma: Array,
        beta: Array,
        running_mean: Array,
        running_var: Array,
    ) -> tuple[Array, Saved]:
        y, mean, inv_std = k.batch_norm(
            running_mean, running_var, x, gamma, beta, self.eps, self.momentum
        )
        return y, (x, gamma, mean, inv_std)

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        dx, dgamma, dbeta = k.batch_norm_grad(dy, *saved)
        return dx, dgamma, dbeta, None, None


@dataclass(frozen=True)
class BatchNormInfer(_Norm):
    """Normalise each channel by given statistics. Inputs as of :class:`BatchNorm`."""

    recordable: ClassVar[bool] = True

    eps: float = 1e-5

    def forward(
        self, k: Kernels, x: Array, gamma: Array, beta: Array, mean: Array, var: Array
    ) -> tuple[Array, Saved]:
        return k.batch_norm_infer(x, gamma, beta, mean, var, self.eps), (x, gamma, mean, var)

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        dx, dgamma, dbeta = k.batch_norm_infer_grad(dy, *saved, self.eps)
        return dx, dgamma, dbeta, None, None


@dataclass(frozen=True)
class LayerNorm(_Norm):
    """Normalise over the last axis. Inputs: x (..., D); gamma, beta (D,)."""

    recordable: ClassVar[bool] = True

    eps: float = 1e-5

    def forward(self, k: Kernels, x: Array, gamma: Array, beta: Array) -> tuple[Array, Saved]:
        flat = rows(x)  # (..., D) -> (M, D)
        y, mean, inv_std = k.layer_norm(flat, gamma, beta, self.eps)
        return y.reshape(x.shape), (flat, gamma, mean, inv_std)

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        dx, dgamma, dbeta = k.layer_norm_grad(rows(dy), *saved)
        return dx.reshape(dy.shape), dgamma, dbeta


@dataclass(frozen=True)
class GroupNorm(_Norm):
    """Normalise each image and group of C / groups channels over H, W and the group.

    Inputs: x (N, H, W, C); gamma, beta (C,).
    """

    recordable: ClassVar[bool] = True

    groups: int
    eps: float = 1e-5

    def forward(self, k: Kernels, x: Array, gamma: Array, beta: Array) -> tuple[Array, Saved]:
        y, mean, inv_std = k.group_norm(x, gamma, beta, self.groups, self.eps)
        return y, (x, gamma, mean, inv_std)

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        return tuple(k.group_norm_grad(dy, *saved, self.groups))
