"""Metrics against numbers worked out by hand and against scikit-learn."""

import doctest
import importlib
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyvision import metrics as tm
from tinyvision.errors import DataError, ShapeError
from tinyvision.metrics import Metrics, Report

# Worked by hand: 8 images of a, b, c.      a -> a a b   b -> b b   c -> a c c
TRUE = np.array([0, 0, 0, 1, 1, 2, 2, 2])
PRED = np.array([0, 0, 1, 1, 1, 0, 2, 2])
CONFUSION = [[2, 1, 0], [0, 2, 0], [1, 0, 2]]


def softmax(logits):
    exp = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exp / exp.sum(axis=1, keepdims=True)


def random_case(seed, N, K, dtype=np.float64):
    """Labels and probabilities that are better than chance, drawn from a fixed seed."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, K, N)
    logits = rng.normal(size=(N, K))
    logits[np.arange(N), labels] += 1
    return labels, softmax(logits.astype(dtype))


def one_hot(labels, K):
    return np.eye(K)[np.asarray(labels)]


def names(K):
    return [f"class {k}" for k in range(K)]


def report_of(true, pred, K):
    metrics = Metrics(names(K))
    metrics.update(one_hot(pred, K), true)
    return metrics.report()


# By hand


def test_scores_worked_by_hand():
    scores = tm.precision_recall_f1(TRUE, PRED)
    assert tm.confusion_matrix(TRUE, PRED).tolist() == CONFUSION
    assert tm.accuracy(TRUE, PRED) == 6 / 8
    np.testing.assert_allclose(scores.precision, [2 / 3, 2 / 3, 1], rtol=1e-15)
    np.testing.assert_allclose(scores.recall, [2 / 3, 1, 2 / 3], rtol=1e-15)
    np.testing.assert_allclose(scores.f1, [2 / 3, 4 / 5, 4 / 5], rtol=1e-15)
    assert scores.support.tolist() == [3, 2, 3]
    assert scores.macro.f1 == pytest.approx(34 / 45, rel=1e-15)
    assert scores.micro == tm.Average(0.75, 0.75, 0.75)
    # weighted F1 = (3 * 2/3 + 2 * 4/5 + 3 * 4/5) / 8 = 6/8
    assert scores.weighted.f1 == pytest.approx(0.75, rel=1e-15)
    assert scores.weighted.recall == pytest.approx(0.75, rel=1e-15)


def test_log_loss_worked_by_hand():
    p = np.array([[0.5, 0.25, 0.25], [0.125, 0.75, 0.125]])
    assert tm.log_loss([0, 2], p) == pytest.approx((1 + 3) / 2 * math.log(2), rel=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_confident_mistake_costs_minus_log_eps_not_infinity(dtype):
    p = np.array([[1, 0]], dtype)
    assert tm.log_loss([1], p) == pytest.approx(-math.log(np.finfo(dtype).eps), rel=1e-12)
    assert tm.log_loss([0], p) == pytest.approx(np.finfo(dtype).eps, rel=1e-6)


def test_ties_go_to_the_lowest_class():
    p = np.full((4, 4), 0.25)
    labels = np.arange(4)
    assert [tm.top_k_accuracy(labels, p, k) for k in (1, 2, 3, 4)] == [0.25, 0.5, 0.75, 1]
    metrics = Metrics(names(4))
    metrics.update(p, labels)
    assert metrics.confusion[:, 0].tolist() == [1, 1, 1, 1]  # all taken for class 0
    assert metrics.ranks.tolist() == [1, 1, 1, 1]
    # A tie between 1 and 3 behind the leader 2: 1 comes second, 3 third.
    tied = np.array([[0.1, 0.25, 0.4, 0.25]] * 4)
    metrics.reset()
    metrics.update(tied, labels)
    assert [metrics.top_k(k) for k in (1, 2, 3, 4)] == [0.25, 0.5, 0.75, 1]
    assert tm.top_k_accuracy([3], tied[:1], 2) == 0
    assert tm.top_k_accuracy([1], tied[:1], 2) == 1


def test_undefined_ratios_are_zero_and_count_in_the_macro_average():
    # Class 1 is present but never predicted; class 2 is neither; class 3 predicted, never present.
    scores = tm.precision_recall_f1([0, 0, 1], [0, 3, 0], classes=4)
    assert scores.precision.tolist() == [0.5, 0, 0, 0]
    assert scores.recall.tolist() == [0.5, 0, 0, 0]
    assert scores.f1.tolist() == [0.5, 0, 0, 0]
    assert scores.macro.f1 == 0.125
    assert scores.support.tolist() == [2, 1, 0, 0]


# Against scikit-learn


def assert_agrees_with_sklearn(true, pred, K):
    sk = pytest.importorskip("sklearn.metrics")
    scores = tm.precision_recall_f1(true, pred, K)
    wanted = {"labels": range(K), "zero_division": 0}
    per_class = sk.precision_recall_fscore_support(true, pred, **wanted)
    for ours, theirs in zip(
        (scores.precision, scores.recall, scores.f1, scores.support), per_class, strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-14)
    for how in ("macro", "micro", "weighted"):
        p, r, f, _ = sk.precision_recall_fscore_support(true, pred, average=how, **wanted)
        ours = scores.average(how)
        np.testing.assert_allclose([ours.precision, ours.recall, ours.f1], [p, r, f], rtol=1e-13)
    matrix = tm.confusion_matrix(true, pred, K)
    np.testing.assert_array_equal(matrix, sk.confusion_matrix(true, pred, labels=range(K)))
    assert tm.accuracy(true, pred) == pytest.approx(sk.accuracy_score(true, pred), rel=1e-15)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_scores_agree_with_sklearn_for_any_labels(data):
    """Small draws leave classes absent or unpredicted, which is the hard part."""
    K = data.draw(st.integers(2, 6))
    N = data.draw(st.integers(1, 12))
    label = st.lists(st.integers(0, K - 1), min_size=N, max_size=N)
    assert_agrees_with_sklearn(np.array(data.draw(label)), np.array(data.draw(label)), K)


@pytest.mark.parametrize(("N", "K"), [(1000, 2), (2000, 10), (500, 100)])
def test_probabilities_agree_with_sklearn(N, K):
    sk = pytest.importorskip("sklearn.metrics")
    true, p = random_case(K, N, K)
    assert_agrees_with_sklearn(true, p.argmax(axis=1), K)
    assert tm.log_loss(true, p) == pytest.approx(sk.log_loss(true, p, labels=range(K)), rel=1e-13)
    for k in (1, 2, 5, 7):
        if k < K and K > 2:
            theirs = sk.top_k_accuracy_score(true, p, k=k, labels=range(K))
            assert tm.top_k_accuracy(true, p, k) == pytest.approx(theirs, rel=1e-15)


def test_float32_log_loss_agrees_with_sklearn_clipping_included():
    sk = pytest.importorskip("sklearn.metrics")
    true, p = random_case(1, 50, 3, np.float32)
    p[0] = [0, 1, 0]
    true[0] = 2
    assert tm.log_loss(true, p) == pytest.approx(sk.log_loss(true, p), rel=1e-5)


# Streaming


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_any_batch_size_gives_the_same_bits(dtype, size):
    true, p = random_case(3, 1000, 12, dtype)
    whole, parts = Metrics(names(12)), Metrics(names(12))
    whole.update(p, true)
    for start in reversed(range(0, 1000, size)):  # the order of the batches is free, too
        parts.update(p[start : start + size], true[start : start + size])
    assert parts.report() == whole.report()  # log loss included
    assert parts.nats == whole.nats
    np.testing.assert_array_equal(parts.ranks, whole.ranks)


def test_report_agrees_with_the_functions_for_arrays():
    true, p = random_case(4, 300, 7)
    metrics = Metrics(names(7))
    metrics.update(p, true)
    report = metrics.report()
    assert report.count == metrics.count == 300
    assert report.accuracy == metrics.accuracy == tm.accuracy(true, p.argmax(axis=1))
    assert report.top5 == metrics.top_k(5) == tm.top_k_accuracy(true, p, 5)
    assert report.log_loss == metrics.log_loss == tm.log_loss(true, p)
    assert np.array_equal(report.confusion, tm.confusion_matrix(true, p.argmax(axis=1), 7))
    scores = tm.precision_recall_f1(true, p.argmax(axis=1), 7)
    assert (report.precision, report.recall, report.f1) == (
        scores.macro.precision,
        scores.macro.recall,
        scores.macro.f1,
    )


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 9), min_size=1, max_size=5))
def test_merged_workers_equal_one(seed, sizes):
    N = sum(sizes) + 1
    true, p = random_case(seed, N, 6, np.float32)
    alone = Metrics(names(6))
    alone.update(p, true)
    merged = Metrics(names(6))
    start = 0
    for size in [*sizes, 1]:
        worker = Metrics(names(6))
        worker.update(p[start : start + size], true[start : start + size])
        merged.merge(worker)
        start += size
    assert merged.report() == alone.report()


def test_merge_leaves_the_other_alone_and_refuses_other_classes():
    a, b = Metrics(["x", "y"]), Metrics(["x", "y"])
    b.update(one_hot([1], 2), [1])
    a.merge(b)
    a.merge(b)
    assert (a.count, b.count) == (2, 1)
    with pytest.raises(DataError, match=r"same classes.*\(x, y\) and \(y, x\)"):
        a.merge(Metrics(["y", "x"]))


def test_reset_forgets():
    metrics = Metrics(["x", "y"])
    metrics.update(one_hot([1], 2), [0])
    metrics.reset()
    metrics.update(one_hot([1], 2), [1])
    assert metrics.report() == Report(("x", "y"), ((0, 0), (0, 1)), metrics.log_loss)
    assert metrics.log_loss == tm.log_loss([1], one_hot([1], 2))


# The report


def test_report_by_hand_and_its_dictionary():
    report = report_of(TRUE, PRED, 3)
    values = report.to_dict()
    assert list(values) == [
        *("count", "accuracy", "log_loss", "precision", "recall", "f1"),
        *("averages", "per_class", "confusion"),
    ]
    assert values["count"] == 8
    assert values["accuracy"] == 0.75
    assert values["f1"] == pytest.approx(34 / 45)
    assert values["confusion"] == CONFUSION
    assert values["per_class"][1] == {
        "class": "class 1",
        "precision": pytest.approx(2 / 3),
        "recall": 1.0,
        "f1": pytest.approx(0.8),
        "support": 2,
    }
    assert set(values["averages"]) == {"macro", "micro", "weighted"}
    assert values["averages"]["weighted"]["f1"] == pytest.approx(0.75)


@pytest.mark.parametrize("K", [2, 5, 6, 20])
def test_report_survives_json(K):
    metrics = Metrics(names(K))
    true, p = random_case(K, 200, K, np.float32)
    metrics.update(p, true)
    report = metrics.report()
    assert ("top5" in report.to_dict()) == (K > 5)
    again = Report.from_dict(json.loads(json.dumps(report.to_dict())))
    assert again == report
    assert again.to_dict() == report.to_dict()
    assert hash(again) == hash(report)


def test_worst_confusions_are_ordered_and_named():
    report = Report(("a", "b", "c"), ((5, 2, 3), (0, 9, 2), (0, 0, 1)), 0.5)
    assert report.worst_confusions(10) == [
        tm.Confusion("a", "c", 3, 0.3),
        tm.Confusion("a", "b", 2, 0.2),  # ties in the order of the classes
        tm.Confusion("b", "c", 2, 2 / 11),
    ]
    assert report.worst_confusions(1) == report.worst_confusions(10)[:1]
    assert report.worst_confusions(0) == []


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"confusion": None}, "wrong type"),
        ({"confusion": [[1, 0], [0, 1.5]]}, "whole numbers"),
        ({"confusion": [[1, 0]]}, "2 rows of 2"),
        ({"confusion": [[1, 0], [0]]}, r"rows of \[1, 2\]"),
        ({"confusion": [[1, 0], [0, -1]]}, "counts >= 0"),
        ({"confusion": [[0, 0], [0, 0]]}, "at least one image"),
        ({"per_class": ["a", "b"]}, "wrong type"),
        ({"log_loss": "low"}, "wrong type"),
        ({"log_loss": None}, "wrong type"),
    ],
)
def test_from_dict_refuses_what_is_no_report(broken, message):
    values = report_of([0, 1], [0, 1], 2).to_dict()
    with pytest.raises(DataError, match=message):
        Report.from_dict(values | broken)


def test_from_dict_names_the_missing_entry():
    values = report_of([0, 1], [0, 1], 2).to_dict()
    del values["confusion"]
    with pytest.raises(DataError, match="'confusion' is missing"):
        Report.from_dict(values)


# What is refused


GOOD = one_hot([0, 1, 2], 3)


@pytest.mark.parametrize(
    ("probabilities", "labels", "error", "message"),
    [
        (GOOD, [0, 1], ShapeError, r"labels \(2,\) and probabilities \(3, 3\)"),
        (GOOD[0], [0, 1, 2], ShapeError, r"shape \(N, K\), got \(3,\)"),
        (GOOD, GOOD, ShapeError, r"labels must have shape \(N,\), got \(3, 3\).*argmax"),
        (np.full((3, 2), 0.5), [0, 1, 1], ShapeError, r"\(3, 2\), but there are 3 classes"),
        (GOOD, [0.0, 1.0, 2.0], TypeError, "integer class numbers, got float64"),
        (GOOD.astype(int), [0, 1, 2], TypeError, "floating point, got int64"),
        (GOOD, [0, 1, 3], DataError, r"labels\[2\] is 3, but with 3 classes"),
        (GOOD, [0, -1, 2], DataError, r"labels\[1\] is -1"),
        (GOOD * 7, [0, 1, 2], DataError, r"probabilities\[0\].*sum 7.*softmax"),
        (np.array([[2.0, -1, 0]]), [0], DataError, "smallest -1, sum 1"),
        (np.array([[1.0, 0, 0], [np.nan, 1, 0]]), [0, 0], DataError, r"probabilities\[1\]"),
        (np.array([[np.inf, -np.inf, 0]]), [0], DataError, "no distribution"),
    ],
)
def test_a_bad_batch_is_refused_and_not_counted(probabilities, labels, error, message):
    metrics = Metrics(names(3))
    metrics.update(GOOD, [0, 1, 2])
    with pytest.raises(error, match=message):
        metrics.update(probabilities, labels)
    assert (metrics.count, metrics.confusion.sum(), metrics.accuracy) == (3, 3, 1)


def test_an_empty_batch_counts_nothing_and_no_batch_has_no_score():
    metrics = Metrics(names(3))
    metrics.update(np.zeros((0, 3)), [])
    for score in (metrics.report, lambda: metrics.accuracy, lambda: metrics.log_loss):
        with pytest.raises(DataError, match="No images were counted yet"):
            score()
    for function in (tm.accuracy, tm.confusion_matrix, tm.precision_recall_f1):
        with pytest.raises(DataError, match="no images to score"):
            function([], [])
    for function in (tm.log_loss, tm.top_k_accuracy):
        with pytest.raises(DataError, match="no images to score"):
            function([], np.zeros((0, 9)))


def test_other_mistakes_are_named():
    with pytest.raises(TypeError, match="single name 'cats'"):
        Metrics("cats")
    with pytest.raises(DataError, match="at least one class"):
        Metrics([])
    with pytest.raises(DataError, match="'a' occurs more than once"):
        Metrics(["a", "b", "a"])
    for k in (0, 4):
        with pytest.raises(ValueError, match=f"number of classes, 3; got {k}"):
            tm.top_k_accuracy([0, 1, 2], GOOD, k)
    with pytest.raises(ShapeError, match=r"y_true \(2,\) and y_pred \(3,\)"):
        tm.accuracy([0, 1], [0, 1, 2])
    with pytest.raises(DataError, match=r"y_pred\[1\] is 5"):
        tm.confusion_matrix([0, 1], [0, 5], classes=3)
    with pytest.raises(DataError, match=r"y_true\[0\] is -1"):
        tm.confusion_matrix([-1, 1], [0, 1])


@pytest.mark.parametrize("module", ["accumulator", "single_label"])
def test_the_examples_in_the_docstrings_run(module):
    module = importlib.import_module(f"tinyvision.metrics.{module}")
    outcome = doctest.testmod(module, extraglobs={"np": np})
    assert outcome.attempted > 0
    assert outcome.failed == 0
