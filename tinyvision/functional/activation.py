"""Activations: functions of each element, and softmax over the last axis."""

from typing import Any

from ..ops import activation
from ..tensor import Tensor
from .operands import run


def relu(x: Any) -> Tensor:
    """Return max(x, 0), element by element."""
    return run(activation.ReLU(), x)


def leaky_relu(x: Any, slope: float = 0.01) -> Tensor:
    """Return x where x > 0, else slope * x."""
    return run(activation.LeakyReLU(slope), x)


def gelu(x: Any) -> Tensor:
    """Return x times the normal distribution function of x, by its tanh approximation."""
    return run(activation.GELU(), x)


def silu(x: Any) -> Tensor:
    """Return x * sigmoid(x)."""
    return run(activation.SiLU(), x)


def sigmoid(x: Any) -> Tensor:
    """Return 1 / (1 + exp(-x))."""
    return run(activation.Sigmoid(), x)


def tanh(x: Any) -> Tensor:
    """Return the hyperbolic tangent."""
    return run(activation.Tanh(), x)


def softmax(x: Any) -> Tensor:
    """Return exp(x) / sum of exp(x), over the last axis."""
    return run(activation.Softmax(), x)


def log_softmax(x: Any) -> Tensor:
    """Return the logarithm of softmax over the last axis, exact where softmax itself would be 0."""
    return run(activation.LogSoftmax(), x)
