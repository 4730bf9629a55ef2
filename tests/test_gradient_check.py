"""The gradient check: it passes what is right, and names what is wrong."""

from typing import Any

import numpy as np
import pytest

from tinyvision import backend, functional, random
from tinyvision.gradient_check import GradientError, gradcheck
from tinyvision.ops.op import Op
from tinyvision.tensor import Tensor, apply

RNG = np.random.default_rng(3)


@pytest.fixture(autouse=True)
def on_reference() -> Any:
    with backend.using("reference"):
        yield


class WrongSquare(Op):
    """y = x^2, with a gradient that is wrong by one part in 10,000 at one element."""

    def forward(self, k: Any, x: Any) -> tuple[Any, Any]:
        return x * x, x

    def backward(self, k: Any, dy: Any, saved: Any, needs: Any) -> Any:
        factor = np.full(saved.shape, 2.0)
        factor[1, 2] *= 1.0001
        return (dy * saved * factor,)


class TransposedMatMul(Op):
    """y = x @ w, whose gradient of w has its axes swapped: right in shape for a square w."""

    def forward(self, k: Any, x: Any, w: Any) -> tuple[Any, Any]:
        return x @ w, (x, w)

    def backward(self, k: Any, dy: Any, saved: Any, needs: Any) -> Any:
        x, w = saved
        return dy @ w.T, dy.T @ x


class SoftmaxWithoutSum(Op):
    """Softmax, whose backward forgets the sum: with dy = 1 the right gradient is 0 throughout."""

    def forward(self, k: Any, x: Any) -> tuple[Any, Any]:
        y = k.softmax(x)
        return y, y

    def backward(self, k: Any, dy: Any, saved: Any, needs: Any) -> Any:
        return (saved * (dy - dy.mean(axis=-1, keepdims=True)),)


def test_right_gradients_pass_with_a_report() -> None:
    x, w = RNG.standard_normal((3, 4)), RNG.standard_normal((4, 5))
    report = gradcheck(lambda x, w: functional.tanh(x @ w), [x, w], names=["x", "w"])
    assert [(e.name, e.shape, e.elements, e.kinks) for e in report.inputs] == [
        ("x", (3, 4), 12, ()),
        ("w", (4, 5), 20, ()),
    ]
    assert 0 < report.error < 1e-7
    header, x_line, w_line = str(report).split("\n")
    assert header.split() == ["input", "shape", "elements", "relative", "error", "kinks"]
    assert x_line.startswith("x      (3, 4)  12")
    assert w_line.endswith("  0")


def test_a_wrong_element_is_named_with_both_values() -> None:
    x = Tensor(RNG.standard_normal((2, 3)) + 3, requires_grad=True, name="image")
    with pytest.raises(GradientError, match=r"gradient of image at \[1, 2\]: backward says ") as e:
        gradcheck(lambda x: apply(WrongSquare(), x), [x])
    words = str(e.value).replace(";", "").replace(",", "").split()
    analytic, numeric = (float(words[i]) for i in (8, 11))
    assert analytic / numeric == pytest.approx(1.0001, abs=1e-7)
    assert isinstance(e.value, AssertionError)


def test_swapped_axes_and_forgotten_sums_are_caught() -> None:
    x, w = RNG.standard_normal((4, 4)), RNG.standard_normal((4, 4))
    with pytest.raises(GradientError, match=r"gradient of w at \[0, 1\]"):
        gradcheck(lambda x, w: apply(TransposedMatMul(), x, w), [x, w], names=["x", "w"])
    with pytest.raises(GradientError, match="gradient of input 0"):
        gradcheck(lambda x: apply(SoftmaxWithoutSum(), x), [x])


def test_a_gradient_that_never_arrives_is_an_error() -> None:
    x = RNG.standard_normal(3)
    with pytest.raises(GradientError, match=r"at \[0\]: backward says 0,"):
        gradcheck(lambda x: Tensor(x.data * 2.0), [x])


def test_nan_gradients_are_an_error() -> None:
    with pytest.raises(GradientError, match="backward says nan"):
        gradcheck(lambda x: x * Tensor(np.array([np.nan])), [np.ones(1)])


# --- kinks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", [0.0, 3e-7, -3e-7, 9.9e-7, -9.9e-7, 1e-12])
def test_kinks_are_reported_not_hidden(where: float) -> None:
    x = np.array([0.5, where, -1.0])
    report = gradcheck(lambda x: functional.relu(x) * 3, [x])
    assert report.inputs[0].kinks == ((1,),)
    assert report.inputs[0].elements == 2
    assert str(report).endswith("1 at [1]")


def test_kinks_between_elements() -> None:
    x = np.array([2.0, 5.0, 5.0, 1.0])
    report = gradcheck(lambda x: x.max(), [x])  # halves at the tie: neither one-sided slope
    # central differences are 1/2 too, so the tie agrees with what backward says
    assert report.inputs[0].kinks == ()
    report = gradcheck(lambda x: functional.max_pool2d(x.reshape(1, 2, 2, 1), 2), [x])
    assert report.inputs[0].kinks == ((1,), (2,))


