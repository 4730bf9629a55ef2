"""Activations: a formula for each element, and softmax row by row.

The formulas compare with 0 instead of calling max: a comparison with NaN is false, and is arranged
so that NaN goes through.
"""

import math
from typing import Any

from .chunks import Arrays, Settings, chunk_rows, chunked, elementwise
from .exponential import constant, exp
from .exponential import sigmoid as _sigmoid
from .exponential import tanh as _tanh
from .jit import Array, body_jit, formula_jit, inline_jit

# ----------------------------------------------------------------------------
# ReLU and its leaky form
# ----------------------------------------------------------------------------


@formula_jit
def _relu(x: Any) -> Any:
    return constant(0, x) if x <= 0 else x


@formula_jit
def _relu_dx(dy: Any, y: Any) -> Any:
    return dy if y > 0 else constant(0, dy)


@formula_jit
def _leaky_relu(x: Any, slope: Any) -> Any:
    return x if x > 0 else x * slope


@formula_jit
def _leaky_relu_dx(dy: Any, x: Any, slope: Any) -> Any:
    return dy if x > 0 else dy * slope


relu = elementwise(_relu, inputs=1)
relu_dx = elementwise(_relu_dx, inputs=2)
leaky_relu = elementwise(_leaky_relu, inputs=1)
leaky_relu_dx = elementwise(_leaky_relu_dx, inputs=2)

# ----------------------------------------------------------------------------
# Smooth activations
# ----------------------------------------------------------------------------

_GELU_SCALE = 0.7978845608028654  # sqrt(2 / pi)
_GELU_CUBIC = 0.044715


@formula_jit
def _gelu(x: Any) -> Any:
    one, half, scale = constant(1, x), constant(0.5, x), constant(_GELU_SCALE, x)
    return half * x * (one + _tanh(scale * (x + constant(_GELU_CUBIC, x) * x * x * x)))


@formula_jit
def _gelu_dx(dy: Any, x: Any) -> Any:
    one, half, scale = constant(1, x), constant(0.5, x), constant(_GELU_SCALE, x)
    t = _tanh(scale * (x + constant(_GELU_CUBIC, x) * x * x * x))
    inner = scale * (one + constant(3 * _GELU_CUBIC, x) * x * x)  # derivative of tanh's argument
    return dy * (half * (one + t) + half * x * (one - t * t) * inner)


@formula_jit
def _silu(x: Any) -> Any:
    return x * _sigmoid(x)


@formula_jit
def _silu_dx(dy: Any, x: Any) -> Any:
    one, s = constant(1, x), _sigmoid(x)
    return dy * s * (one + x * (one - s))


@formula_jit
def _sigmoid_dx(dy: Any, y: Any) -> Any:
    return dy * y * (constant(1, y) - y)


@formula_jit
def _tanh_dx(dy: Any, y: Any) -> Any:
    return dy * (constant(1, y) - y * y)


gelu = elementwise(_gelu, inputs=1)
gelu_dx = elementwise(_gelu_dx, inputs=2)
silu = elementwise(_silu, inputs=1)
silu_dx = elementwise(_silu_dx, inputs=2)
sigmoid = elementwise(_sigmoid, inputs=1)
sigmoid_dx = elementwise(_sigmoid_dx, inputs=2)
tanh = elementwise(_tanh, inputs=1)
tanh_dx = elementwise(_tanh_dx, inputs=2)

# ----------------------------------------------------------------------------
# Softmax, rows of (M, K)
# ----------------------------------------------------------------------------


@inline_jit
def softmax_row(y: Array, x: Array) -> Any:
    """Fill ``y`` (K,) with the softmax of ``x`` (K,); return max(x) and log(sum of e^(x - max)).

    The largest x is taken off first: it cancels in the quotient, and e^x cannot overflow. The two
    results stay apart, as their sum would round away the digits of a small loss among large x.
    """
    largest = x[0]
    for k in range(1, x.size):
        largest = x[k] if x[k] > largest else largest
    for k in range(x.size):  # alone in its loop, exp vectorises
        y[k] = exp(x[k] - largest)
    total = constant(0, largest)
    for k in range(x.size):
        total += y[k]
    for k in range(x.size):
        y[k] /= total
    return largest, math.log(total)


@body_jit
def _softmax_rows(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    y, x = arrays
    for m in range(start, stop):
        softmax_row(y[m], x[m])


@body_jit
def _softmax_dx_rows(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    for m in range(start, stop):
        dx, dy, y = arrays[0][m], arrays[1][m], arrays[2][m]
        dot = constant(0, y[0])
        for k in range(y.size):
            dot += dy[k] * y[k]
        for k in range(y.size):
            dx[k] = y[k] * (dy[k] - dot)


@body_jit
def _log_softmax_rows(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    for m in range(start, stop):
        y, x = arrays[0][m], arrays[1][m]
        largest, log_total = softmax_row(y, x)  # y holds the probabilities for a moment
        for k in range(x.size):
            y[k] = x[k] - largest - log_total


@body_jit
def _log_softmax_dx_rows(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    for m in range(start, stop):
        dx, dy, y = arrays[0][m], arrays[1][m], arrays[2][m]
        total = constant(0, y[0])
        for k in range(y.size):
            total += dy[k]
        for k in range(y.size):
            dx[k] = dy[k] - exp(y[k]) * total


_softmax = chunked(_softmax_rows)
_softmax_dx = chunked(_softmax_dx_rows)
_log_softmax = chunked(_log_softmax_rows)
_log_softmax_dx = chunked(_log_softmax_dx_rows)


def softmax(y: Array, x: Array) -> None:
    """Turn each row of x (M, K) into probabilities."""
    _softmax((y, x), (), len(x), chunk_rows(*x.shape))


def softmax_dx(dx: Array, dy: Array, y: Array) -> None:
    """dx = y * (dy - sum(dy * y)), row by row."""
    _softmax_dx((dx, dy, y), (), len(y), chunk_rows(*y.shape))


def log_softmax(y: Array, x: Array) -> None:
    """Turn each row of x (M, K) into the logarithms of probabilities."""
    _log_softmax((y, x), (), len(x), chunk_rows(*x.shape))


def log_softmax_dx(dx: Array, dy: Array, y: Array) -> None:
    """dx = dy - e^y * sum(dy), row by row."""
    _log_softmax_dx((dx, dy, y), (), len(y), chunk_rows(*y.shape))
