"""Activations, element by element, and softmax, row by row.

Nothing here can overflow on large inputs: exponents are kept at or below zero.
"""

import math
from typing import Any

# gelu(x) = x/2 * (1 + tanh(u)), u = GELU_SCALE * (x + GELU_CUBIC * x^3)
GELU_SCALE = math.sqrt(2 / math.pi)
GELU_CUBIC = 0.044715


def relu(xp: Any, y: Any, x: Any) -> None:
    """y = max(x, 0)."""
    y[...] = xp.maximum(x, 0)


def relu_dx(xp: Any, dx: Any, dy: Any, y: Any) -> None:
    """Let the gradient pass where the output is positive."""
    dx[...] = xp.where(y > 0, dy, 0)


def leaky_relu(xp: Any, y: Any, x: Any, slope: float) -> None:
    """y = x where x > 0, else slope * x."""
    y[...] = xp.where(x > 0, x, slope * x)


def leaky_relu_dx(xp: Any, dx: Any, dy: Any, x: Any, slope: float) -> None:
    """dx = dy where x > 0, else slope * dy."""
    dx[...] = xp.where(x > 0, dy, slope * dy)


def gelu(xp: Any, y: Any, x: Any) -> None:
    """y = x * (an approximation by tanh of the normal distribution function at x)."""
    u = GELU_SCALE * (x + GELU_CUBIC * x * x * x)
    y[...] = 0.5 * x * (1 + xp.tanh(u))


def gelu_dx(xp: Any, dx: Any, dy: Any, x: Any) -> None:
    """Differentiate the product x/2 * (1 + tanh(u(x))); tanh' = 1 - tanh^2."""
    t = xp.tanh(GELU_SCALE * (x + GELU_CUBIC * x * x * x))
    du = GELU_SCALE * (1 + 3 * GELU_CUBIC * x * x)
    dx[...] = dy * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * du)


def logistic(xp: Any, x: Any) -> Any:
    """Return 1 / (1 + exp(-x)) without overflow.

    For x < 0 numerator and denominator are multiplied by exp(x): exp(x) / (exp(x) + 1).
    """
    return xp.exp(xp.minimum(x, 0)) / (1 + xp.exp(-xp.abs(x)))


def sigmoid(xp: Any, y: Any, x: Any) -> None:
    """y = 1 / (1 + exp(-x))."""
    y[...] = logistic(xp, x)


def sigmoid_dx(xp: Any, dx: Any, dy: Any, y: Any) -> None:
    """dx = dy * y * (1 - y)."""
    dx[...] = dy * y * (1 - y)


def silu(xp: Any, y: Any, x: Any) -> None:
    """y = x * sigmoid(x)."""
    y[...] = x * logistic(xp, x)


def silu_dx(xp: Any, dx: Any, dy: Any, x: Any) -> None:
    """Differentiate the product x * s; s' = s * (1 - s)."""
    s = logistic(xp, x)
    dx[...] = dy * s * (1 + x * (1 - s))


def tanh(xp: Any, y: Any, x: Any) -> None:
    """y = tanh(x)."""
    y[...] = xp.tanh(x)


def tanh_dx(xp: Any, dx: Any, dy: Any, y: Any) -> None:
    """dx = dy * (1 - y^2)."""
    dx[...] = dy * (1 - y * y)


def row_softmax(xp: Any, x: Any) -> tuple[Any, Any]:
    """Return softmax and its logarithm of each row of x (M, K).

    Taking the largest entry off first changes neither, and keeps exp within its range. The
    logarithm is not taken of the softmax: that may have rounded to zero.
    """
    shifted = x - xp.max(x, axis=1, keepdims=True)
    powers = xp.exp(shifted)
    total = xp.sum(powers, axis=1, keepdims=True)  # (M, 1)
    return powers / total, shifted - xp.log(total)


def softmax(xp: Any, y: Any, x: Any) -> None:
    """y = exp(x) / (sum of exp(x) over the row)."""
    y[...] = row_softmax(xp, x)[0]


def softmax_dx(xp: Any, dx: Any, dy: Any, y: Any) -> None:
    """dx[k] = y[k] * (dy[k] - sum_j dy[j] * y[j]): raising one entry lowers all others."""
    dx[...] = y * (dy - xp.sum(dy * y, axis=1, keepdims=True))


def log_softmax(xp: Any, y: Any, x: Any) -> None:
    """y = x - log(sum of exp(x) over the row)."""
    y[...] = row_softmax(xp, x)[1]


def log_softmax_dx(xp: Any, dx: Any, dy: Any, y: Any) -> None:
    """dx[k] = dy[k] - softmax[k] * sum_j dy[j], with softmax = exp(y)."""
    dx[...] = dy - xp.exp(y) * xp.sum(dy, axis=1, keepdims=True)
