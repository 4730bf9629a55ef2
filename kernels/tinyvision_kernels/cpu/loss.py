"""Losses: one value a row, or an element."""

import math
from typing import Any

import numpy as np

from .activation import softmax_row
from .chunks import Arrays, Settings, chunk_rows, chunked, elementwise
from .exponential import constant, exp
from .exponential import sigmoid as _sigmoid
from .jit import Array, body_jit, formula_jit

# ----------------------------------------------------------------------------
# Softmax and cross-entropy in one. A row's target is q[k] = off, and on + off at its label.
# ----------------------------------------------------------------------------


def _target(smoothing: float, logits: Array) -> Settings:
    number = logits.dtype.type
    return number(1 - smoothing), number(smoothing / logits.shape[1])


def _weights(weights: Array | None, logits: Array) -> Array:
    # Ones stand for "no weights": None would be a type of its own and compile everything again.
    return np.ones(logits.shape[1], logits.dtype) if weights is None else weights


@body_jit
def _cross_entropy_rows(arrays: Arrays, target: Settings, start: int, stop: int) -> None:
    losses, probs, logits, labels, weights = arrays
    on, off = target
    for m in range(start, stop):
        x, label = logits[m], labels[m]
        largest, log_total = softmax_row(probs[m], x)
        # A class that is not wanted costs nothing, even at a logit of -inf: not 0 * inf = NaN.
        loss = constant(0, on)
        if on != 0:
            loss = on * weights[label] * (largest - x[label] + log_total)
        if off != 0:
            for k in range(x.size):
                loss += off * weights[k] * (largest - x[k] + log_total)
        losses[m] = loss


@body_jit
def _cross_entropy_dx_rows(arrays: Arrays, target: Settings, start: int, stop: int) -> None:
    dlogits, dlosses, probs, labels, weights = arrays
    on, off = target
    everywhere = constant(0, off)
    for k in range(weights.size):
        everywhere += off * weights[k]
    for m in range(start, stop):
        dx, p, dloss, label = dlogits[m], probs[m], dlosses[m], labels[m]
        total = everywhere + on * weights[label]
        for k in range(p.size):
            dx[k] = dloss * (p[k] * total - off * weights[k])
        dx[label] -= dloss * on * weights[label]


_cross_entropy = chunked(_cross_entropy_rows)
_cross_entropy_dx = chunked(_cross_entropy_dx_rows)


def softmax_cross_entropy(
    losses: Array,
    probs: Array,
    logits: Array,
    labels: Array,
    weights: Array | None,
    smoothing: float,
) -> None:
    """Write each row's loss, and its softmax for the backward pass."""
    arrays = (losses, probs, logits, labels, _weights(weights, logits))
    _cross_entropy(arrays, _target(smoothing, logits), len(logits), chunk_rows(*logits.shape))


def softmax_cross_entropy_dx(
    dlogits: Array,
    dlosses: Array,
    probs: Array,
    labels: Array,
    weights: Array | None,
    smoothing: float,
) -> None:
    """dlogits = dloss * (probs * sum(weights * q) - weights * q), row by row."""
    arrays = (dlogits, dlosses, probs, labels, _weights(weights, probs))
    _cross_entropy_dx(arrays, _target(smoothing, probs), len(probs), chunk_rows(*probs.shape))


# ----------------------------------------------------------------------------
# Binary cross-entropy
# ----------------------------------------------------------------------------


@formula_jit
def _bce(x: Any, t: Any) -> Any:
    positive = constant(0, x) if x <= 0 else x
    return positive - x * t + math.log1p(exp(-abs(x)))


@formula_jit
def _bce_dx(dloss: Any, x: Any, t: Any) -> Any:
    return dloss * (_sigmoid(x) - t)


bce_with_logits = elementwise(_bce, inputs=2)
bce_with_logits_dx = elementwise(_bce_dx, inputs=3)
