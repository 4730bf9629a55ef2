"""Choosing between tensors and joining them."""

import numpy as np
import pytest

from tinyvision import functional
from tinyvision.tensor import Tensor
from tinyvision_kernels.contract import ShapeError


def test_numbers_take_the_dtype_of_the_tensor_beside_them() -> None:
    x = Tensor(np.array([-1.0, 2.0], np.float32))
    for y, expected in (
        (functional.maximum(x, 0), [0, 2]),
        (functional.maximum(0.5, x), [0.5, 2]),
        (functional.minimum(x, 0.5), [-1, 0.5]),
        (functional.where(x > 0, x, 0.25), [0.25, 2]),
        (functional.where(x > 0, 0, x), [-1, 0]),
        (functional.where(np.array([True, False]), 1.5, 2.5), [1.5, 2.5]),
    ):
        assert y.dtype == np.float32
        np.testing.assert_array_equal(y.numpy(), expected)


def test_ties_share_the_gradient() -> None:
    for function in (functional.maximum, functional.minimum):
        a = Tensor(np.array([1.0, 2.0, 3.0]), requires_grad=True)
        b = Tensor(np.array([1.0, 3.0, 2.0]), requires_grad=True)
        function(a, b).backward(np.array([4.0, 6.0, 8.0]))
        larger = function is functional.maximum
        np.testing.assert_array_equal(a.grad, [2, 0, 8] if larger else [2, 6, 0])
        np.testing.assert_array_equal(b.grad, [2, 6, 0] if larger else [2, 0, 8])


def test_where_wants_a_boolean_condition() -> None:
    with pytest.raises(TypeError, match=r"condition must be boolean \(x > 0, say\), it is float32"):
        functional.where(Tensor([1.0, 0.0]), 1.0, 2.0)


def test_joining() -> None:
    a, b = np.zeros((2, 3)), np.ones((2, 3))
    assert functional.concat([a, b]).shape == (2, 6)
    assert functional.concat((a, b), axis=0).shape == (4, 3)
    for axis in (0, 1, 2, -1, -2):
        np.testing.assert_array_equal(
            functional.stack([a, b], axis).numpy(), np.stack([a, b], axis)
        )
    with pytest.raises(ValueError, match="nothing to join"):
        functional.concat([])
    with pytest.raises(ValueError, match="nothing to join"):
        functional.stack([])
    with pytest.raises(ShapeError, match=r"Concat: \(2, 3\) and \(3, 3\) differ beyond axis -1"):
        functional.concat([a, np.zeros((3, 3))])
    with pytest.raises(ShapeError, match=r"stack: \(2, 3\) and \(2, 4\) must be equal"):
        functional.stack([a, np.zeros((2, 4))])
