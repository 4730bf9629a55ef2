"""What a fused kernel spares: the plain kernels that, one after another, compute the same."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tests.kernels.case import Arrays, Case, make, run
from tinyvision_kernels.contract.fused_conv import OFF, POOL

Known = dict[str, Any]  # arrays and settings by name
Call = Callable[..., Known]


def in_sequence(
    case: Case, table: Mapping[str, Callable[..., None]], dtype: Any
) -> dict[str, np.ndarray]:
    """Compute the outputs and updates of a fused case by plain kernels of ``table``."""
    known = {**case.updates, **case.inputs, **case.settings}

    def call(kernel: str, given: Known, **more: Any) -> Arrays:
        plain = make(kernel, case.id, {**given, **more})
        return run(plain, table[kernel], dtype)

    return SEQUENCES[case.kernel](call, known)


def _marked(pooled: Known) -> Known:
    """Pooled values of a ReLU, with the mark of those windows in which nothing is positive."""
    argmax = np.where(pooled["y"] > 0, pooled["argmax"], np.uint8(OFF))
    return {"y": pooled["y"], "argmax": argmax}


def _relu(call: Call, x: np.ndarray) -> Known:
    return call("relu", {"x": x})


def _relu_max_pool(call: Call, x: np.ndarray) -> Known:
    window, stride, pad = POOL
    positive = _relu(call, x)["y"]
    return _marked(call("max_pool2d", {"x": positive, "window": window}, stride=stride, pad=pad))


def _conv2d_statistics(call: Call, g: Known) -> Known:
    y = call("conv2d", g)["y"]
    ones = {"gamma": np.ones(y.shape[3]), "beta": np.ones(y.shape[3])}
    return {**call("batch_norm", g, x=y, **ones), "y": y}


def _batch_norm_statistics(call: Call, g: Known) -> Known:
    C = g["x"].shape[-1]
    taken = call("batch_norm", g, gamma=np.ones(C), beta=np.ones(C))
    return {name: value for name, value in taken.items() if name != "y"}


def _batch_norm_relu(call: Call, g: Known) -> Known:
    taken = call("batch_norm", g)
    return {**taken, **_relu(call, taken["y"])}


def _relu_bias_grad(call: Call, g: Known) -> Known:
    dz = call("relu_dx", g)["dx"]
    return {"dz": dz, **call("bias_grad", {"dy": dz})}


def _unpooled(call: Call, g: Known, size: tuple[int, int]) -> np.ndarray:
    """dz of the largest cell, where it is positive."""
    window, stride, pad = POOL
    off = g["argmax"] == OFF
    named = np.where(off, np.uint8(0), g["argmax"])
    positive = np.where(off, 0, g["dy"])
    how = {"size": size, "window": window, "stride": stride, "pad": pad}
    dz: np.ndarray = call("max_pool2d_dx", {"dy": positive, "argmax": named, **how})["dx"]
    return dz


def _relu_max_pool_bias_grad(call: Call, g: Known) -> Known:
    dz = _unpooled(call, g, g["size"])
    return {"dz": dz, **call("bias_grad", {"dy": dz})}


def _batch_norm_relu_grad(call: Call, g: Known) -> Known:
    y = call("batch_norm_apply", g)["y"]
    return call("batch_norm_grad", g, dy=call("relu_dx", g, y=y)["dx"])


def _batch_norm_add_relu_grad(call: Call, g: Known) -> Known:
    dz = call("relu_dx", g)["dx"]
    return {**call("batch_norm_grad", g, dy=dz), "dresidual": dz}


SEQUENCES: dict[str, Callable[[Call, Known], Known]] = {
    "conv2d_relu": lambda call, g: _relu(call, call("conv2d", g)["y"]),
    "conv2d_relu_max_pool": lambda call, g: _relu_max_pool(call, call("conv2d", g)["y"]),
    "conv2d_statistics": _conv2d_statistics,
    "dense_relu": lambda call, g: _relu(call, call("dense", g)["y"]),
    "relu_bias_grad": _relu_bias_grad,
    "relu_max_pool_bias_grad": _relu_max_pool_bias_grad,
    "batch_norm_statistics": _batch_norm_statistics,
    # y = (x - mean) * inv_std * gamma + beta is where batch_norm ends: its own test
    "batch_norm_apply_relu": lambda call, g: _relu(call, call("batch_norm_apply", g)["y"]),
    "batch_norm_apply_relu_max_pool": lambda call, g: _relu_max_pool(
        call, call("batch_norm_apply", g)["y"]
    ),
    "batch_norm_apply_add_relu": lambda call, g: call(
        "add_relu", {"x": call("batch_norm_apply", g)["y"], "residual": g["residual"]}
    ),
    "batch_norm_relu": _batch_norm_relu,
    "batch_norm_infer_relu": lambda call, g: _relu(call, call("batch_norm_infer", g)["y"]),
    "batch_norm_relu_grad": _batch_norm_relu_grad,
    "batch_norm_relu_max_pool_grad": lambda call, g: call(
        "batch_norm_grad", g, dy=_unpooled(call, g, g["x"].shape[1:3])
    ),
    "batch_norm_add_relu_grad": _batch_norm_add_relu_grad,
}
