"""Convolutions fused with what follows, by every algorithm: against the plain kernels in sequence.

The sequence takes the same algorithm, so that all results are equal to the last bit.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kernels.case import Case, dtypes, make, run
from tests.kernels.cases import cases, conv_case
from tests.kernels.geometries import SAME, Conv, conv_geometries
from tests.kernels.sequences import in_sequence

pytest.importorskip("numba", reason="the cpu kernels need Numba, which is not installed")

from tests.kernels.algorithms import LARGE, applies, forced
from tests.kernels.fresh import assert_same_bits, in_plain_python
from tinyvision_kernels import cpu

ALGORITHMS = ("direct", "linewise", "winograd", "depthwise", "pointwise", "planar")
KERNELS = ("conv2d_relu", "conv2d_relu_max_pool")

each_kernel = pytest.mark.parametrize("kernel", KERNELS)
each_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS)

# Of bands with an even number of rows the last may have an odd one; patches of 4 x 4 reach over the
# edge by one, two and three rows; blocks of patches end within a row of them.
MORE = (
    Conv("odd rows and columns", (3, 21, 23, 16), (3, 3), 20, pad=SAME),
    Conv("patches over the edge", (2, 14, 22, 12), (3, 3), 33),
    Conv("many patches", (5, 31, 29, 13), (3, 3), 16, pad=SAME),
    Conv("long lines", (1, 5, 300, 3), (3, 3), 18, pad=SAME),
    Conv("groups", (2, 19, 18, 12), (3, 3), 57, pad=SAME, groups=3),
)


def suitable(kernel: str, algorithm: str, dtype: type) -> list[Case]:
    rng = np.random.default_rng(1)
    large = [conv_case(kernel, geometry, rng) for geometry in (*LARGE, *MORE)]
    return [case for case in (*cases(kernel), *large) if fits(algorithm, case, dtype)]


def fits(algorithm: str, case: Case, dtype: type) -> bool:
    return applies(algorithm, make("conv2d", case.id, {**case.inputs, **case.settings}), dtype)


def assert_equals_the_sequence(case: Case, algorithm: str, dtype: type) -> None:
    plain = {**cpu.TABLE, "conv2d": forced("conv2d", algorithm)}
    expected = in_sequence(case, plain, dtype)
    for name, value in run(case, forced(case.kernel, algorithm), dtype).items():
        np.testing.assert_array_equal(value, expected[name], f"[{case.id}] {name}")


@each_algorithm
@each_kernel
def test_equals_the_plain_kernels_one_after_another(kernel: str, algorithm: str):
    tried = 0
    for dtype in dtypes(kernel):
        for case in suitable(kernel, algorithm, dtype):
            assert_equals_the_sequence(case, algorithm, dtype)
            tried += 1
    assert tried


@each_algorithm
@each_kernel
def test_equals_them_for_any_geometry(kernel: str, algorithm: str):
    @settings(max_examples=25, deadline=None, derandomize=True)
    @given(conv_geometries(), st.integers(0, 2**32 - 1))
    def equals(geometry, seed):
        if algorithm == "winograd":
            groups, O = geometry.groups, geometry.O
            x = (*geometry.x[:3], geometry.x[3] // groups)
            geometry = Conv("random", x, (3, 3), O // groups, pad=(2, 3, 2, 3))
        if min(geometry.positions()) >= 2:
            case = conv_case(kernel, geometry, np.random.default_rng(seed))
            if fits(algorithm, case, np.float32):
                assert_equals_the_sequence(case, algorithm, np.float32)

    equals()


@each_algorithm
@each_kernel
def test_nan_goes_through_as_in_the_sequence(kernel: str, algorithm: str):
    for case in suitable(kernel, algorithm, np.float32):
        x = case.inputs["x"].copy()
        x[-1, x.shape[1] // 2, x.shape[2] // 3, -1] = np.nan
        holed = replace(case, inputs={**case.inputs, "x": x})
        assert_equals_the_sequence(holed, algorithm, np.float32)


def test_the_variance_of_large_numbers_keeps_its_digits():
    """Mean 1000 and deviation 1: the squares' mean has lost all digits of the variance."""
    rng = np.random.default_rng(2)
    case = conv_case("conv2d_statistics", Conv("", (8, 40, 41, 24), (3, 3), 24, pad=SAME), rng)
    w, bias = case.inputs["w"] / np.sqrt(9 * 24), 1000 + 10 * rng.random(24)
    case = replace(case, inputs={**case.inputs, "w": w, "b": bias})
    found = run(case, cpu.TABLE["conv2d_statistics"], np.float32)
    y = found["y"].astype(np.float64).reshape(-1, 24)
    assert 0.5 < y.std(axis=0).min() < y.std(axis=0).max() < 2
    np.testing.assert_allclose(found["mean"], y.mean(axis=0), 1e-6)
    inv_std = 1 / np.sqrt(y.var(axis=0) + case.settings["eps"])
    np.testing.assert_allclose(found["inv_std"], inv_std, 1e-5)


# --- threads, and plain Python -------------------------------------------------------------------


def digests() -> dict[str, str]:
    """Digest what every kernel computes by every algorithm."""
    return dict(_digests())


def _digests() -> Iterator[tuple[str, str]]:
    for kernel in KERNELS:
        for algorithm in ALGORITHMS:
            digest = hashlib.sha256()
            for case in suitable(kernel, algorithm, np.float32):
                for array in run(case, forced(kernel, algorithm), np.float32).values():
                    digest.update(array.tobytes())
            yield f"{kernel} {algorithm}", digest.hexdigest()


def test_same_bits_for_any_number_of_threads():
    assert_same_bits(digests)


def small_ones() -> None:
    rng = np.random.default_rng(4)
    small = Conv("small", (1, 5, 7, 3), (3, 3), 4, pad=(1, 1, 1, 0))
    single = Conv("by channel", (1, 4, 5, 3), (3, 2), 3, pad=(1, 1, 0, 1), groups=3)
    for kernel in KERNELS:
        for algorithm in ALGORITHMS:
            for geometry in (small, single):
                case = conv_case(kernel, geometry, rng)
                if fits(algorithm, case, np.float32):
                    assert_equals_the_sequence(case, algorithm, np.float32)


def test_in_plain_python():
    in_plain_python(small_ones)
