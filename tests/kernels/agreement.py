"""Whether two implementations of a kernel agree, up to the rounding that its sums allow."""

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any

import ml_dtypes
import numpy as np

from tests.kernels.case import Case, is_float, make, run
from tinyvision_kernels import reference
from tinyvision_kernels.contract.fused_conv import OFF

HALF_ULP = ml_dtypes.finfo(ml_dtypes.bfloat16).eps / 2  # = 2^-8, of a number from 1 to 2
ULPS = 32  # rounding errors that an element may have gathered, in units of its last place
# Formulas that lose more: 1 - tanh^2 cancels where tanh is nearly one, and is multiplied by x^3.
CONDITION = {"gelu_dx": 8}
# Kernels that pool numbers of their own making -> the kernel that stops before it pools them.
BEFORE_POOLING = {
    "conv2d_relu_max_pool": "conv2d_relu",
    "batch_norm_apply_relu_max_pool": "batch_norm_apply_relu",
}


def assert_agrees(case: Case, implementation: Callable[..., None], dtype: Any, **how: Any) -> None:
    """Hold an implementation in ``dtype`` to the reference in float64 on the same inputs.

    ``how`` is handed on to :func:`case.run`. Integers must be equal, and NaN and infinities must
    stand in the same places.

    In bfloat16 products are exact and sums are float32, so their errors are those of float32. What
    is stored as bfloat16 is then rounded once, to 8 bits: by at most half a unit of the last of
    them, that is 2^-8 of a number just above a power of two, and less of all others. Two roundings,
    a sum in bfloat16, or digits cut off instead of rounded exceed that.
    """
    actual = run(case, implementation, dtype, **how)
    expected = run(case.astype(dtype), partial(reference.TABLE[case.kernel], np), np.float64)
    for name, value in expected.items():
        what = f"{case.kernel} [{case.id}] {name}"
        # Rounding errors of a sum add up like a random walk: with the root of its length.
        errors = CONDITION.get(case.kernel, 1) * np.sqrt(summands(case))
        if name == "argmax" and case.kernel in BEFORE_POOLING:
            actual[name] = _chosen(case.astype(dtype), actual).astype(dtype)
            value = expected["y"]
        _assert_close(what, actual[name], value, errors)


def _chosen(case: Case, actual: dict[str, np.ndarray]) -> np.ndarray:
    """What an argmax has chosen, as float64: the cell of the 2x2 window that it names, 0 for OFF.

    Of two cells that are equal but for rounding, it may name either.
    """
    np.testing.assert_array_equal(actual["argmax"] == OFF, ~(actual["y"] > 0), case.kernel)
    unpooled = make(
        BEFORE_POOLING[case.kernel], case.id, {**case.updates, **case.inputs, **case.settings}
    )
    z = run(unpooled, partial(reference.TABLE[unpooled.kernel], np), np.float64)["y"]
    N, H, W, C = z.shape
    windows = z[:, : H // 2 * 2, : W // 2 * 2].reshape(N, H // 2, 2, W // 2, 2, C)
    cells = windows.transpose(2, 4, 0, 1, 3, 5).reshape(4, N, H // 2, W // 2, C)
    off = np.where(np.isnan(actual["y"]), np.nan, 0)
    return np.choose(actual["argmax"], [*cells, off])


def _assert_close(what: str, actual: np.ndarray, expected: np.ndarray, errors: float) -> None:
    assert actual.shape == expected.shape, f"{what}: {actual.shape}, expected {expected.shape}"
    if not is_float(actual.dtype):
        np.testing.assert_array_equal(actual, expected, what)
        return
    rounded = actual.dtype.name == "bfloat16"
    precision = np.finfo(np.float32 if rounded else actual.dtype).eps
    actual, expected = actual.astype(np.float64), expected.astype(np.float64)
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(actual[~finite], expected[~finite], what)
    value = np.abs(expected[finite])
    # terms of a sum may be as large as the largest of the sums
    size = value.max() if errors > 1 and value.size else value
    error = np.abs(actual[finite] - expected[finite])
    allowed = ULPS * precision * errors * (1 + size) + (HALF_ULP * value if rounded else 0)
    # Written so that a NaN among the errors fails.
    wrong = ~(error <= allowed)
    assert not wrong.any(), (
        f"{what}: {wrong.sum()} of {error.size} elements differ, by up to {error.max():.3g} "
        f"where {np.max(allowed):.3g} is allowed"
    )


def summands(case: Case) -> int:
    """How many products or values are added up for the longest sum in a kernel's outputs."""
    shapes = {name: array.shape for name, array in case.inputs.items() if array is not None}
    first = next(iter(shapes.values()), ())
    match case.kernel:
        case "conv2d" | "conv2d_relu" | "conv2d_relu_max_pool":
            return prod(shapes["w"][:3])
        case "conv2d_statistics":
            (N, OH, OW, _), *_ = case.output_shapes()
            return max(prod(shapes["w"][:3]), N * OH * OW)
        case "conv2d_dx":
            KH, KW, _, O = shapes["w"]
            return KH * KW * O // case.settings["groups"]
        case "conv2d_dw" | "bias_grad" | "relu_bias_grad" | "relu_max_pool_bias_grad":
            return prod(shapes["dy"][:-1])
        case "dense" | "dense_relu" | "dense_dx":
            return first[1]
        case "dense_dw":
            return first[0]
        case "avg_pool2d" | "max_pool2d_dx" | "avg_pool2d_dx":
            return prod(case.settings["window"])
        case "upsample2d_dx":
            return prod(case.settings["factor"])
        case "global_avg_pool2d":
            return first[1] * first[2]
        case "softmax" | "softmax_dx" | "log_softmax" | "log_softmax_dx":
            return first[1]
        case "softmax_cross_entropy":
            return first[1]
        case "softmax_cross_entropy_dx":
            return shapes["probs"][1]
        case kernel if "norm" in kernel:
            return prod(shapes["x"]) // min(shapes["x"][0], shapes["x"][-1])
        case _:
            return 1
