"""Running an op forward and backward on any backend, and comparing what came out."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tests.ops.op_cases import OpCase
from tinyvision import backend
from tinyvision.ops.shape import GetItem
from tinyvision.tensor import Tensor, apply


@dataclass
class Result:
    """What an op gave: output, gradients of the inputs that have one, inputs as they are now."""

    y: np.ndarray
    gradients: list[np.ndarray]
    inputs: list[np.ndarray]


def rounded(case: OpCase, dtype: Any) -> list[np.ndarray]:
    """Copies of the inputs, the floating ones in ``dtype``."""
    return [a.astype(dtype) if a.dtype.kind == "f" else a.copy() for a in case.inputs]


def upstream(shape: tuple[int, ...]) -> np.ndarray:
    # in float32 exactly, so that it is the same for all
    return np.random.default_rng(5).standard_normal(shape).astype(np.float32)


def run(case: OpCase, dtype: Any, on: backend.Backend) -> Result:
    """Apply the op forward and backward on a backend."""
    with backend.using(on):
        tensors = [Tensor(on.asarray(a)) for a in rounded(case, dtype)]
        for i in case.differentiable():
            tensors[i].requires_grad = True
        y = apply(case.op, *tensors)
        y.backward(upstream(y.shape).astype(np.dtype(y.dtype)))
        gradients = [backend.to_host(tensors[i].grad) for i in case.differentiable()]
        return Result(y.numpy(), gradients, [t.numpy() for t in tensors])


def truth(case: OpCase, dtype: Any) -> Result:
    """The reference in float64, from inputs rounded alike: its own rounding is none of others'."""
    alike = OpCase(case.op, tuple(rounded(case, dtype)), case.constant)
    return run(alike, np.float64, backend.get("reference"))


def on_device(case: OpCase, device: backend.Backend) -> OpCase:
    """The case with the arrays among its settings (an index) on the device, where it reads them."""

    def moved(index: Any) -> Any:
        if isinstance(index, tuple):
            return tuple(map(moved, index))
        return device.asarray(index) if isinstance(index, np.ndarray) else index

    if not isinstance(case.op, GetItem):
        return case
    return replace(case, op=GetItem(moved(case.op.index)))


def assert_close(actual: Result, expected: Result, tolerance: float) -> None:
    pairs = [("y", actual.y, expected.y)]
    for i, (a, b) in enumerate(zip(actual.gradients, expected.gradients, strict=True)):
        pairs.append((f"gradient {i}", a, b))
    for i, (a, b) in enumerate(zip(actual.inputs, expected.inputs, strict=True)):
        pairs.append((f"input {i} afterwards", a, b))
    for what, a, b in pairs:
        assert a.shape == b.shape, what
        error = np.abs(a - b.astype(np.float64)).max(initial=0)
        assert error <= tolerance * max(1.0, np.abs(b).max(initial=0)), f"{what}: off by {error}"
