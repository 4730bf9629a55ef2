"""Tensors: what they hold, their dtypes, their operators, and what is refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinyvision import backend
from tinyvision.ops.elementwise import Mul
from tinyvision.tensor import Tensor, as_tensor
from tinyvision_kernels.contract import ShapeError


@pytest.fixture(autouse=True)
def on_reference() -> Any:
    with backend.using("reference"):
        yield


def leaf(*values: Any, dtype: Any = np.float64) -> Tensor:
    return Tensor(np.array(values, dtype), requires_grad=True)


# --- making ---------------------------------------------------------------------------------------


def test_numbers_and_lists_become_float32() -> None:
    assert Tensor([[1.5, 2]]).dtype == np.float32
    assert Tensor([1, 2]).dtype == np.int64
    assert Tensor(np.ones(2)).dtype == np.float64
    assert Tensor(2.5).shape == ()


def test_memory_is_shared_where_it_can_be() -> None:
    x = np.zeros(3, np.float32)
    tensor = Tensor(x)
    x[1] = 7
    assert tensor.numpy()[1] == 7
    assert np.shares_memory(tensor.detach().data, x)


@pytest.mark.parametrize("bad", [np.ones(2, np.float16), np.ones(2, complex), np.array(["a"])])
def test_other_kinds_of_data_are_refused(bad: np.ndarray) -> None:
    with pytest.raises(TypeError, match=r"holds float32, float64, integers or booleans, not"):
        Tensor(bad)


def test_only_floating_tensors_have_gradients() -> None:
    with pytest.raises(TypeError, match=r"only float32 and float64 .* this one is int64"):
        Tensor([1, 2], requires_grad=True)
    with pytest.raises(TypeError, match="already a Tensor"):
        Tensor(Tensor([1.0]))
    assert not leaf(1.5, 2.5).astype("int64").requires_grad


def test_numbers_of_another_byte_order_become_native() -> None:
    for dtype in (">f4", ">f8", ">i2"):
        tensor = Tensor(np.arange(3).astype(dtype))
        assert tensor.dtype.isnative and tensor.dtype == np.dtype(dtype).newbyteorder("=")
        np.testing.assert_array_equal(tensor.numpy(), [0, 1, 2])


def test_item_wants_one_element() -> None:
    assert Tensor([[2.5]]).item() == 2.5
    with pytest.raises(ValueError, match=r"exactly one element, the tensor has shape \(2,\)"):
        Tensor([1.0, 2.0]).item()


def test_repr_tells_values_shape_and_dtype() -> None:
    text = repr(Tensor([[1.0, 2.0]], requires_grad=True, name="w"))
    assert text == "Tensor 'w'([[1., 2.]], shape=(1, 2), float32, requires_grad)"
    assert len(Tensor(np.zeros((3, 2)))) == 3


# --- dtypes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "compute",
    [
        lambda x: 1 + 2 * x - x / 3 + 0.5**x,
        lambda x: (x**2).sqrt().log().exp().abs().clip(low=0.1).mean(),
        lambda x: (1 / x - np.float64(2.0)) * np.pi,
        lambda x: x @ x.transpose() + x.max() - x.sum(axis=0, keepdims=True)[:, :1],
        lambda x: (x > 0).astype(x.dtype) * x.pad([(1, 0), (0, 1)], 2.5)[1:, :-1],
    ],
)
def test_numbers_take_the_tensors_dtype(compute: Callable[[Tensor], Tensor], dtype: Any) -> None:
    x = Tensor(np.array([[1.5, 2.5], [0.5, 3.0]], dtype), requires_grad=True)
    y = compute(x)
    y.backward(np.ones(y.shape, dtype))
    assert y.dtype == dtype
    assert x.grad is not None
    assert x.grad.dtype == dtype


REFUSED = {
    "two precisions": (lambda a: a + Tensor(np.ones(2)), "Add: float32 and float64 do not mix"),
    "a float64 array": (lambda a: a * np.ones(2), "Mul: float32 and float64 do not mix"),
    "integers": (lambda a: a * Tensor([1, 2]), "Mul of float32 and int64 would give float64"),
    "quotient": (lambda a: Tensor([1, 2]) / 2, "Div of int64 and int64 would give float64"),
    "exponential": (lambda a: Tensor([1, 2]).exp(), "Exp of int64 would give float64"),
    "a fraction": (lambda a: Tensor([1, 2]) * 0.5, "int64 and the number 0.5 do not mix"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_silent_promotion_is_refused(what: str) -> None:
    compute, message = REFUSED[what]
    with pytest.raises(TypeError, match=message):
        compute(Tensor([1.0, 2.0]))


def test_astype_converts_the_gradient_back() -> None:
    x = leaf(1.5, 2.5, dtype=np.float32)
    y = x.astype("float64") * Tensor(np.array([2.0, 3.0]))
    assert y.dtype == np.float64
    y.backward(np.ones(2))
    assert x.grad is not None
    assert x.grad.dtype == np.float32
    np.testing.assert_array_equal(x.grad, [2, 3])


# --- operators ------------------------------------------------------------------------------------


def test_operators_both_ways_round() -> None:
    x, a = Tensor(np.array([1.0, 2.0])), np.array([4.0, 8.0])
    for result, expected in (
        (a - x, [3, 6]),
        (x - a, [-3, -6]),
        (10 - x, [9, 8]),
        (a / x, [4, 4]),
        (1 / x, [1, 0.5]),
        (a**x, [4, 64]),
        (2**x, [2, 4]),
        (a + x, [5, 10]),
        (a * x, [4, 16]),
        (a @ x, 20),
        (-x, [-1, -2]),
    ):
        assert isinstance(result, Tensor)
        np.testing.assert_allclose(result.numpy(), expected)


def test_comparisons_give_boolean_tensors() -> None:
    x = Tensor(np.array([1.0, 2.0, 3.0]))
    np.testing.assert_array_equal((x > 2).numpy(), [False, False, True])
    np.testing.assert_array_equal((x >= 2).numpy(), [False, True, True])
    np.testing.assert_array_equal((x < np.array([2.0, 2, 2])).numpy(), [True, False, False])
    np.testing.assert_array_equal((x <= 2).numpy(), [True, True, False])
    assert isinstance((x[0] > 0).data, np.ndarray)


def test_one_element_is_true_or_false_and_several_are_neither() -> None:
    assert leaf(2.0).sum() > 1
    assert not Tensor([0.0]) and Tensor([[3]])
    with pytest.raises(ValueError, match=r"shape \(2,\) is neither true nor false"):
        bool(leaf(1.0, 2.0) > 0)


@pytest.mark.parametrize("function", [np.asarray, np.exp, np.stack])
def test_numpy_does_not_take_tensors_unasked(function: Callable[[Tensor], Any]) -> None:
    with pytest.raises(TypeError, match=r"pass them tensor.numpy\(\)"):
        function(leaf(1.0, 2.0))


def test_shape_methods() -> None:
    x = Tensor(np.arange(24.0).reshape(2, 3, 4))
    assert x.reshape(4, -1).shape == x.reshape((4, 6)).shape == x.reshape([4, 6]).shape == (4, 6)
    assert x.transpose().shape == (4, 3, 2)
    assert x.transpose(0, 2, 1).shape == x.transpose((0, 2, 1)).shape == (2, 4, 3)
    assert x.sum(axis=(0, 2)).shape == (3,)
    assert x[x > 5].shape == (18,)
    assert as_tensor(x) is x


def test_errors_of_shape_name_the_op_and_the_shapes() -> None:
    a, b = Tensor(np.ones((2, 3))), Tensor(np.ones((4,)))
    with pytest.raises(ShapeError, match=r"Add of \(2, 3\) and \(4,\): .*broadcast"):
        a + b
    with pytest.raises(ShapeError, match=r"MatMul: \(2, 3\) @ \(4,\) needs .* equal K"):
        a @ b
    with pytest.raises(ShapeError, match=r"Reshape of \(2, 3\): cannot reshape"):
        a.reshape(5)
    with pytest.raises(ShapeError, match=r"Sum of \(2, 3\): axis 2 is out of bounds"):
        a.sum(axis=2)
    with pytest.raises(ShapeError, match=r"Pad: 1 pairs of widths for 2 axes"):
        a.pad([(1, 1)])
    with pytest.raises(ValueError, match="must not be negative"):
        a.pad([(1, -1), (0, 0)])
    with pytest.raises(ValueError, match="low=2 lies above high=1"):
        a.clip(2, 1)


def test_hashable_by_identity() -> None:
    x = leaf(1.0)
    assert {x: "kept"}[x] == "kept"


def test_ops_are_named_after_their_class() -> None:
    assert Mul.name == Mul().name == "Mul"


def test_an_empty_list_picks_nothing() -> None:
    x = leaf([1.0, 2.0], [3.0, 4.0])
    picked = x[[]]
    assert picked.shape == (0, 2)
    picked.sum().backward()
    np.testing.assert_array_equal(x.grad, np.zeros((2, 2)))


def test_a_numpy_scalar_limits_without_promoting() -> None:
    clipped = leaf(-1.0, 0.25, 2.0, dtype=np.float32).clip(np.float64(0.0), np.float64(0.5))
    assert clipped.dtype == np.float32
    np.testing.assert_array_equal(clipped.numpy(), np.array([0.0, 0.25, 0.5], np.float32))
