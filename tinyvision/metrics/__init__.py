"""How good is a classifier? Everything is counted first and divided last, in NumPy alone.

==================  ================================================================
``accumulator.py``  `Metrics`: counts batch by batch, merges workers, gives a `Report`
``report.py``       `Report`: one evaluation as plain numbers, to and from JSON
``single_label.py`` one label per image: accuracy, top-k, log loss, confusion matrix
``multi_label.py``  several labels per image: F1, subset accuracy
``scores.py``       from counts to precision, recall, F1 and their averages
``checks.py``       what is refused, and in which words
==================  ================================================================

A ratio whose denominator is zero (precision of a class never predicted, recall of a class with no
image) is 0, as with ``zero_division=0`` in scikit-learn, and enters the averages as 0.
"""

from .accumulator import Metrics
from .multi_label import multi_label_f1, multi_label_scores, subset_accuracy
from .report import ClassReport, Confusion, Report
from .scores import Average, ClassScores
from .single_label import (
    accuracy,
    confusion_matrix,
    log_loss,
    precision_recall_f1,
    top_k_accuracy,
)

__all__ = [
    "Average",
    "ClassReport",
    "ClassScores",
    "Confusion",
    "Metrics",
    "Report",
    "accuracy",
    "confusion_matrix",
    "log_loss",
    "multi_label_f1",
    "multi_label_scores",
    "precision_recall_f1",
    "subset_accuracy",
    "top_k_accuracy",
]
