"""From counts to precision, recall and F1, per class and averaged.

Definitions as in van Rijsbergen, "Information Retrieval" (1979), chapter 7; averages as in
Sokolova & Lapalme, "A systematic analysis of performance measures for classification tasks" (2009).
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from .checks import IntArray

AverageName = Literal["macro", "micro", "weighted"]
Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Average:
    """Precision, recall and F1 of all classes together, each in 0..1."""

    precision: float
    recall: float
    f1: float

    def to_dict(self) -> dict[str, float]:
        """The three numbers by name, ready for JSON."""
        return {"precision": self.precision, "recall": self.recall, "f1": self.f1}


@dataclass(frozen=True, eq=False)
class ClassScores:
    """Precision, recall and F1 of K classes, derived from three counts per class.

    Parameters
    ----------
    hits : int64 array (K,)
        Images of the class that were predicted as it (true positives).
    predicted : int64 array (K,)
        Images predicted as the class (true and false positives).
    support : int64 array (K,)
        Images of the class (true positives and false negatives).

    Notes
    -----
    ``0 / 0`` is 0 throughout: precision of a class never predicted, recall of a class without an
    image, F1 of a class that is neither. Such a class pulls the macro average down; that is
    deliberate (scikit-learn's ``zero_division=0``), since a class nobody tested earns no credit.
    """

    hits: IntArray
    predicted: IntArray
    support: IntArray

    @property
    def precision(self) -> Float64Array:
        """``hits / predicted`` per class (K,): how far a prediction can be trusted."""
        return _ratio(self.hits, self.predicted)

    @property
    def recall(self) -> Float64Array:
        """``hits / support`` per class (K,): how much of the class is found."""
        return _ratio(self.hits, self.support)

    @property
    def f1(self) -> Float64Array:
        """Harmonic mean of the two per class (K,), ``2 hits / (predicted + support)``."""
        return _ratio(2 * self.hits, self.predicted + self.support)

    @property
    def macro(self) -> Average:
        """Plain mean over the classes: a rare class weighs as much as a frequent one."""
        return Average(
            float(self.precision.mean()), float(self.recall.mean()), float(self.f1.mean())
        )

    @property
    def micro(self) -> Average:
        """Ratios of the summed counts: every image weighs the same.

        With one label per image all three equal the accuracy; with several labels they differ.
        """
        hits, predicted, support = self.hits.sum(), self.predicted.sum(), self.support.sum()
        return Average(
            float(_ratio(hits, predicted)),
            float(_ratio(hits, support)),
            float(_ratio(2 * hits, predicted + support)),
        )

    @property
    def weighted(self) -> Average:
        """Mean over the classes, each weighing as much as it has images."""
        weights = _ratio(self.support, self.support.sum())
        return Average(
            float(weights @ self.precision), float(weights @ self.recall), float(weights @ self.f1)
        )

    def average(self, name: AverageName) -> Average:
        """The average called ``"macro"``, ``"micro"`` or ``"weighted"``."""
        if name == "macro":
            return self.macro
        if name == "micro":
            return self.micro
        if name == "weighted":
            return self.weighted
        raise ValueError(f"There is no average {name!r}; choose macro, micro or weighted.")

    @classmethod
    def of_confusion(cls, confusion: IntArray) -> "ClassScores":
        """Scores of a confusion matrix (K, K) with true classes in rows, predicted in columns."""
        return cls(
            hits=np.diagonal(confusion).copy(),
            predicted=confusion.sum(axis=0),
            support=confusion.sum(axis=1),
        )


def _ratio(numerator: Any, denominator: Any) -> Float64Array:
    """Elementwise ``numerator / denominator`` in float64, and 0 where the denominator is 0."""
    top = np.asarray(numerator, dtype=np.float64)
    bottom = np.asarray(denominator, dtype=np.float64)
    shape = np.broadcast_shapes(top.shape, bottom.shape)
    return np.divide(top, bottom, out=np.zeros(shape), where=bottom != 0)
