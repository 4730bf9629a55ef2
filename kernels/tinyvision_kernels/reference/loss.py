"""Losses: how wrong each prediction is. The caller takes the mean."""

from typing import Any

from .activation import logistic, row_softmax


def _weighted_targets(
    xp: Any, like: Any, labels: Any, weights: Any, smoothing: float
) -> tuple[Any, Any]:
    """Return the wanted distribution q and the weighted v * q, both (M, K).

    ``smoothing`` takes a little off the labelled class and hands it to all K evenly, so that the
    loss no longer asks for infinite logits.
    """
    K = like.shape[1]
    onehot = (labels[:, None] == xp.arange(K)).astype(like.dtype)  # (M, 1) == (K,) -> (M, K)
    q = onehot * (1 - smoothing) + smoothing / K
    return q, (q if weights is None else q * weights)


def softmax_cross_entropy(
    xp: Any,
    losses: Any,
    probs: Any,
    logits: Any,
    labels: Any,
    weights: Any,
    smoothing: float,
) -> None:
    """losses = -sum_k v[k] * q[k] * log probs[k], for each row."""
    probabilities, log_probs = row_softmax(xp, logits)
    probs[...] = probabilities
    q, vq = _weighted_targets(xp, logits, labels, weights, smoothing)
    # A class that is not wanted at all adds nothing, even where its log is -inf (0 * -inf is NaN).
    wanted_logs = xp.where(q > 0, log_probs, 0)
    losses[...] = -xp.sum(vq * wanted_logs, axis=1)


def softmax_cross_entropy_dx(
    xp: Any,
    dlogits: Any,
    dlosses: Any,
    probs: Any,
    labels: Any,
    weights: Any,
    smoothing: float,
) -> None:
    """dlogits = probs - q, times the upstream gradient, for v = 1: prediction minus wish."""
    _, vq = _weighted_targets(xp, probs, labels, weights, smoothing)
    total = xp.sum(vq, axis=1, keepdims=True)  # (M, 1): 1 without class weights
    dlogits[...] = dlosses[:, None] * (probs * total - vq)


def bce_with_logits(xp: Any, losses: Any, logits: Any, targets: Any) -> None:
    """Binary cross-entropy of sigmoid(logits), without ever forming the sigmoid."""
    log_term = xp.log1p(xp.exp(-xp.abs(logits)))
    losses[...] = xp.maximum(logits, 0) - logits * targets + log_term


def bce_with_logits_dx(xp: Any, dlogits: Any, dlosses: Any, logits: Any, targets: Any) -> None:
    """dlogits = (prediction - target), times the upstream gradient."""
    dlogits[...] = dlosses * (logistic(xp, logits) - targets)
