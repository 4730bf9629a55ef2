"""Activations are their formulas; what works on rows takes any number of axes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.functional.draws import normal
from tinyvision import functional
from tinyvision.tensor import Tensor
from tinyvision_kernels.contract import ShapeError


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (functional.relu, lambda x: np.where(x > 0, x, 0)),
        (functional.leaky_relu, lambda x: np.where(x > 0, x, 0.01 * x)),
        (functional.sigmoid, lambda x: 1 / (1 + np.exp(-x))),
        (functional.silu, lambda x: x / (1 + np.exp(-x))),
        (functional.tanh, np.tanh),
        (functional.softmax, lambda x: np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)),
        (functional.log_softmax, lambda x: x - np.log(np.exp(x).sum(axis=-1, keepdims=True))),
    ],
)
def test_activations_are_their_formulas(function: Any, expected: Callable[..., Any]) -> None:
    x = normal(2, 3, 4)
    np.testing.assert_allclose(function(x).numpy(), expected(x), rtol=1e-12)


@pytest.mark.parametrize(
    "function", [functional.softmax, lambda x: functional.dense(x, normal(3, 2))]
)
def test_what_works_on_rows_refuses_a_single_number(function: Any) -> None:
    with pytest.raises(ShapeError, match=r"at least one axis"):
        function(Tensor(np.array(1.5)))


def test_dense_takes_any_number_of_axes() -> None:
    x, w, b = normal(2, 3, 4), normal(4, 5), normal(5)
    np.testing.assert_allclose(functional.dense(x, w, b).numpy(), x @ w + b)
    np.testing.assert_allclose(functional.dense(x[0, 0], w).numpy(), x[0, 0] @ w)
    with pytest.raises(ShapeError, match=r"input has I=4 features, weight expects 5"):
        functional.dense(x, normal(5, 2))
