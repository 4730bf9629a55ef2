"""Some steps of training, by a plan and as eager has it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import tinyvision as tv
from tinyvision import backend, nn, optim, random
from tinyvision.tensor import Tensor


@dataclass
class Learned:
    """What some steps of training have left."""

    losses: list[float]
    outputs: list[np.ndarray]
    gradients: list[np.ndarray]
    state: dict[str, np.ndarray]


def learn(
    make: Callable[[], nn.Layer],
    batches: list[tuple[Any, Any]],
    *,
    plan: bool,
    loss: Any = None,
    dtype: Any = np.float32,
    on: str = "reference",
    lr: float = 0.01,
    **options: Any,
) -> Learned:
    """Train a new model on the batches by SGD."""
    loss = loss or nn.CrossEntropy()
    with backend.using(on):
        random.seed(7)
        model = make()
        if not model.built:
            model.build(batches[0][0].shape[1:], seed=3)
        model.astype(dtype)
        optimizer = optim.SGD(model, lr=lr)
        learned = Learned([], [], [], {})
        planned = tv.compile(model, train=True, loss=loss, **options) if plan else None
        for x, targets in batches:
            x = x.astype(dtype)
            if planned is not None:
                learned.losses.append(planned.step(x, targets))
                learned.outputs.append(planned.outputs[0].copy())
            else:
                outputs = model(Tensor(x))
                value = loss(outputs, targets)
                optimizer.zero_grad()
                value.backward()
                learned.losses.append(value.item())
                learned.outputs.append(outputs.numpy())
            learned.gradients.append(optimizer.memory.gradients.copy())
            optimizer.step()
        learned.state = model.state()
    return learned


def assert_same(planned: Learned, eager: Learned, *, sums_reordered: bool = False) -> None:
    """Fail unless two trainings agree in every bit, or about, where sums are taken in other orders.

    Those behind a fused pooling are (a bias's gradient, a norm's): over pooled cells, not pixels.
    """
    tolerance = 0.0
    if sums_reordered:
        tolerance = 1e-4 if eager.gradients[0].dtype == np.float32 else 1e-12
    for name in ("losses", "outputs", "gradients"):
        pairs = zip(getattr(planned, name), getattr(eager, name), strict=True)
        for i, (a, b) in enumerate(pairs):
            _assert_close(a, b, tolerance, f"{name} of step {i}")
    for path, value in eager.state.items():
        _assert_close(planned.state[path], value, tolerance, path)


def _assert_close(actual: Any, expected: Any, tolerance: float, what: str) -> None:
    if not tolerance:
        np.testing.assert_array_equal(actual, expected, err_msg=what)
    allowed = tolerance * max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=allowed, err_msg=what)
