"""The tape: the chain rule on graphs of every shape, and the rules of the walk back."""

import threading
from typing import Any

import numpy as np
import pytest

from tinyvision import backend, tape
from tinyvision.nn import Parameter
from tinyvision.ops.op import Op
from tinyvision.optim import SGD
from tinyvision.tape import no_grad
from tinyvision.tensor import Tensor, apply


@pytest.fixture(autouse=True)
def on_reference() -> Any:
    with backend.using("reference"):
        yield


def leaf(*values: Any, dtype: Any = np.float64) -> Tensor:
    return Tensor(np.array(values, dtype), requires_grad=True)


# --- gradients on graphs --------------------------------------------------------------------------


def test_a_tensor_that_is_used_twice_gets_both_shares() -> None:
    x = leaf(3.0, -2.0)
    (x * x + 4 * x).backward(np.array([1.0, 10.0]))
    np.testing.assert_allclose(x.grad, [2 * 3 + 4, 10 * (2 * -2 + 4)])


def test_a_diamond_is_walked_once_its_dy_is_complete() -> None:
    # x -> a -> b, c -> d: with a's backward run before both b and c, or run twice, this goes wrong
    x = leaf(0.5)
    a = x.exp()
    b, c = a * 3, a * a
    d = b * c  # 3 a^3
    (d + a).sum().backward()
    np.testing.assert_allclose(x.grad, [9 * np.exp(1.5) + np.exp(0.5)], rtol=1e-14)


def test_a_ladder_of_diamonds_takes_linear_time() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(64):  # 2^64 paths
        y = y * 0.5 + y * 0.5
    y.backward(np.array([3.0]))
    np.testing.assert_allclose(x.grad, [3.0])


def test_a_chain_of_five_thousand_ops() -> None:
    x = leaf(2.0)
    y = x
    for i in range(5000):
        y = y + 1 if i % 2 else -y
    y.backward(np.array([1.5]))
    np.testing.assert_array_equal(x.grad, [1.5])


def test_gradients_accumulate_until_they_are_forgotten() -> None:
    x = leaf(1.0, 2.0)
    for expected in (3.0, 6.0):
        (x * 3).sum().backward()
        np.testing.assert_array_equal(x.grad, [expected, expected])
    x.zero_grad()
    assert x.grad is None


def test_accumulated_gradients_share_no_memory() -> None:
    x, y = leaf(1.0), leaf(1.0)
    z = x + y  # both are handed the same dy
    z.backward(np.array([1.0]))
    x.grad += 5
    np.testing.assert_array_equal(y.grad, [1.0])
    dy = np.array([2.0])
    w = leaf(1.0)
    w.backward(dy)
    dy[0] = 9
    np.testing.assert_array_equal(w.grad, [2.0])


def test_the_second_gradient_is_added_in_place() -> None:
    x = leaf(1.0)
    memory = x.grad = np.zeros(1)  # as an optimiser sets it
    (x * 4).sum().backward()
    assert x.grad is memory
    np.testing.assert_array_equal(memory, [4.0])


def test_scalar_gradients_are_arrays_too() -> None:
    x = Tensor(np.array(3.0), requires_grad=True)
    (x * x).backward()
    assert isinstance(x.grad, np.ndarray)
    assert x.grad.shape == ()
    assert x.grad == 6


def test_only_leaves_keep_a_gradient() -> None:
    x = leaf(1.0)
    y = x * 2
    (y * 3).sum().backward()
    assert y.grad is None
    np.testing.assert_array_equal(x.grad, [6.0])


def test_constants_get_no_gradient() -> None:
    x, c = leaf(1.0), Tensor(np.array([5.0]))
    (x * c).sum().backward()
    assert c.grad is None
    assert not (c * 2).requires_grad


def test_gradients_of_views() -> None:
    x = leaf([0.0, 1.0, 2.0], [3.0, 4.0, 5.0])
    y = x.transpose()[1:, ::-1].reshape(4)  # x[1,1], x[0,1], x[1,2], x[0,2]
    np.testing.assert_array_equal(y.numpy(), [4, 1, 5, 2])
    y.backward(np.array([1.0, 2.0, 3.0, 4.0]))
    np.testing.assert_array_equal(x.grad, [[0, 2, 4], [0, 1, 3]])


def test_a_picked_element_gets_each_of_its_gradients() -> None:
    x = leaf(1.0, 2.0, 3.0)
    x[[2, 0, 2]].backward(np.array([1.0, 10.0, 100.0]))
    np.testing.assert_array_equal(x.grad, [10, 0, 101])


def test_ties_of_a_maximum_share_the_gradient() -> None:
    x = leaf([1.0, 4.0, 4.0], [2.0, 2.0, 2.0])
    x.max(axis=1).backward(np.array([1.0, 3.0]))
    np.testing.assert_array_equal(x.grad, [[0, 0.5, 0.5], [1, 1, 1]])


def test_a_maximum_of_nan_is_nan_and_keeps_its_gradient() -> None:
    x = leaf(1.0, np.nan)
    y = x.max()
    assert np.isnan(y.item())
    y.backward(np.array(2.0))
    np.testing.assert_array_equal(x.grad, [0, 2])


def test_a_mean_over_no_elements_at_all() -> None:
    x = Tensor(np.ones((0, 3)), requires_grad=True)
    x.mean(axis=1).backward(np.ones(0))
    assert x.grad is not None and x.grad.shape == (0, 3)


