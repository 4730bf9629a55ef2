"""Every op, over random inputs: its derivatives, PyTorch's opinion, and other backends'.

Upstream gradients are random: with ones, a wrong gradient of softmax or batch norm would be as zero
as the right one.
"""

import importlib
import pkgutil
from typing import Any

import numpy as np
import pytest

from tests.kernels.strict_array import StrictError
from tests.ops.op_cases import ROWS, OpCase, all_cases
from tests.ops.op_runs import Result, assert_close, on_device, rounded, run, truth, upstream
from tests.ops.strict_backend import STRICT
from tinyvision import backend, ops
from tinyvision.gradient_check import gradcheck
from tinyvision.ops.dropout import Dropout
from tinyvision.ops.op import Op
from tinyvision.ops.precision import ToBfloat16, ToFloat32
from tinyvision.tensor import Tensor, apply

CASES = all_cases()
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
each_dtype = pytest.mark.parametrize(
    ("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 1e-5)], ids=["float64", "float32"]
)


def test_every_op_has_a_row() -> None:
    for module in pkgutil.iter_modules(ops.__path__, f"{ops.__name__}."):
        importlib.import_module(module.name)

    def family(op: type[Op]) -> set[type[Op]]:
        return {op}.union(*(family(sub) for sub in op.__subclasses__()))

    concrete = {op for op in family(Op) if "forward" in vars(op) and op is not Op}
    ours = {op for op in concrete if op.__module__.startswith("tinyvision.")}
    conversions = {ToBfloat16, ToFloat32}  # of fixed types: tests/plan/test_precision.py
    assert ours - conversions == set(ROWS)
    assert {type(case.op) for case in CASES} == set(ROWS), "a row without cases"


def test_every_case_has_a_name_of_its_own() -> None:
    assert len({case.id for case in CASES}) == len(CASES)


# --- derivatives ----------------------------------------------------------------------------------


@each_case
def test_gradients_are_those_of_the_function(case: OpCase) -> None:
    names = [f"input {i}" for i in range(len(case.inputs))]
    with backend.using("reference"):
        tensors = [Tensor(a) for a in rounded(case, np.float64)]
        for i in case.differentiable():
            tensors[i].requires_grad = True
        report = gradcheck(lambda *inputs: apply(case.op, *inputs), tensors, names=names)
    assert report.error < 1e-6
    assert [entry.kinks for entry in report.inputs] == [()] * len(case.differentiable())
    sizes = [case.inputs[i].size for i in case.differentiable()]
    assert [entry.elements for entry in report.inputs] == sizes


# --- PyTorch --------------------------------------------------------------------------------------


@each_dtype
@pytest.mark.parametrize(
    # PyTorch draws other random numbers; tests/functional holds dropout to what it promises
    "case",
    [case for case in CASES if not isinstance(case.op, Dropout)],
    ids=lambda case: case.id,
)
def test_agrees_with_pytorch(case: OpCase, dtype: Any, tolerance: float) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: no independent opinion")
    from tests.ops.torch_ops import TORCH

    assert set(TORCH) == set(ROWS) - {Dropout}
    # In float64 from the very inputs that we were given, rounded or not.
    given = rounded(case, dtype)
    peers = [torch.from_numpy(a.astype(np.float64) if a.dtype.kind == "f" else a) for a in given]
    for i in case.differentiable():
        peers[i].requires_grad_()
    y = TORCH[type(case.op)](case.op, *peers)
    y.backward(torch.from_numpy(upstream(tuple(y.shape)).astype(np.float64)))
    gradients = [peers[i].grad.numpy() for i in case.differentiable()]
    expected = Result(y.detach().numpy(), gradients, [p.detach().numpy() for p in peers])
    assert_close(run(case, dtype, backend.get("reference")), expected, tolerance)


# --- backends -------------------------------------------------------------------------------------


@each_dtype
@each_case
def test_cpu_agrees_with_reference(case: OpCase, dtype: Any, tolerance: float) -> None:
    pytest.importorskip("numba", reason="Numba is not installed: there is no cpu backend")
    actual = run(case, dtype, backend.get("cpu"))
    assert_close(actual, truth(case, dtype), tolerance)
    assert actual.y.dtype == run(case, dtype, backend.get("reference")).y.dtype


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
@each_case
def test_runs_on_an_array_module_that_converts_nothing(case: OpCase, dtype: Any) -> None:
    """As CuPy would: no NumPy array slips in, and Python asks for no value."""
    there = on_device(case, STRICT)
    if case.waits:  # known to, and said so
        with pytest.raises(StrictError, match="waits for the device"):
            run(there, dtype, STRICT)
        return
    actual, expected = run(there, dtype, STRICT), run(case, dtype, backend.get("reference"))
    assert actual.y.tobytes() == expected.y.tobytes()
    for a, b in zip(actual.gradients, expected.gradients, strict=True):
        assert a.tobytes() == b.tobytes()


# --- shapes and dtypes ----------------------------------------------------------------------------


@each_case
def test_strided_inputs_give_the_same(case: OpCase) -> None:
    reference = backend.get("reference")
    expected = run(case, np.float64, reference)
    with backend.using(reference):
        tensors = []
        for i, array in enumerate(rounded(case, np.float64)):
            # every other element of a twice as large array, back to front
            wide = np.repeat(array[..., None], 2, axis=-1).T.copy().T[..., 1]
            updated = i in case.constant and case.op.name == "BatchNorm"
            tensor = Tensor(array)
            tensor.data = array if updated else wide
            tensors.append(tensor)
        for i in case.differentiable():
            tensors[i].requires_grad = True
        y = apply(case.op, *tensors)
        y.backward(upstream(y.shape).astype(np.float64))
    np.testing.assert_allclose(y.numpy(), expected.y, rtol=1e-12, atol=1e-12)
    for i, gradient in zip(case.differentiable(), expected.gradients, strict=True):
        np.testing.assert_allclose(tensors[i].grad, gradient, rtol=1e-12, atol=1e-12)


@each_case
def test_flops_are_a_count(case: OpCase) -> None:
    shapes = tuple(a.shape for a in case.inputs)
    y = run(case, np.float64, backend.get("reference")).y
    flops = case.op.flops(shapes, y.shape)
    assert isinstance(flops, int)
    assert flops >= 0
