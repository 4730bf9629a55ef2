"""One evaluation as plain numbers: what `tinyvision evaluate` prints, saves and compares."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import DataError
from .scores import Average, ClassScores


@dataclass(frozen=True)
class ClassReport:
    """Scores of one class: precision, recall and F1 in 0..1, support in images."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int

    def to_dict(self) -> dict[str, Any]:
        """The scores by name, ready for JSON; the name stands under ``"class"``."""
        return {
            "class": self.name,
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "support": self.support,
        }


@dataclass(frozen=True)
class Confusion:
    """One kind of mistake: ``count`` images of class ``true`` were taken for ``predicted``."""

    true: str
    predicted: str
    count: int
    share: float  # of the images of class `true`, in 0..1


@dataclass(frozen=True)
class Report:
    """The result of an evaluation; equal reports compare equal.

    Only what cannot be derived is stored; every ratio follows from the confusion matrix, so a
    report cannot contradict itself.

    Parameters
    ----------
    classes : tuple of str (K)
        Class names in the order of the class numbers.
    confusion : tuple of K tuples of K ints
        ``confusion[t][p]`` counts images of class t predicted as p.
    log_loss : float
        Mean of ``-log p[true class]`` in nats.
    top5 : float or None
        Share of images whose true class is among the five most probable; None unless K > 5.

    Raises
    ------
    DataError
        If the confusion matrix is not K x K, holds a negative count, or counts no image.
    """

    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    log_loss: float
    top5: float | None = None

    def __post_init__(self) -> None:
        K = len(self.classes)
        if len(self.confusion) != K or any(len(row) != K for row in self.confusion):
            widths = sorted({len(row) for row in self.confusion})
            raise DataError(
                f"A report on {K} classes needs a confusion matrix of {K} rows of {K}, "
                f"got {len(self.confusion)} rows of {widths}."
            )
        if any(count < 0 for row in self.confusion for count in row) or self.count == 0:
            raise DataError("A confusion matrix needs counts >= 0 and at least one image.")

    @cached_property
    def count(self) -> int:
        """Number of images evaluated."""
        return sum(map(sum, self.confusion))

    @cached_property
    def accuracy(self) -> float:
        """Share of images predicted right, in 0..1."""
        return sum(row[i] for i, row in enumerate(self.confusion)) / self.count

    @cached_property
    def scores(self) -> ClassScores:
        """Precision, recall and F1 as arrays (K,), and their averages."""
        return ClassScores.of_confusion(np.array(self.confusion, dtype=np.int64))

    @cached_property
    def per_class(self) -> tuple[ClassReport, ...]:
        """Scores of each class, in the order of the class numbers."""
        scores = self.scores
        columns = (scores.precision, scores.recall, scores.f1, scores.support)
        rows = zip(self.classes, *(column.tolist() for column in columns), strict=True)
        return tuple(ClassReport(*row) for row in rows)

    @cached_property
    def averages(self) -> dict[str, Average]:
        """The macro, micro and weighted averages by name."""
        return {
            "macro": self.scores.macro,
            "micro": self.scores.micro,
            "weighted": self.scores.weighted,
        }

    @property
    def precision(self) -> float:
        """Macro-averaged precision."""
        return self.averages["macro"].precision

    @property
    def recall(self) -> float:
        """Macro-averaged recall, also known as balanced accuracy."""
        return self.averages["macro"].recall

    @property
    def f1(self) -> float:
        """Macro-averaged F1."""
        return self.averages["macro"].f1

    def worst_confusions(self, n: int = 10) -> list[Confusion]:
        """The n most frequent mistakes, most frequent first; equal counts in class order."""
        pairs = [
            (count, t, p)
            for t, row in enumerate(self.confusion)
            for p, count in enumerate(row)
            if t != p and count > 0
        ]
        pairs.sort(key=lambda pair: -pair[0])  # stable: ties keep the order of the classes
        return [
            Confusion(self.classes[t], self.classes[p], count, count / sum(self.confusion[t]))
            for count, t, p in pairs[: max(n, 0)]
        ]

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON-able numbers; `from_dict` gives the same report back.

        Keys: count, accuracy, top5 (when K > 5), log_loss, precision, recall, f1 (macro),
        averages {macro, micro, weighted}, per_class, confusion.
        """
        top5 = {} if self.top5 is None else {"top5": self.top5}
        return {
            "count": self.count,
            "accuracy": self.accuracy,
            **top5,
            "log_loss": self.log_loss,
            **self.averages["macro"].to_dict(),
            "averages": {name: average.to_dict() for name, average in self.averages.items()},
            "per_class": [scores.to_dict() for scores in self.per_class],
            "confusion": [list(row) for row in self.confusion],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Report":
        """Rebuild a report from `to_dict`; the ratios in it are derived anew.

        Raises
        ------
        DataError
            If a key is missing or holds something else than `to_dict` writes.
        """
        try:
            names = tuple(str(scores["class"]) for scores in values["per_class"])
            confusion = _as_rows(values["confusion"])
            loss = float(values["log_loss"])
            top5 = None if values.get("top5") is None else float(values["top5"])
        except KeyError as error:
            raise DataError(f"This is no report: the entry {error} is missing.") from error
        except (AttributeError, TypeError, ValueError) as error:
            raise DataError(f"This is no report: an entry has the wrong type ({error}).") from error
        return cls(names, confusion, loss, top5)


def _as_rows(confusion: Sequence[Sequence[Any]]) -> tuple[tuple[int, ...], ...]:
    """The matrix as nested tuples; a count that is no whole number is refused, never rounded."""
    rows = tuple(tuple(int(count) for count in row) for row in confusion)
    if any(a != b for row, given in zip(rows, confusion, strict=True)
           for a, b in zip(row, given, strict=True)):  # fmt: skip
        raise ValueError("confusion counts are whole numbers")
    return rows
