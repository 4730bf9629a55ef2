"""Every algorithm of convolution by force, wherever it applies: against the reference, and threads.

``auto`` takes each of them for some geometries only; the rules are held by ``test_conv_choice.py``.
"""

import hashlib
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kernels.agreement import assert_agrees
from tests.kernels.cases import cases, conv_case, run
from tests.kernels.geometries import Conv, conv_geometries

pytest.importorskip("numba", reason="the cpu kernels need Numba, which is not installed")

from tests.kernels.algorithms import LARGE, applies, forced
from tests.kernels.fresh import assert_same_bits, in_plain_python
from tinyvision_kernels.cpu.conv.choice import ALGORITHMS

KERNELS = {
    "conv2d": "forward",
    "conv2d_dx": "input_gradient",
    "conv2d_dw": "weight_gradient",
}
# Winograd's rounding has tests of its own, in test_winograd.py.
FORCED = [
    pytest.param(kernel, name, id=f"{kernel}-{name}")
    for name, module in ALGORITHMS.items()
    for kernel, direction in KERNELS.items()
    if name != "winograd" and hasattr(module, direction)
]
DTYPES = (np.float32, np.float64)

each_algorithm = pytest.mark.parametrize(("kernel", "algorithm"), FORCED)
both_precisions = pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)


@both_precisions
@each_algorithm
def test_agrees_with_the_reference(kernel: str, algorithm: str, dtype: type):
    rng = np.random.default_rng(1)
    suitable = [
        case
        for case in (*cases(kernel), *(conv_case(kernel, geometry, rng) for geometry in LARGE))
        if applies(algorithm, case, dtype)
    ]
    assert suitable
    for case in suitable:
        assert_agrees(case, forced(kernel, algorithm), dtype)


@both_precisions
@each_algorithm
def test_agrees_with_the_reference_for_any_geometry(kernel: str, algorithm: str, dtype: type):
    @settings(max_examples=40, deadline=None, derandomize=True)
    @given(conv_geometries(), st.integers(0, 2**32 - 1))
    def agrees(geometry, seed):
        case = conv_case(kernel, geometry, np.random.default_rng(seed))
        if applies(algorithm, case, dtype):
            assert_agrees(case, forced(kernel, algorithm), dtype)

    agrees()


@each_algorithm
def test_a_nan_stays_where_it_belongs(kernel: str, algorithm: str):
    """Where a vector is filled up with a neighbour's numbers, these must not leak."""
    rng = np.random.default_rng(2)
    for geometry in LARGE:
        case = conv_case(kernel, geometry, rng)
        if not applies(algorithm, case, np.float32):
            continue
        clean = run(case, forced(kernel, algorithm), np.float32)
        for name in ("x", "dy"):
            if name in case.inputs:
                array = case.inputs[name]
                array[0, array.shape[1] // 2, array.shape[2] // 3, -1] = np.nan
        expected = run(case, forced(kernel, "direct"), np.float32)
        for name, result in run(case, forced(kernel, algorithm), np.float32).items():
            np.testing.assert_array_equal(np.isnan(result), np.isnan(expected[name]), geometry.id)
            kept = ~np.isnan(result)
            np.testing.assert_array_equal(result[kept], clean[name][kept], geometry.id)


def digests() -> dict[str, str]:
    """Digest what every algorithm computes."""
    return dict(_digests())


def _digests() -> Iterator[tuple[str, str]]:
    for parameter in FORCED:
        kernel, algorithm = parameter.values
        rng = np.random.default_rng(3)
        digest = hashlib.sha256()
        for geometry in LARGE:
            case = conv_case(kernel, geometry, rng)
            for dtype in DTYPES:
                if applies(algorithm, case, dtype):
                    for array in run(case, forced(kernel, algorithm), dtype).values():
                        digest.update(array.tobytes())
        yield f"{kernel} {algorithm}", digest.hexdigest()


def test_same_bits_for_any_number_of_threads():
    assert_same_bits(digests)


def small_ones() -> None:
    rng = np.random.default_rng(4)
    small = Conv("small", (1, 5, 6, 3), (3, 2), 4, (2, 1), (1, 0, 1, 1), (1, 2))
    single = Conv("by channel", (1, 4, 5, 3), (3, 2), 3, pad=(1, 1, 0, 1), groups=3)
    for parameter in FORCED:
        kernel, algorithm = parameter.values
        for geometry in (small, single):
            case = conv_case(kernel, geometry, rng)
            if applies(algorithm, case, np.float32):
                assert_agrees(case, forced(kernel, algorithm), np.float32)


def test_in_plain_python():
    in_plain_python(small_ones)
