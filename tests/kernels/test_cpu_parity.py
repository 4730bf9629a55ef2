"""Every compiled kernel against the reference: all cases, both precisions, any geometry."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kernels.agreement import assert_agrees
from tests.kernels.cases import Case, cases, conv_case, dtypes, make, pool_case, run
from tests.kernels.geometries import conv_geometries, pool_geometries

pytest.importorskip("numba", reason="the cpu kernels need Numba, which is not installed")

from tinyvision_kernels import cpu
from tinyvision_kernels.contract import KERNELS

DTYPES = (np.float32, np.float64)
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)

both_precisions = pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)


def test_every_compiled_kernel_is_in_the_contract():
    assert set(cpu.TABLE) <= set(KERNELS)


@pytest.mark.parametrize(
    ("case", "dtype"),
    [
        pytest.param(case, dtype, id=f"{name}-{case.id}-{dtype.__name__}")
        for name in cpu.TABLE
        for case in cases(name)
        for dtype in dtypes(name)
    ],
)
def test_agrees_with_the_reference(case: Case, dtype: type):
    assert_agrees(case, cpu.TABLE[case.kernel], dtype)


@pytest.mark.parametrize("name", ["crop_images", "warp_images", "mix_images"])
def test_images_in_bfloat16_are_those_in_float32_rounded_once(name: str):
    for case in cases(name):
        case = case.astype(BFLOAT16)  # levels, which crop_images looks up, are rounded before
        (wide,) = run(case, cpu.TABLE[name], np.float32).values()
        (narrow,) = run(case, cpu.TABLE[name], BFLOAT16).values()
        assert narrow.dtype == BFLOAT16
        assert narrow.tobytes() == wide.astype(BFLOAT16).tobytes()


@both_precisions
@pytest.mark.parametrize("smoothing", [0.0, 0.5, 1.0])
def test_impossible_classes_cost_nothing_unless_they_are_wanted(smoothing: float, dtype: type):
    logits = np.full((2, 3), -np.inf)
    logits[:, 1] = 0.5
    given = {"logits": logits, "labels": np.array([1, 2]), "weights": None, "smoothing": smoothing}
    case = make("softmax_cross_entropy", "logits of -inf", given)
    assert_agrees(case, cpu.TABLE[case.kernel], dtype)
    losses = run(case, cpu.TABLE[case.kernel], dtype)["losses"]
    np.testing.assert_array_equal(losses, [np.inf if smoothing else 0, np.inf])


def own(*names: str) -> list[str]:
    return [name for name in names if name in cpu.TABLE]


@both_precisions
@pytest.mark.parametrize("kernel", own("conv2d", "conv2d_dx", "conv2d_dw"))
def test_convolution_of_any_geometry(kernel: str, dtype: type):
    @settings(max_examples=40, deadline=None, derandomize=True)
    @given(conv_geometries(), st.integers(0, 2**32 - 1))
    def agrees(geometry, seed):
        case = conv_case(kernel, geometry, np.random.default_rng(seed))
        assert_agrees(case, cpu.TABLE[kernel], dtype)

    agrees()


@both_precisions
@pytest.mark.parametrize(
    "kernel", own("max_pool2d", "max_pool2d_dx", "avg_pool2d", "avg_pool2d_dx")
)
def test_pooling_of_any_geometry(kernel: str, dtype: type):
    @settings(max_examples=40, deadline=None, derandomize=True)
    @given(pool_geometries(), st.integers(0, 2**32 - 1))
    def agrees(geometry, seed):
        case = pool_case(kernel, geometry, np.random.default_rng(seed))
        assert_agrees(case, cpu.TABLE[kernel], dtype)

    agrees()
