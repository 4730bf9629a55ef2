"""Contracts of the losses: one value a row (or element); the caller takes the mean."""

from .registry import OptionalShape, Shape, kernel, need, rank, same


def _classified(name: str, scores: Shape, labels: Shape, weights: OptionalShape) -> None:
    rank(name, scores, "MK")
    need(labels == scores[:1], f"labels must be ({scores[0]},), they are {labels}")
    need(weights is None or weights == scores[1:], f"weights must be {scores[1:]}, not {weights}")


@kernel("losses", "probs", dtypes={"labels": "int64"})
def softmax_cross_entropy(
    logits: Shape, labels: Shape, weights: OptionalShape, smoothing: float
) -> tuple[Shape, ...]:
    """losses[m] = -sum_k v[k] * q[m,k] * log probs[m,k], probs = softmax(logits).

    q = (1 - smoothing) * onehot(label) + smoothing / K; v = class weights (K,), 1 without; labels
    (M,) int64 in 0 .. K-1. A class with q = 0 adds nothing, even where its logit is -inf. Source of
    label smoothing: Szegedy et al. 2016.
    """
    _classified("logits", logits, labels, weights)
    return (labels, logits)


@kernel("dlogits", dtypes={"labels": "int64"})
def softmax_cross_entropy_dx(
    dlosses: Shape, probs: Shape, labels: Shape, weights: OptionalShape, smoothing: float
) -> tuple[Shape, ...]:
    """dlogits[m,k] = dlosses[m] * (probs[m,k] * sum_j v[j] q[m,j] - v[k] * q[m,k])."""
    _classified("probs", probs, labels, weights)
    need(dlosses == labels, f"dlosses must be {labels}, they are {dlosses}")
    return (probs,)


@kernel("losses")
def bce_with_logits(logits: Shape, targets: Shape) -> tuple[Shape, ...]:
    """losses = max(x, 0) - x * t + log(1 + exp(-|x|)) for each element, targets t in [0, 1].

    It is -t log p - (1 - t) log(1 - p) with p = sigmoid(x), written so that exp never overflows.
    """
    return same(logits, targets)


@kernel("dlogits")
def bce_with_logits_dx(dlosses: Shape, logits: Shape, targets: Shape) -> tuple[Shape, ...]:
    """dlogits = dlosses * (sigmoid(x) - t)."""
    same(logits, targets)
    return same(dlosses, logits)
