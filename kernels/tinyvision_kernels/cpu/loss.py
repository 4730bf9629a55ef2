"""Losses: one value a row, or an element."""

import math
from functools import lru_cache
from typing import Any

import numpy as np

from .activation import largest_of_row
from .chunks import Arrays, Settings, chunk_rows, chunked, elementwise
from .exponential import constant, exp
from .exponential import sigmoid as _sigmoid
from .jit import Array, body_jit, formula_jit

# ----------------------------------------------------------------------------
# Softmax and cross-entropy in one. A row's target is q[k] = off, and on + off at its label.
# ----------------------------------------------------------------------------


_BLOCK = 2048  # numbers: their logits and probabilities fit the first cache


def _target(smoothing: float, K: int) -> Settings:
    return 1.0 - smoothing, smoothing / K


@lru_cache(maxsize=16)
def _ones(K: int, dtype: Any) -> Array:
    # Ones stand for "no weights": None would be a type of its own and compile everything again.
    return np.ones(K, dtype)


@formula_jit
def _row_loss(
    largest: Any, log_total: Any, x: Array, row: Any, label: Any, weights: Array, on: Any, off: Any
) -> Any:
    # A class that is not wanted costs nothing, even at a logit of -inf: not 0 * inf = NaN.
    loss = constant(0, on)
    if on != 0:
        loss = on * weights[label] * (largest - x[row + label] + log_total)
    if off != 0:
        for k in range(np.uintp(weights.size)):
            loss += off * weights[k] * (largest - x[row + k] + log_total)
    return loss


@body_jit
def _cross_entropy_rows(arrays: Arrays, target: Settings, start: int, stop: int) -> None:
    losses, probs, logits, labels, weights = arrays  # all flat
    on, off = constant(target[0], logits[0]), constant(target[1], logits[0])
    K, last = np.uintp(weights.size), np.uintp(stop)
    # A row of ten classes fills no vector register, so exp runs over many such rows at once.
    step = np.uintp(_BLOCK // weights.size + 1)
    for first in range(np.uintp(start), last, step):
        end = min(first + step, last)
        for m in range(first, end):
            largest = largest_of_row(logits, m * K, K)
            losses[m] = largest  # for a moment
            for k in range(m * K, m * K + K):
                probs[k] = logits[k] - largest
        for k in range(first * K, end * K):
            probs[k] = exp(probs[k])
        for m in range(first, end):
            total = constant(0, on)
            for k in range(m * K, m * K + K):
                total += probs[k]
            for k in range(m * K, m * K + K):
                probs[k] /= total
            label, log_total = np.uintp(labels[m]), math.log(total)
            losses[m] = _row_loss(losses[m], log_total, logits, m * K, label, weights, on, off)


@body_jit
def _cross_entropy_dx_rows(arrays: Arrays, target: Settings, start: int, stop: int) -> None:
    dlogits, dlosses, probs, labels, weights = arrays  # all flat
    on, off = constant(target[0], probs[0]), constant(target[1], probs[0])
    K = np.uintp(weights.size)
    everywhere = constant(0, off)
    for k in range(K):
        everywhere += off * weights[k]
    for m in range(np.uintp(start), np.uintp(stop)):
        row, dloss, label = m * K, dlosses[m], np.uintp(labels[m])
        total = everywhere + on * weights[label]
        for k in range(K):
            dlogits[row + k] = dloss * (probs[row + k] * total - off * weights[k])
        dlogits[row + label] -= dloss * on * weights[label]


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
    M, K = logits.shape
    weights = _ones(K, logits.dtype) if weights is None else weights
    arrays = losses, probs.reshape(-1), logits.reshape(-1), labels, weights
    _cross_entropy(arrays, _target(smoothing, K), M, chunk_rows(M, K))


def softmax_cross_entropy_dx(
    dlogits: Array,
    dlosses: Array,
    probs: Array,
    labels: Array,
    weights: Array | None,
    smoothing: float,
) -> None:
    """dlogits = dloss * (probs * sum(weights * q) - weights * q), row by row."""
    M, K = probs.shape
    weights = _ones(K, probs.dtype) if weights is None else weights
    arrays = dlogits.reshape(-1), dlosses, probs.reshape(-1), labels, weights
    _cross_entropy_dx(arrays, _target(smoothing, K), M, chunk_rows(M, K))


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
