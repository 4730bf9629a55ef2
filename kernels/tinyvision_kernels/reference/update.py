"""Optimiser updates over flat vectors, in place.

A whole model's parameters lie in one vector, so one call updates them all. ``scale`` multiplies the
gradient first (gradient clipping); weight decay then adds ``weight_decay * w`` to it. An
``average`` that is not None follows the weights at a distance.
"""

from typing import Any


def sgd_step(
    xp: Any,
    w: Any,
    velocity: Any,
    average: Any,
    g: Any,
    lr: float,
    momentum: float,
    nesterov: bool,
    weight_decay: float,
    scale: float,
    average_decay: float,
) -> None:
    """Stochastic gradient descent with momentum: a ball that rolls down and keeps its speed."""
    g = scale * g + weight_decay * w
    velocity *= momentum
    velocity += g
    # Nesterov: step as if the velocity had already been applied once more.
    w -= lr * (g + momentum * velocity) if nesterov else lr * velocity
    _follow(average, w, average_decay)


def adam_step(
    xp: Any,
    w: Any,
    m: Any,
    v: Any,
    average: Any,
    g: Any,
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
    """Adam (AdamW if ``decoupled``): steps measured in units of each gradient's usual size."""
    g = scale * g
    if decoupled:
        w *= 1 - lr * weight_decay
    else:
        g = g + weight_decay * w
    m += (1 - beta1) * (g - m)
    v += (1 - beta2) * (xp.square(g) - v)
    # m and v started at zero and are too small by these factors in the first steps.
    m_hat = m / (1 - beta1**step)
    v_hat = v / (1 - beta2**step)
    w -= lr * m_hat / (xp.sqrt(v_hat) + eps)
    _follow(average, w, average_decay)


def rmsprop_step(
    xp: Any,
    w: Any,
    square: Any,
    velocity: Any,
    average: Any,
    g: Any,
    lr: float,
    alpha: float,
    eps: float,
    momentum: float,
    weight_decay: float,
    scale: float,
    average_decay: float,
) -> None:
    """RMSprop: divide each gradient by the root of its running mean square."""
    g = scale * g + weight_decay * w
    square += (1 - alpha) * (xp.square(g) - square)
    velocity *= momentum
    velocity += g / (xp.sqrt(square) + eps)
    w -= lr * velocity
    _follow(average, w, average_decay)


def _follow(average: Any, w: Any, decay: float) -> None:
    """Let a running mean of the weights follow them: steps jitter about it, it hardly does.

    Source: Polyak and Juditsky 1992; with weights that fade, e.g. Szegedy et al. 2016, section 8.
    """
    if average is not None:
        average += (1 - decay) * (w - average)


def sum_of_squares(xp: Any, total: Any, g: Any) -> None:
    """total[0] = sum of g^2, in float64: the norm that gradient clipping needs."""
    total[...] = xp.sum(xp.square(g.astype(xp.float64)))
