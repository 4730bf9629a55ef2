"""Activations: formulas in ``kernels/tinyvision_kernels/contract/activation.py``.

Each keeps for backward what its derivative is easiest to write in: its input x or its output y.
"""

from dataclasses import dataclass
from typing import ClassVar

from ..backend import Array, Kernels
from .dense import rows
from .op import Grads, Op, Saved


@dataclass(frozen=True)
class ReLU(Op):
    """y = max(x, 0)."""

    recordable: ClassVar[bool] = True

    def forward(self, k: Kernels, x: Array) -> tuple[Array, Saved]:
        y = k.relu(x)
        return y, y

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        return (k.relu_dx(dy, saved),)


@dataclass(frozen=True)
class LeakyReLU(Op):
    """y = x where x > 0, else slope * x."""

    recordable: ClassVar[bool] = True

    slope: float = 0.01

    def forward(self, k: Kernels, x: Array) -> tuple[Array, Saved]:
        return k.leaky_relu(x, self.slope), x

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        return (k.leaky_relu_dx(dy, saved, self.slope),)


@dataclass(frozen=True)
class GELU(Op):
    """y = x * Phi(x), Phi by its tanh approximation."""

    recordable: ClassVar[bool] = True

    def forward(self, k: Kernels, x: Array) -> tuple[Array, Saved]:
        return k.gelu(x), x

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        return (k.gelu_dx(dy, saved),)


@dataclass(frozen=True)
class SiLU(Op):
    """y = x * sigmoid(x)."""

    recordable: ClassVar[bool] = True

    def forward(self, k: Kernels, x: Array) -> tuple[Array, Saved]:
        return k.silu(x), x

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        return (k.silu_dx(dy, saved),)


@dataclass(frozen=True)
class Sigmoid(Op):
    """y = 1 / (1 + exp(-x))."""

    recordable: ClassVar[bool] = True

    def forward(self, k: Kernels, x: Array) -> tuple[Array, Saved]:
        y = k.sigmoid(x)
        return y, y

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        return (k.sigmoid_dx(dy, saved),)


@dataclass(frozen=True)
class Tanh(Op):
    """y = tanh(x)."""

    recordable: ClassVar[bool] = True

    def forward(self, k: Kernels, x: Array) -> tuple[Array, Saved]:
        y = k.tanh(x)
        return y, y

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        return (k.tanh_dx(dy, saved),)


@dataclass(frozen=True)
class Softmax(Op):
    """y = exp(x) / sum exp(x) over the last axis: positive numbers that sum to 1."""

    recordable: ClassVar[bool] = True

    def forward(self, k: Kernels, x: Array) -> tuple[Array, Saved]:
        y = k.softmax(rows(x))  # (..., K) -> (M, K)
        return y.reshape(x.shape), y

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        return (k.softmax_dx(rows(dy), saved).reshape(dy.shape),)


@dataclass(frozen=True)
class LogSoftmax(Op):
    """y = x - log sum exp(x) over the last axis."""

    recordable: ClassVar[bool] = True

    def forward(self, k: Kernels, x: Array) -> tuple[Array, Saved]:
        y = k.log_softmax(rows(x))  # (..., K) -> (M, K)
        return y.reshape(x.shape), y

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        return (k.log_softmax_dx(rows(dy), saved).reshape(dy.shape),)
