"""Losses by hand, and which labels they take."""

from typing import Any

import numpy as np
import pytest

from tests.functional.draws import normal
from tinyvision import functional
from tinyvision.tensor import Tensor
from tinyvision_kernels.contract import ShapeError


def test_cross_entropy_by_hand() -> None:
    logits = np.log([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]])
    y = functional.cross_entropy(logits, [0, 2])
    assert y.item() == pytest.approx(-(np.log(0.7) + np.log(0.5)) / 2)
    y = functional.cross_entropy(logits, [0, 2], weights=[3, 1, 2])
    assert y.item() == pytest.approx(-(3 * np.log(0.7) + 2 * np.log(0.5)) / 5)
    y = functional.cross_entropy(logits, [0, 2], smoothing=0.3)
    wanted = np.array([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]])
    assert y.item() == pytest.approx(-np.sum(wanted * logits) / 2)


def test_cross_entropy_of_shares_by_hand() -> None:
    logits = np.log([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]])
    y = functional.cross_entropy(logits, np.array([[0.5, 0.5, 0], [0, 0, 1]]))
    assert y.item() == pytest.approx(-(0.5 * np.log(0.7) + 0.5 * np.log(0.2) + np.log(0.5)) / 2)


@pytest.mark.parametrize("settings", [{}, {"weights": [3.0, 1.0, 2.0]}, {"smoothing": 0.3}])
def test_whole_shares_are_labels(settings: dict[str, Any]) -> None:
    logits, labels = normal(4, 3), np.array([2, 0, 0, 1])
    expected = functional.cross_entropy(logits, labels, **settings).item()
    assert functional.cross_entropy(logits, np.eye(3)[labels], **settings).item() == (
        pytest.approx(expected, rel=1e-12)
    )
    with pytest.raises(ShapeError, match=r"weights must be \(3,\)"):
        functional.cross_entropy(logits, np.eye(3)[labels], weights=[2.0])


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8])
def test_labels_may_be_any_integers(dtype: Any) -> None:
    logits, labels = normal(3, 4), np.array([3, 0, 2])
    expected = functional.cross_entropy(logits, labels).item()
    assert functional.cross_entropy(logits, labels.astype(dtype)).item() == expected
    assert functional.cross_entropy(logits, Tensor(labels.astype(dtype))).item() == expected
    assert functional.cross_entropy(logits, labels.tolist()).item() == expected


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ([0, 4], ValueError, r"label 4 is none of the K=4 classes .* must lie in 0 \.\. 3"),
        ([-1, 0], ValueError, r"label -1 is none of the K=4 classes"),
        ([0.0, 1.0], TypeError, r"labels must be integers, they are float64; .*argmax"),
        ([True, False], TypeError, r"labels must be integers, they are bool"),
        ([0, 1, 2], ShapeError, r"logits \(2, 4\) need labels \(2,\), .* are \(3,\)"),
        ([[0], [1]], ShapeError, r"need labels \(2,\), .* are \(2, 1\)"),
    ],
)
def test_labels_that_are_none_are_refused(labels: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        functional.cross_entropy(normal(2, 4), labels)


def test_loss_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match=r"smoothing must lie in \[0, 1\], got 1\.5"):
        functional.cross_entropy(normal(2, 4), [0, 1], smoothing=1.5)
    with pytest.raises(ShapeError, match=r"weights must be \(4,\)"):
        functional.cross_entropy(normal(2, 4), [0, 1], weights=[1.0, 2.0])
    with pytest.raises(ShapeError, match=r"\(2, 4\) and \(2,\) differ in shape"):
        functional.bce_with_logits(normal(2, 4), [0, 1])


def test_bce_takes_answers_of_any_kind() -> None:
    logits = normal(2, 3).astype(np.float32)
    answers = np.array([[1, 0, 1], [0, 0, 1]])
    p = 1 / (1 + np.exp(-logits.astype(np.float64)))
    expected = -np.mean(answers * np.log(p) + (1 - answers) * np.log(1 - p))
    for targets in (answers, answers.astype(bool), answers.astype(float), answers.tolist()):
        y = functional.bce_with_logits(logits, targets)
        assert y.dtype == np.float32
        assert y.item() == pytest.approx(expected, rel=1e-6)


def test_losses_of_enormous_logits_are_finite() -> None:
    logits = Tensor(np.array([[1e4, -1e4], [-1e4, 1e4]], np.float32), requires_grad=True)
    y = functional.cross_entropy(logits, [1, 1])
    y.backward()
    assert y.item() == 1e4  # (2e4 + 0) / 2
    np.testing.assert_array_equal(logits.grad, [[0.5, -0.5], [0, 0]])
    assert functional.bce_with_logits(logits, [[0, 0], [0, 1]]).item() == 2500


def test_cross_entropy_says_that_its_weights_get_no_gradient() -> None:
    weights = Tensor(np.ones(4), requires_grad=True)
    with pytest.raises(ValueError, match=r"weights get no gradient; pass weights\.detach\(\)"):
        functional.cross_entropy(normal(2, 4), [0, 1], weights=weights)
