"""Losses: the mean over a batch, one number, whose gradient starts the walk back."""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from tinyvision_kernels.contract import Shape, ShapeError

from ..backend import Array, Kernels
from .dense import rows
from .op import Grads, Op, Saved


@dataclass(frozen=True)
class SoftmaxCrossEntropy(Op):
    """y = mean of -log softmax(logits)[label]: one op, because together they are simple and exact.

    Inputs: logits (..., K); labels (...) int64 in 0 .. K-1; optionally class weights v (K,). The
    mean is weighted: sum of v[label] * loss / sum of v[label]. With ``smoothing`` the wanted
    distribution is (1 - smoothing) * onehot + smoothing / K.
    """

    smoothing: float = 0.0

    def forward(
        self, k: Kernels, logits: Array, labels: Array, weights: Array | None = None
    ) -> tuple[Array, Saved]:
        if labels.shape != logits.shape[:-1]:
            raise ShapeError(
                f"SoftmaxCrossEntropy: logits {tuple(logits.shape)} need labels "
                f"{tuple(logits.shape[:-1])}, one class number each; they are {tuple(labels.shape)}"
            )
        labels = labels.reshape(-1)  # (...) -> (M,), as logits (..., K) -> (M, K)
        losses, probs = k.softmax_cross_entropy(rows(logits), labels, weights, self.smoothing)
        total = labels.size if weights is None else k.xp.sum(weights[labels])
        return k.xp.sum(losses) / total, (probs, labels, weights, total, logits.shape)

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        probs, labels, weights, total, shape = saved
        dlosses = k.xp.broadcast_to(dy / total, labels.shape)
        dlogits = k.softmax_cross_entropy_dx(dlosses, probs, labels, weights, self.smoothing)
        return (dlogits.reshape(shape), *(None,) * (len(needs) - 1))

    def flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return 5 * prod(shapes[0])  # maximum, difference, exponential, sum, quotient


@dataclass(frozen=True)
class SoftmaxCrossEntropyOfRows(Op):
    """y[m] = -log softmax(logits)[m, label[m]]: what :class:`SoftmaxCrossEntropy` is the mean of.

    Inputs: logits (M, K); labels (M,) int64 in 0 .. K-1; optionally class weights v (K,), by which
    each loss is multiplied.
    """

    smoothing: float = 0.0

    recordable: ClassVar[bool] = True

    def forward(
        self, k: Kernels, logits: Array, labels: Array, weights: Array | None = None
    ) -> tuple[Array, Saved]:
        losses, probs = k.softmax_cross_entropy(logits, labels, weights, self.smoothing)
        return losses, (probs, labels, weights)

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        dlogits = k.softmax_cross_entropy_dx(dy, *saved, self.smoothing)
        return dlogits, *(None,) * (len(needs) - 1)

    def flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return 5 * prod(shapes[0])  # maximum, difference, exponential, sum, quotient


@dataclass(frozen=True)
class BCEWithLogits(Op):
    """y = mean of -t log p - (1 - t) log(1 - p) with p = sigmoid(logits), never overflowing.

    Inputs: logits and targets in [0, 1], of one shape.
    """

    def forward(self, k: Kernels, logits: Array, targets: Array) -> tuple[Array, Saved]:
        losses = k.bce_with_logits(logits, targets)
        return k.xp.mean(losses), (logits, targets)

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        logits, targets = saved
        dlosses = k.xp.broadcast_to(dy / logits.size, logits.shape)
        dlogits = k.bce_with_logits_dx(dlosses, logits, targets) if needs[0] else None
        return dlogits, -logits * dlosses if needs[1] else None

    def flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return 6 * prod(shapes[0])
