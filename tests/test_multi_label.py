"""Metrics of images that carry several labels, by hand and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyvision import metrics as tm
from tinyvision.errors import DataError, ShapeError


def test_multi_label_by_hand():
    targets = [[1, 0, 1], [0, 1, 0], [1, 1, 0], [0, 0, 0]]
    given_labels = [[1, 0, 0], [0, 1, 0], [1, 0, 1], [0, 0, 0]]
    scores = tm.multi_label_scores(targets, given_labels)
    assert scores.precision.tolist() == [1, 1, 0]
    assert scores.recall.tolist() == [1, 0.5, 0]
    assert tm.multi_label_f1(targets, given_labels, "macro") == pytest.approx((1 + 2 / 3) / 3)
    assert tm.multi_label_f1(targets, given_labels, "micro") == pytest.approx(2 * 3 / (4 + 5))
    assert tm.subset_accuracy(targets, given_labels) == 0.5


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(2, 5), st.floats(0, 1))
def test_multi_label_agrees_with_sklearn(seed, N, K, density):
    sk = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    targets = (rng.random((N, K)) < density).astype(int)
    guesses = (rng.random((N, K)) < 0.5).astype(int)
    scores = tm.multi_label_scores(targets, guesses)
    for how in ("macro", "micro", "weighted"):
        p, r, f, _ = sk.precision_recall_fscore_support(
            targets, guesses, average=how, zero_division=0
        )
        ours = scores.average(how)
        np.testing.assert_allclose([ours.precision, ours.recall, ours.f1], [p, r, f], rtol=1e-13)
    assert tm.subset_accuracy(targets, guesses) == pytest.approx(
        sk.accuracy_score(targets, guesses), rel=1e-15
    )


def test_mistakes_are_named():
    with pytest.raises(DataError, match="no images to score"):
        tm.subset_accuracy(np.zeros((0, 3)), np.zeros((0, 3)))
    with pytest.raises(ValueError, match="no average 'mean'"):
        tm.multi_label_f1([[1]], [[1]], "mean")
    with pytest.raises(DataError, match=r"0 and 1 only, got 0\.3.*>= 0\.5"):
        tm.multi_label_f1([[1, 0]], [[0.3, 1]])
    with pytest.raises(ShapeError, match=r"targets \(1, 2\) and predictions \(2, 1\)"):
        tm.multi_label_f1([[1, 0]], [[1], [0]])
    with pytest.raises(ShapeError, match=r"targets must have shape \(N, K\), got \(2,\)"):
        tm.subset_accuracy([1, 0], [1, 0])
