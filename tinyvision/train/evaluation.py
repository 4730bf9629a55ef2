"""How good is a model on a data set? One class for each image, or any number of tags."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data import Batches
from ..errors import DataError, TrainingError
from ..functional import softmax
from ..metrics import ClassScores, Metrics, Report, multi_label_scores
from ..nn.layer import Layer
from ..nn.losses import BCEWithLogits, CrossEntropy, Loss
from ..plan import Forward
from ..tape import no_grad
from ..tensor import Tensor
from .health import first_non_finite


@dataclass(frozen=True)
class Evaluation:
    """The mean loss over a data set and all metrics of the predictions."""

    loss: float
    report: Report

    @property
    def accuracy(self) -> float:
        """Share of images whose class was predicted, in 0..1."""
        return self.report.accuracy


@dataclass(frozen=True, eq=False)
class TagEvaluation:
    """The mean loss over images with tags, and how well the tags were predicted.

    Parameters
    ----------
    loss : float
    count, right : int
        Images; and those of them all of whose tags were predicted, and no others.
    scores : ClassScores
        Precision, recall and F1 of each tag, and their averages.
    """

    loss: float
    count: int
    right: int
    scores: ClassScores

    @property
    def accuracy(self) -> float:
        """Share of images with every tag right, as :func:`tinyvision.metrics.subset_accuracy`."""
        return self.right / self.count


def evaluate(
    model: Layer, batches: Batches, loss: Loss | None = None, *, eager: bool = False
) -> Evaluation:
    """Predict every batch in inference mode; return the mean loss and the metrics.

    The model outputs logits; probabilities are their softmax. It runs by a plan, or layer by layer
    if ``eager``.

    Raises
    ------
    DataError
        There are no images, or they have tags.
    TrainingError
        The loss is NaN or infinite; the message names the layer where that began.
    """
    if batches.dataset.tagging:
        raise DataError(
            f"{batches.dataset.name}: its images have any number of labels, which are no answers "
            "to one question; measure with evaluate_tags."
        )
    metrics = Metrics(batches.dataset.classes)

    def count(logits: Tensor, labels: NDArray[Any]) -> None:
        metrics.update(softmax(logits).numpy(), labels)

    mean = _mean_loss(model, batches, loss or CrossEntropy(), count, eager)
    return Evaluation(mean, metrics.report())


def evaluate_tags(
    model: Layer, batches: Batches, loss: Loss | None = None, *, eager: bool = False
) -> TagEvaluation:
    """Predict the tags of every batch in inference mode; return the mean loss and the scores.

    The model outputs a logit for each tag; one above 0, a probability above one half, says yes. It
    runs by a plan, or layer by layer if ``eager``.

    Raises
    ------
    DataError
        There are no images.
    ShapeError
        They have a class each, not tags.
    TrainingError
        The loss is NaN or infinite; the message names the layer where that began.
    """
    seen = right = 0
    sums = np.zeros((3, len(batches.dataset.classes)), np.int64)

    def count(logits: Tensor, labels: NDArray[Any]) -> None:
        nonlocal seen, right
        scores = multi_label_scores(labels, logits.numpy() > 0)
        sums[:] += (scores.hits, scores.predicted, scores.support)
        seen += len(labels)
        right += count_right(logits.numpy(), labels, tagging=True)

    mean = _mean_loss(model, batches, loss or BCEWithLogits(), count, eager)
    return TagEvaluation(mean, seen, right, ClassScores(*sums))


def count_right(logits: NDArray[Any], labels: NDArray[Any], *, tagging: bool) -> int:
    """Count the images of a batch that are predicted right.

    Parameters
    ----------
    logits : float array (N, K)
    labels : int array (N,), or float array (N, K)
        Where images are mixed the shares of the classes, of which the largest counts.
    tagging : bool
        They are tags, all of which have to be right: a logit above 0 says yes.
    """
    if tagging:
        return int(((logits > 0) == (labels > 0.5)).all(axis=1).sum())
    wanted = labels.argmax(-1) if labels.ndim == 2 else labels
    return int((logits.argmax(-1) == wanted).sum())


def _mean_loss(
    model: Layer,
    batches: Batches,
    loss: Loss,
    count: Callable[[Tensor, NDArray[Any]], None],
    eager: bool,
) -> float:
    """Hand the logits and labels of every batch to ``count``; return the mean loss."""
    if len(batches) == 0:
        raise DataError(f"{batches.dataset.name}: there are no images to measure on.")
    total, seen, mode = 0.0, 0, model.training
    forward = Forward(model, eager=eager)
    model.eval()
    try:
        with no_grad(), closing(batches.epoch(0)) as epoch:
            for x, labels in epoch:
                logits = Tensor(forward(x))
                value = loss(logits, labels).item()
                if not isfinite(value):
                    raise TrainingError(
                        f"{batches.dataset.name}: the loss is {value}: first not finite is "
                        f"{first_non_finite(model, Tensor(x))}"
                    )
                total += value * len(labels)
                seen += len(labels)
                count(logits, labels)
    finally:
        model.train(mode)
    return total / seen