def test_many_kinks_are_shortened() -> None:
    report = gradcheck(functional.relu, [np.zeros((2, 4))])
    assert len(report.inputs[0].kinks) == 8
    assert report.inputs[0].elements == 0
    assert str(report).endswith("8 at [0, 0], [0, 1], [0, 2] ...")


@pytest.mark.parametrize("curvature", [0.0, 1.0, 1e4])
def test_a_wrong_gradient_of_a_smooth_function_is_no_kink(curvature: float) -> None:
    def fn(x: Tensor) -> Tensor:
        bent = x * x * curvature + x * 3
        return bent + x.detach() * 0.01 * (1 + curvature)  # seen by differences alone

    with pytest.raises(GradientError):
        gradcheck(fn, [np.array([0.7, 0.2])])


def test_a_small_mistake_on_a_steep_curve_is_no_kink() -> None:
    # The one-sided slopes differ by more than the mistake, as at a kink: 1e4 x^2 bends so much.
    def fn(x: Tensor) -> Tensor:
        return x * x * 1e4 + x.detach() * 0.02

    with pytest.raises(GradientError, match=r"input 0 at \[0\]: backward says"):
        gradcheck(fn, [np.array([0.1])])


# --- what is checked ------------------------------------------------------------------------------


def test_inputs_that_require_gradients_are_checked_else_all_that_float() -> None:
    a, b = RNG.standard_normal(3), Tensor(RNG.standard_normal(3), requires_grad=True)
    report = gradcheck(lambda a, b: a * b, [a, b])
    assert [e.name for e in report.inputs] == ["input 1"]
    report = gradcheck(lambda a, i: a[i] * 2, [a, np.array([0, 2, 2])])
    assert [e.name for e in report.inputs] == ["input 0"]


def test_parameters_of_a_closure_are_moved_too() -> None:
    w = Tensor(RNG.standard_normal((3, 2)), requires_grad=True, name="w")
    x = Tensor(RNG.standard_normal((4, 3)), requires_grad=True, name="x")
    report = gradcheck(lambda x, *_: functional.sigmoid(x @ w), [x, w])
    assert [e.name for e in report.inputs] == ["x", "w"]


def test_everything_is_as_it_was_afterwards() -> None:
    x = Tensor(RNG.standard_normal((2, 3)), requires_grad=False)
    y = Tensor(RNG.standard_normal((2, 3)))
    x.grad = np.full((2, 3), 7.0)
    values = x.numpy().copy()
    gradcheck(lambda x, y: x * y, [x, y])
    np.testing.assert_array_equal(x.numpy(), values)
    np.testing.assert_array_equal(x.grad, np.full((2, 3), 7.0))
    assert (x.requires_grad, y.requires_grad, y.grad) == (False, False, None)


def test_arrays_are_copied_and_views_allowed() -> None:
    array = RNG.standard_normal((3, 2))
    array.flags.writeable = False
    gradcheck(lambda x: x.exp(), [array])
    tensor = Tensor(RNG.standard_normal((3, 2)))
    tensor.data = tensor.data.T
    gradcheck(lambda x: x.exp(), [tensor])


def test_random_draws_are_the_same_in_every_call() -> None:
    random.seed(5)
    report = gradcheck(lambda x: functional.dropout(x, 0.5) * x, [RNG.standard_normal((4, 5))])
    assert report.error < 1e-6
    assert random.state() == (5, 0)


def test_max_elements_draws_by_seed() -> None:
    x, seen = RNG.standard_normal(50), []

    def fn(x: Tensor) -> Tensor:
        seen.append(x.numpy().copy())
        return x * 2

    report = gradcheck(fn, [x], max_elements=4)
    assert report.inputs[0].elements == 4

    def moved(values: list[np.ndarray]) -> set[int]:
        return {int(i) for value in values for i in np.flatnonzero(value != x)}

    first = moved(seen)
    assert len(first) == 4
    seen.clear()
    gradcheck(fn, [x], max_elements=4)
    assert moved(seen) == first
    seen.clear()
    gradcheck(fn, [x], max_elements=4, seed=1)
    assert moved(seen) != first


def test_empty_inputs_have_nothing_to_disagree() -> None:
    assert gradcheck(lambda x: x * 2, [np.ones((0, 3))]).error == 0


# --- refusals -------------------------------------------------------------------------------------


def test_float32_is_refused() -> None:
    with pytest.raises(TypeError, match=r"needs float64, input 0 is float32"):
        gradcheck(functional.relu, [np.ones(2, np.float32)])
    with pytest.raises(TypeError, match=r"needs float64, the output is float32"):
        gradcheck(lambda x: x.astype("float32"), [np.ones(2)])
    with pytest.raises(TypeError, match="nothing to check"):
        gradcheck(functional.relu, [np.arange(3)])


def test_names_must_fit_and_inputs_be_leaves() -> None:
    with pytest.raises(ValueError, match="1 names for 2 inputs"):
        gradcheck(lambda a, b: a + b, [np.ones(1), np.ones(1)], names=["a"])
    x = Tensor(np.ones(2), requires_grad=True)
    with pytest.raises(ValueError, match=r"input 0 was computed .* pass its \.detach\(\)"):
        gradcheck(functional.relu, [x * 2])
