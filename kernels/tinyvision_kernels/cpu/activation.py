"""Activations: a formula for each element, and softmax row by row.

The formulas compare with 0 instead of calling max: a comparison with NaN is false, and is arranged
so that NaN goes through.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .chunks import Arrays, Kernel, Settings, chunk_rows, chunked, elementwise
from .exponential import constant, exp
from .exponential import sigmoid as _sigmoid
from .exponential import tanh as _tanh
from .jit import Array, body_jit, formula_jit
from .order import number_at_place, place_in_order

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


@formula_jit
def largest_of_row(x: Array, row: Any, K: Any) -> Any:
    """Return the largest of the K numbers from x[row]."""
    place = place_in_order(x[row])
    for k in range(row, row + K):
        place = max(place, place_in_order(x[k]))
    return number_at_place(place)


@formula_jit
def softmax_row(y: Array, x: Array, row: Any, K: Any) -> Any:
    """Fill a row of y with the softmax of that row of x; return max(x) and log(sum of e^(x - max)).

    ``y`` and ``x`` are flat, ``row`` is where the row of K numbers starts. The largest x is taken
    off first: it cancels in the quotient, and e^x cannot overflow. The two results stay apart, as
    their sum would round away the digits of a small loss among large x.
    """
    largest = largest_of_row(x, row, K)
    for k in range(row, row + K):
        y[k] = exp(x[k] - largest)
    # A loop of its own: were x read and y written in it, LLVM would add up in another order where
    # the two lie close together, and where arrays lie is chance.
    total = constant(0, largest)
    for k in range(row, row + K):
        total += y[k]
    for k in range(row, row + K):
        y[k] /= total
    return largest, math.log(total)


@body_jit
def _softmax_rows(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    y, x = arrays
    K = np.uintp(settings[0])
    for m in range(np.uintp(start), np.uintp(stop)):
        softmax_row(y, x, m * K, K)


@body_jit
def _softmax_dx_rows(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    dx, dy, y = arrays
    K = np.uintp(settings[0])
    for m in range(np.uintp(start), np.uintp(stop)):
        dot = constant(0, y[0])
        for k in range(m * K, m * K + K):
            dot += dy[k] * y[k]
        for k in range(m * K, m * K + K):
            dx[k] = y[k] * (dy[k] - dot)


@body_jit
def _log_softmax_rows(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    y, x = arrays
    K = np.uintp(settings[0])
    for m in range(np.uintp(start), np.uintp(stop)):
        # y holds the probabilities for a moment
        largest, log_total = softmax_row(y, x, m * K, K)
        for k in range(m * K, m * K + K):
            y[k] = x[k] - largest - log_total


@body_jit
def _log_softmax_dx_rows(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    dx, dy, y = arrays
    K = np.uintp(settings[0])
    for m in range(np.uintp(start), np.uintp(stop)):
        total = constant(0, y[0])
        for k in range(m * K, m * K + K):
            total += dy[k]
        for k in range(m * K, m * K + K):
            dx[k] = dy[k] - exp(y[k]) * total


def _by_rows(body: Kernel) -> Callable[..., None]:
    """Make a kernel of arrays that are all (M, K), cut by rows."""
    run = chunked(body)

    def launch(*arrays: Array) -> None:
        M, K = arrays[0].shape
        run(tuple(a.reshape(-1) for a in arrays), (K,), M, chunk_rows(M, K))

    return launch


softmax = _by_rows(_softmax_rows)
softmax_dx = _by_rows(_softmax_dx_rows)
log_softmax = _by_rows(_log_softmax_rows)
log_softmax_dx = _by_rows(_log_softmax_dx_rows)