def test_power_at_zero() -> None:
    x, exponent = leaf(0.0, 0.0, 2.0), leaf(2.0, 0.0, 3.0)
    (x**exponent).backward(np.ones(3))
    np.testing.assert_allclose(x.grad, [0, 0, 12])
    np.testing.assert_allclose(exponent.grad, [0, 0, 8 * np.log(2)])


# --- the walk's own rules -------------------------------------------------------------------------


def test_backward_twice_is_refused_with_a_way_out() -> None:
    x = leaf(2.0)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match=r"walked already .* pass retain=True"):
        y.backward()
    np.testing.assert_array_equal(x.grad, [4.0])


def test_half_walked_graphs_are_refused_too() -> None:
    x = leaf(2.0)
    shared = x * x
    (shared * 2).sum().backward()
    with pytest.raises(RuntimeError, match="behind Mul has been walked already"):
        (shared * 3).sum().backward()


def test_backward_after_a_step_is_refused_before_anything_is_added() -> None:
    w, v = (Parameter(np.array([2.0, 3.0]), name=name) for name in "wv")
    optimizer = SGD([w], lr=0.1)
    x = leaf(1.0, 4.0)
    y = (x * w * v).sum()
    y.backward(retain=True)
    optimizer.step()
    before = x.grad.copy()
    with pytest.raises(RuntimeError, match=r"optimiser has changed 'w' of Mul since the forward"):
        y.backward()
    np.testing.assert_array_equal(x.grad, before)
    optimizer.zero_grad()
    (x * w * v).sum().backward()  # the way out that the sentence names
    np.testing.assert_allclose(w.grad, [2, 12])


def test_retain_allows_another_walk() -> None:
    x = leaf(2.0)
    y = (x * x).sum()
    y.backward(retain=True)
    y.backward()
    np.testing.assert_array_equal(x.grad, [8.0])


def test_backward_wants_dy_for_anything_but_a_scalar() -> None:
    y = leaf(1.0, 2.0) * 2
    with pytest.raises(ValueError, match=r"shape \(2,\) needs the gradient .* scalar loss first"):
        y.backward()
    with pytest.raises(ValueError, match=r"dy has shape \(3,\), the tensor has \(2,\)"):
        y.backward(np.ones(3))
    y.backward(Tensor(np.ones(2)))


def test_dy_takes_the_dtype_of_the_tensor() -> None:
    for dy in (np.full(2, 3.0), Tensor(np.full(2, 3.0))):
        x = leaf(1.0, 2.0, dtype=np.float32)
        x.backward(dy)
        (x * 2).backward(dy)
        assert x.grad is not None and x.grad.dtype == np.float32
        np.testing.assert_array_equal(x.grad, [9, 9])


def test_backward_of_what_needs_none_is_refused() -> None:
    with pytest.raises(RuntimeError, match="no input of this tensor requires a gradient"):
        (Tensor([1.0]) * 2).backward()


def test_no_grad_leaves_no_tape_and_ends_with_its_block() -> None:
    x = leaf(1.0)
    with no_grad():
        y = x * 2
        with no_grad():
            pass
        assert not (x * 2).requires_grad
    assert y.node is None
    assert not y.requires_grad
    assert (x * 2).requires_grad


def test_no_grad_holds_for_its_own_thread_alone() -> None:
    x, seen = leaf(1.0), []

    def other() -> None:
        with backend.using("reference"):
            seen.append((x * 2).requires_grad)

    with no_grad():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert seen == [True]


def test_detach_stops_the_gradient() -> None:
    x = leaf(3.0)
    (x * x.detach()).sum().backward()
    np.testing.assert_array_equal(x.grad, [3.0])


def test_saved_arrays_are_let_go_after_the_walk() -> None:
    y = (leaf(1.0) * 2).sum()
    node = y.node
    y.backward()
    assert node is not None
    assert (node.saved, node.inputs) == (None, ())


def test_listeners_hear_of_each_op() -> None:
    heard: list[str] = []
    with tape.listening(lambda op, inputs, output: heard.append(op.name)):
        (leaf(1.0) * 2 + 1).sum()
    _ = leaf(1.0) * 2
    assert heard == ["Mul", "Add", "Sum"]


class Half(Op):
    """An op with two faults: the dtype of its output, the shape of its gradient."""

    def forward(self, k: Any, x: Any) -> tuple[Any, Any]:
        return x.astype("float32"), None

    def backward(self, k: Any, dy: Any, saved: Any, needs: Any) -> Any:
        return (dy[:1],)


def test_wrong_ops_are_found_out() -> None:
    with pytest.raises(TypeError, match="Half of float64 would give float32"):
        apply(Half(), leaf(1.0, 2.0))
    y = apply(Half(), leaf(1.0, 2.0, dtype=np.float32))
    with pytest.raises(ValueError, match=r"Half\.backward returned .* \(1,\), float32 for an"):
        y.backward(np.ones(2))


def test_an_op_without_a_pair_says_so() -> None:
    class Empty(Op):
        pass

    with pytest.raises(NotImplementedError, match="op Empty defines no forward"):
        apply(Empty(), leaf(1.0))
    with pytest.raises(NotImplementedError, match="op Empty defines no backward"):
        Empty().backward(backend.current().kernels, None, None, (True,))
