"""Optimiser updates: one pass over the flat parameters, in place."""

import math
from collections.abc import Callable

import numpy as np

from .chunks import Arrays, Kernel, Settings, chunk_length, chunked
from .jit import Array, body_jit
from .scratch import borrow
from .sums import add_chunks

# ----------------------------------------------------------------------------
# The running average of the weights, if there is one
# ----------------------------------------------------------------------------

BLOCK = 2048  # numbers of each vector that are averaged right after their update: all in L1


def _updater(update: Kernel) -> Callable[[Arrays, Array | None, Settings, float], None]:
    """Make ``run(arrays, average, settings, decay)`` of a loop over arrays, w the first.

    In a single loop over all the vectors Numba would have to prove too many of them apart to
    vectorise it. So the average follows in one of its own, block by block, while w is still near.
    """

    @body_jit
    def update_and_average(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
        average, w, share = arrays[0], arrays[1], settings[0]
        for first in range(start, stop, BLOCK):
            last = min(first + BLOCK, stop)
            update(arrays[1:], settings[1:], first, last)
            for i in range(np.uintp(first), np.uintp(last)):
                average[i] += share * (w[i] - average[i])

    alone, both = chunked(update), chunked(update_and_average)

    def run(arrays: Arrays, average: Array | None, settings: Settings, decay: float) -> None:
        size, of_type = arrays[0].size, arrays[0].dtype.type
        kernel = alone
        if average is not None:
            kernel, arrays, settings = both, (average, *arrays), (1 - decay, *settings)
        kernel(arrays, tuple(map(of_type, settings)), size, chunk_length(size))

    return run


# ----------------------------------------------------------------------------
# Stochastic gradient descent
# ----------------------------------------------------------------------------


@body_jit
def _sgd(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    w, velocity, g = arrays
    momentum, weight_decay, scale, along_slope, along_velocity = settings
    for i in range(np.uintp(start), np.uintp(stop)):
        slope = scale * g[i] + weight_decay * w[i]
        v = momentum * velocity[i] + slope
        velocity[i] = v
        w[i] -= along_slope * slope + along_velocity * v


_sgd_step = _updater(_sgd)


def sgd_step(
    w: Array,
    velocity: Array,
    average: Array | None,
    g: Array,
    lr: float,
    momentum: float,
    nesterov: bool,
    weight_decay: float,
    scale: float,
    average_decay: float,
) -> None:
    """Gradient descent with momentum, plain or Nesterov's."""
    step = (lr, lr * momentum) if nesterov else (0.0, lr)
    settings = (momentum, weight_decay, scale, *step)
    _sgd_step((w, velocity, g), average, settings, average_decay)


# ----------------------------------------------------------------------------
# Adam and AdamW
# ----------------------------------------------------------------------------


@body_jit
def _adam(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    w, m, v, g = arrays
    lr, beta1, rest1, beta2, rest2, root_correction, eps, decay, shrink, scale = settings
    for i in range(np.uintp(start), np.uintp(stop)):
        slope = scale * g[i] + decay * w[i]
        m[i] = beta1 * m[i] + rest1 * slope
        v[i] = beta2 * v[i] + rest2 * slope * slope
        w[i] = shrink * w[i] - lr * m[i] / (root_correction * np.sqrt(v[i]) + eps)


_adam_step = _updater(_adam)


def adam_step(
    w: Array,
    m: Array,
    v: Array,
    average: Array | None,
    g: Array,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    step: int,
    scale: float,
    average_decay: float,
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
    _adam_step((w, m, v, g), average, settings, average_decay)


# ----------------------------------------------------------------------------
# RMSprop
# ----------------------------------------------------------------------------


@body_jit
def _rmsprop(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    w, square, velocity, g = arrays
    lr, alpha, rest, eps, momentum, weight_decay, scale = settings
    for i in range(np.uintp(start), np.uintp(stop)):
        slope = scale * g[i] + weight_decay * w[i]
        square[i] = alpha * square[i] + rest * slope * slope
        velocity[i] = momentum * velocity[i] + slope / (np.sqrt(square[i]) + eps)
        w[i] -= lr * velocity[i]


_rmsprop_step = _updater(_rmsprop)


def rmsprop_step(
    w: Array,
    square: Array,
    velocity: Array,
    average: Array | None,
    g: Array,
    lr: float,
    alpha: float,
    eps: float,
    momentum: float,
    weight_decay: float,
    scale: float,
    average_decay: float,
) -> None:
    """RMSprop with momentum."""
    settings = (lr, alpha, 1 - alpha, eps, momentum, weight_decay, scale)
    _rmsprop_step((w, square, velocity, g), average, settings, average_decay)


# ----------------------------------------------------------------------------
# The gradient's norm, for clipping
# ----------------------------------------------------------------------------


@body_jit
def _squares(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    sums, g = arrays
    total = 0.0
    for i in range(np.uintp(start), np.uintp(stop)):
        total += np.float64(g[i]) * np.float64(g[i])
    sums[start // settings[0]] = total


_sum_of_squares = chunked(_squares)


def sum_of_squares(total: Array, g: Array) -> None:
    """Write the sum of g^2, in float64."""
    length = chunk_length(g.size)
    sums = borrow("sums of chunks", -(-g.size // length), np.float64)
    _sum_of_squares((sums, g.reshape(-1)), (length,), g.size, length)
    add_chunks(total[None], sums.reshape(1, -1, 1))
