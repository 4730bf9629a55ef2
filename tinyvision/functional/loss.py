"""Losses: how far logits are from the labels, as one number."""

from typing import Any

import numpy as np

from tinyvision_kernels.contract import ShapeError

from ..ops import loss
from ..tensor import Tensor, as_tensor
from .activation import log_softmax
from .operands import like, run


def cross_entropy(logits: Any, labels: Any, weights: Any = None, smoothing: float = 0.0) -> Tensor:
    """Return the mean of -log softmax(logits)[label].

    Parameters
    ----------
    logits : Tensor (..., K)
    labels : integers (...), or fractions (..., K)
        Class numbers in 0 .. K-1; or what share each class has in an image, such as of two images
        mixed. The losses at the classes then count by their shares.
    weights : (K,), optional
        One factor a class; the mean is then sum of weights[label] * loss / sum of weights[label].
    smoothing : float in [0, 1]
        Share of the wanted distribution that is spread evenly over all classes.

    Raises
    ------
    ValueError
        A label is no class number, or there is not one label for each row of logits.
    """
    logits = as_tensor(logits)
    if not 0 <= smoothing <= 1:
        raise ValueError(f"cross_entropy: smoothing must lie in [0, 1], got {smoothing}")
    if weights is not None:
        weights = like(weights, logits)
        if weights.requires_grad:
            raise ValueError("cross_entropy: weights get no gradient; pass weights.detach()")
    shares = labels if hasattr(labels, "dtype") else np.asarray(labels)
    if shares.dtype.kind == "f" and shares.shape == logits.shape:
        return _cross_entropy_of_shares(logits, like(shares, logits), weights, smoothing)
    op = loss.SoftmaxCrossEntropy(smoothing)
    return run(op, logits, as_labels(labels, logits), weights)


def cross_entropy_of_rows(logits: Any, labels: Any, weights: Any = None) -> Tensor:
    """Return -log softmax(logits)[label] of each row, times weights[label] where there are some.

    Logits (M, K), labels (M,) in 0 .. K-1, weights (K,) -> (M,).
    """
    logits = as_tensor(logits)
    weights = None if weights is None else like(weights, logits)
    return run(loss.SoftmaxCrossEntropyOfRows(), logits, as_labels(labels, logits), weights)


def _cross_entropy_of_shares(
    logits: Tensor, shares: Tensor, weights: Tensor | None, smoothing: float
) -> Tensor:
    """Return -sum of v q log softmax(logits) over sum of v shares, v = 1 without weights."""
    smoothed = shares * (1 - smoothing) + smoothing / logits.shape[-1]
    if weights is not None:
        if weights.shape != logits.shape[-1:]:
            raise ShapeError(f"weights must be {logits.shape[-1:]}, not {weights.shape}")
        shares, smoothed = shares * weights, smoothed * weights
    return -(smoothed * log_softmax(logits)).sum() / shares.sum()


def bce_with_logits(logits: Any, targets: Any) -> Tensor:
    """Return the mean of -t log p - (1 - t) log(1 - p), with p = sigmoid(logits), t in [0, 1].

    Logits and targets have one shape; targets may be booleans or integers too.
    """
    logits = as_tensor(logits)
    return run(loss.BCEWithLogits(), logits, like(targets, logits))


def as_labels(labels: Any, logits: Tensor) -> Tensor:
    """Return class numbers as an int64 tensor, checked to lie in 0 .. K-1 of logits (..., K)."""
    host = labels.numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    if host.dtype.kind not in "iu":
        raise TypeError(
            f"labels must be integers, they are {host.dtype}; turn one-hot rows into class numbers "
            "with .argmax(axis=-1)"
        )
    if host.shape != logits.shape[:-1]:
        raise ShapeError(
            f"logits {logits.shape} need labels {logits.shape[:-1]}, one class number each; they "
            f"are {host.shape}"
        )
    K = logits.shape[-1]
    wrong = (host < 0) | (host >= K)
    if wrong.any():
        raise ValueError(
            f"label {host[wrong][0]} is none of the K={K} classes that logits {logits.shape} have: "
            f"labels must lie in 0 .. {K - 1}"
        )
    if isinstance(labels, Tensor) and labels.dtype == np.int64:
        return labels
    return Tensor(host.astype(np.int64, copy=False))
