"""Optimiser updates: one pass over the flat parameters, in place."""

import math

import numpy as np
from numba import prange

from .chunks import Arrays, Settings, chunk_length, chunked
from .jit import Array, inline_jit, kernel_jit

# ----------------------------------------------------------------------------
# Stochastic gradient descent
# ----------------------------------------------------------------------------


@inline_jit
def _sgd(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    w, velocity, g = arrays[0][start:stop], arrays[1][start:stop], arrays[2][start:stop]
    momentum, weight_decay, scale, along_slope, along_velocity = settings
    for i in range(w.size):
        slope = scale * g[i] + weight_decay * w[i]
        v = momentum * velocity[i] + slope
        velocity[i] = v
        w[i] -= along_slope * slope + along_velocity * v


_sgd_step = chunked(_sgd)


def sgd_step(
    w: Array,
    velocity: Array,
    g: Array,
    lr: float,
    momentum: float,
    nesterov: bool,
    weight_decay: float,
    scale: float,
) -> None:
    """Gradient descent with momentum, plain or Nesterov's."""
    step = (lr, lr * momentum) if nesterov else (0.0, lr)
    settings = tuple(map(w.dtype.type, (momentum, weight_decay, scale, *step)))
    _sgd_step((w, velocity, g), settings, w.size, chunk_length(w.size))


# ----------------------------------------------------------------------------
# Adam and AdamW
# ----------------------------------------------------------------------------


@inline_jit
def _adam(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    w, m = arrays[0][start:stop], arrays[1][start:stop]
    v, g = arrays[2][start:stop], arrays[3][start:stop]
    lr, beta1, rest1, beta2, rest2, root_correction, eps, decay, shrink, scale = settings
    for i in range(w.size):
        slope = scale * g[i] + decay * w[i]
        m[i] = beta1 * m[i] + rest1 * slope
        v[i] = beta2 * v[i] + rest2 * slope * slope
        w[i] = shrink * w[i] - lr * m[i] / (root_correction * np.sqrt(v[i]) + eps)


_adam_step = chunked(_adam)


def adam_step(
    w: Array,
    m: Array,
    v: Array,
    g: Array,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    step: int,
    scale: float,
) -> None:
    """Adam, or AdamW if decoupled."""
    # What does not depend on the element is computed once, in Python's double precision: 1 - 0.999
    # in float32 would be off by 2e-5 of itself.
    settings = (
        lr / (1 - beta1**step),
        beta1,
        1 - beta1,
        beta2,
        1 - beta2,
        1 / math.sqrt(1 - beta2**step),
        eps,
        0.0 if decoupled else weight_decay,
        1 - lr * weight_decay if decoupled else 1.0,
        scale,
    )
    _adam_step((w, m, v, g), tuple(map(w.dtype.type, settings)), w.size, chunk_length(w.size))


# ----------------------------------------------------------------------------
# RMSprop
# ----------------------------------------------------------------------------


@inline_jit
def _rmsprop(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    w, square = arrays[0][start:stop], arrays[1][start:stop]
    velocity, g = arrays[2][start:stop], arrays[3][start:stop]
    lr, alpha, rest, eps, momentum, weight_decay, scale = settings
    for i in range(w.size):
        slope = scale * g[i] + weight_decay * w[i]
        square[i] = alpha * square[i] + rest * slope * slope
        velocity[i] = momentum * velocity[i] + slope / (np.sqrt(square[i]) + eps)
        w[i] -= lr * velocity[i]


_rmsprop_step = chunked(_rmsprop)


def rmsprop_step(
    w: Array,
    square: Array,
    velocity: Array,
    g: Array,
    lr: float,
    alpha: float,
    eps: float,
    momentum: float,
    weight_decay: float,
    scale: float,
) -> None:
    """RMSprop with momentum."""
    settings = tuple(map(w.dtype.type, (lr, alpha, 1 - alpha, eps, momentum, weight_decay, scale)))
    _rmsprop_step((w, square, velocity, g), settings, w.size, chunk_length(w.size))


# ----------------------------------------------------------------------------
# The gradient's norm, for clipping
# ----------------------------------------------------------------------------


@inline_jit
def _sum_of_squares_of(g: Array) -> float:
    total = 0.0
    for i in range(g.size):
        total += np.float64(g[i]) * np.float64(g[i])
    return total


@kernel_jit
def _sum_of_squares(total: Array, g: Array, length: int) -> None:
    chunks = (g.size + length - 1) // length
    sums = np.empty(chunks)
    for chunk in prange(chunks):
        sums[chunk] = _sum_of_squares_of(g[chunk * length : (chunk + 1) * length])
    total[0] = 0.0
    for chunk in range(chunks):  # in this order, whichever thread was first
        total[0] += sums[chunk]


def sum_of_squares(total: Array, g: Array) -> None:
    """Write the sum of g^2, in float64."""
    _sum_of_squares(total, g.reshape(-1), chunk_length(g.size))
