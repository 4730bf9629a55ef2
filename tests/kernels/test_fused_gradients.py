"""Batch norm in two steps: its gradients by difference quotients, and PyTorch's word on both.

The statistics depend on x too, so that only both steps together have a gradient.
"""

import math
from functools import partial

import numpy as np
import pytest

from tests.kernels.case import make
from tests.kernels.cases import cases, run
from tinyvision_kernels import reference
from tinyvision_kernels.contract import KERNELS

REFERENCE = {name: partial(kernel, np) for name, kernel in reference.TABLE.items()}

both_precisions = pytest.mark.parametrize(
    "dtype", [np.float32, np.float64], ids=lambda dtype: dtype.__name__
)


def forward(kernel, given, dtype=np.float64):
    """Batch norm and what follows: its statistics and then the kernel that applies them."""
    C = given["x"].shape[-1]
    running = {"running_mean": np.zeros(C), "running_var": np.ones(C)}
    settings = {"eps": 1e-5, "momentum": 0.1}
    half = make("batch_norm_statistics", "", {**given, **running, **settings})
    statistics = run(half, REFERENCE["batch_norm_statistics"], dtype)
    known = {**given, "mean": statistics["mean"], "inv_std": statistics["inv_std"]}
    return {**known, **run(make(kernel, "", known), REFERENCE[kernel], dtype)}


BACKWARD = {
    "batch_norm_apply": "batch_norm_grad",
    "batch_norm_apply_relu": "batch_norm_relu_grad",
    "batch_norm_apply_relu_max_pool": "batch_norm_relu_max_pool_grad",
    "batch_norm_apply_add_relu": "batch_norm_add_relu_grad",
}


def inputs(kernel, shape, dtype=np.float64):
    rng = np.random.default_rng(5)
    given = {
        "x": 3 + 2 * rng.standard_normal(shape),
        "residual": rng.standard_normal(shape),
        "gamma": 1 + rng.random(shape[-1]),
        "beta": rng.standard_normal(shape[-1]),
    }
    wanted = KERNELS[kernel].inputs
    return {name: array.astype(dtype) for name, array in given.items() if name in wanted}


@pytest.mark.parametrize("shape", [(2, 3, 4, 6), (3, 5, 7, 17), (1, 2, 2, 1)], ids=str)
@pytest.mark.parametrize("kernel", BACKWARD)
def test_gradients_equal_difference_quotients(kernel, shape):
    rng = np.random.default_rng(6)
    given = inputs(kernel, shape)
    outputs = forward(kernel, given)
    dy = rng.standard_normal(outputs["y"].shape)
    backward = make(BACKWARD[kernel], "", {**outputs, "dy": dy})
    found = run(backward, REFERENCE[BACKWARD[kernel]], np.float64)
    for name, value in given.items():
        direction = rng.standard_normal(value.shape) / math.sqrt(value.size)
        ends = [forward(kernel, {**given, name: value + h * direction}) for h in (1e-5, -1e-5)]
        for end in ends:  # neither a kink of the ReLU nor another winner in between
            assert ((end["y"] > 0) == (outputs["y"] > 0)).all() or kernel == "batch_norm_apply"
            np.testing.assert_array_equal(end.get("argmax"), outputs.get("argmax"))
        slope = np.vdot(dy, ends[0]["y"] - ends[1]["y"]) / 2e-5
        error = abs(slope - np.vdot(found[f"d{name}"], direction))
        assert error < 1e-6 * (1 + np.linalg.norm(found[f"d{name}"])), f"{kernel}: d{name}"


@both_precisions
@pytest.mark.parametrize("kernel", BACKWARD)
def test_forward_and_gradients_equal_pytorchs(kernel, dtype):
    torch = pytest.importorskip("torch", reason="PyTorch, the independent witness, is missing")
    functional = torch.nn.functional
    given = inputs(kernel, (3, 5, 7, 17), dtype)
    outputs = forward(kernel, given, dtype)
    dy = np.random.default_rng(7).standard_normal(outputs["y"].shape).astype(dtype)
    backward = make(BACKWARD[kernel], "", {**outputs, "dy": dy})
    found = run(backward, REFERENCE[BACKWARD[kernel]], dtype)

    leaves = {name: torch.tensor(array).double().requires_grad_() for name, array in given.items()}
    x = leaves["x"].permute(0, 3, 1, 2)
    y = functional.batch_norm(x, None, None, leaves["gamma"], leaves["beta"], True, 0.1, 1e-5)
    if "residual" in leaves:
        y = y + leaves["residual"].permute(0, 3, 1, 2)
    if "relu" in kernel:
        y = torch.relu(y)
    if "max_pool" in kernel:
        y = functional.max_pool2d(y, 2)
    y = y.permute(0, 2, 3, 1)
    close = 1e-5 if dtype is np.float32 else 1e-10
    np.testing.assert_allclose(outputs["y"], y.detach().numpy(), 0, close)
    wanted = torch.autograd.grad(y, list(leaves.values()), torch.tensor(dy).double())
    for name, expected in zip(leaves, wanted, strict=True):
        size = max(1, float(expected.abs().max()))
        np.testing.assert_allclose(found[f"d{name}"], expected.numpy(), 0, close * size)


@both_precisions
def test_statistics_of_a_convolution_equal_pytorchs(dtype):
    torch = pytest.importorskip("torch", reason="PyTorch, the independent witness, is missing")
    for original in cases("conv2d_statistics"):
        case = original.astype(dtype)
        found = run(case, REFERENCE["conv2d_statistics"], dtype)
        y = torch.tensor(found["y"]).double().flatten(0, 2)
        running = [torch.tensor(array).double() for array in case.updates.values()]
        torch.nn.functional.batch_norm(y, *running, None, None, True, case.settings["momentum"])
        close = 1e-5 if dtype is np.float32 else 1e-10
        var, mean = torch.var_mean(y, dim=0, correction=0)
        inv_std = 1 / torch.sqrt(var + case.settings["eps"])
        np.testing.assert_allclose(found["mean"], mean, close, close)
        np.testing.assert_allclose(found["inv_std"], inv_std, close)
        np.testing.assert_allclose(found["running_mean"], running[0], close, close)
        np.testing.assert_allclose(found["running_var"], running[1], close, close)
