"""bfloat16: which arrays are in it, and that the reference rounds once, at the end, to nearest."""

from functools import partial

import ml_dtypes
import numpy as np
import pytest

from tests.kernels.agreement import assert_agrees
from tests.kernels.case import is_float
from tests.kernels.cases import cases, make, run
from tinyvision_kernels import reference
from tinyvision_kernels.contract import FLOAT32, KERNELS

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
NARROW = [name for name, contract in KERNELS.items() if contract.bfloat16]


@pytest.mark.parametrize("name", NARROW)
def test_arrays_are_bfloat16_unless_the_contract_names_them(name: str):
    case = cases(name)[0].astype(BFLOAT16)
    outputs = run(case, partial(reference.TABLE[name], np), BFLOAT16)
    for array, value in {**case.inputs, **case.updates, **outputs}.items():
        if value is not None and is_float(value.dtype):
            assert (value.dtype == np.float32) == (array in FLOAT32), array


def test_gradients_of_weights_and_biases_stay_float32():
    for kernel, output in [("conv2d_dw", "dw"), ("dense_dw", "dw"), ("bias_grad", "db")]:
        assert KERNELS[kernel].dtype(output, BFLOAT16) == "float32"
        assert KERNELS[kernel].dtype(output, np.dtype("float64")) == np.float64
    for kernel, output in [("conv2d", "y"), ("conv2d_dx", "dx"), ("dense_dx", "dx")]:
        assert KERNELS[kernel].dtype(output, BFLOAT16) == BFLOAT16


@pytest.mark.parametrize("name", NARROW)
def test_the_reference_agrees_with_float64(name: str):
    for case in cases(name):
        assert_agrees(case, partial(reference.TABLE[name], np), BFLOAT16)


@pytest.mark.parametrize("name", NARROW)
def test_the_reference_is_the_float32_result_rounded_once(name: str):
    kernel = partial(reference.TABLE[name], np)
    for case in cases(name):
        case = case.astype(BFLOAT16)
        wide = run(case, kernel, np.float32)
        for output, value in run(case, kernel, BFLOAT16).items():
            assert value.tobytes() == wide[output].astype(value.dtype).tobytes()


def dense(x: list[float], w: list[float]) -> float:
    case = make("dense", "", {"x": np.array([x]), "w": np.array(w)[:, None], "b": None})
    return run(case, partial(reference.TABLE["dense"], np), BFLOAT16)["y"].item()


def test_rounding_by_hand():
    # 8 bits: between 256 and 512 the whole even numbers
    assert dense([256, 1], [1, 1]) == 256  # 257 lies in the middle: to the one that ends on 0
    assert dense([258, 1], [1, 1]) == 260  # 259 likewise
    assert dense([256, 1, 2**-8], [1, 1, 1]) == 258  # just above the middle
    assert dense([256] + [1] * 64, [1] * 65) == 320  # in bfloat16 256 + 1 is 256, for ever
    assert dense([255], [255]) == 65024  # 65025, between 65024 and 65280


# What the bound must refuse, or the tests above and those of the cpu kernels could not fail.
def in_bfloat16(y, x, w, b):
    total = np.zeros(y.shape, BFLOAT16)
    for i in range(x.shape[1]):
        total += x[:, i : i + 1] * w[i]
    y[...] = total if b is None else total + b.astype(BFLOAT16)


def cut_off(y, x, w, b):
    exact = x.astype(np.float32) @ w.astype(np.float32) + (0 if b is None else b)
    y[...] = (exact.view(np.uint32) >> 16).astype(np.uint16).view(BFLOAT16)


def rounded_before_the_bias(y, x, w, b):
    product = (x.astype(np.float32) @ w.astype(np.float32)).astype(BFLOAT16)
    y[...] = product if b is None else (product.astype(np.float32) + b).astype(BFLOAT16)


@pytest.mark.parametrize("wrong", [in_bfloat16, cut_off, rounded_before_the_bias])
def test_the_bound_refuses_more_roundings_than_one(wrong):
    with pytest.raises(AssertionError, match="elements differ"):
        for case in cases("dense"):
            assert_agrees(case, wrong, BFLOAT16)
