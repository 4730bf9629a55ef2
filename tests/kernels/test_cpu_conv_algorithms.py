"""Every algorithm of convolution by force, wherever it applies: against the reference, and threads.

``auto`` takes each of them for some geometries only; the rules are held by ``test_conv_choice.py``.
"""

import hashlib
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kernels.agreement import assert_agrees
from tests.kernels.cases import Case, cases, conv_case, run
from tests.kernels.geometries import SAME, Conv, conv_geometries

pytest.importorskip("numba", reason="the cpu kernels need Numba, which is not installed")

import numba

from tests.kernels.fresh import in_a_new_process
from tinyvision_kernels import cpu
from tinyvision_kernels.cpu.conv.choice import ALGORITHMS, choose

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

# Cut into several tasks, bands, strips and blocks, none of which come out even.
LARGE = (
    Conv("one channel", (3, 30, 37, 1), (3, 3), 21, pad=SAME),
    Conv("three channels, strided", (2, 67, 50, 3), (7, 5), 19, (2, 3), (3, 2, 2, 1)),
    Conv("dilated", (2, 41, 36, 5), (3, 4), 17, (1, 1), (2, 1, 3, 3), (2, 3)),
    Conv("many channels, strided", (1, 61, 19, 33), (3, 3), 40, (2, 2), SAME),
    Conv("small images", (11, 4, 5, 18), (3, 3), 35, (2, 1), SAME),
    Conv("deep", (2, 6, 5, 7), (2, 2), 800),
    Conv("padded on one side", (2, 6, 32, 3), (3, 3), 9, pad=(2, 0, 2, 0)),
    Conv("padded on the other side", (2, 6, 32, 3), (3, 3), 9, pad=(0, 2, 0, 2)),
    Conv("columns left over", (2, 9, 12, 5), (3, 3), 9, (2, 4), (0, 0, 1, 0)),
    Conv("pointwise", (5, 9, 11, 37), (1, 1), 45),
    Conv("by channel", (3, 26, 31, 21), (3, 3), 21, pad=SAME, groups=21),
    Conv("by channel, strided", (2, 33, 30, 40), (5, 3), 40, (2, 2), (2, 2, 1, 1), groups=40),
)


def applies(algorithm: str, case: Case, dtype: type) -> bool:
    """Ask the algorithm, with the geometry that its kernel would pass on."""
    seen = []

    def spy(direction, geometry, dtype, algorithm):
        seen.append((direction, geometry, np.dtype(dtype)))
        raise Asked

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tinyvision_kernels.cpu.conv.choose", spy)
        with pytest.raises(Asked):
            run(case, cpu.TABLE[case.kernel], dtype)
    try:
        choose(*seen[0], algorithm)
    except ValueError:
        return False
    return True


class Asked(Exception):  # noqa: N818
    """Ends a kernel's call before it computes."""


def forced(kernel: str, algorithm: str):
    return partial(cpu.TABLE[kernel], algorithm=algorithm)


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


def bits(threads: int) -> dict[str, str]:
    """Digest what every algorithm computes."""
    numba.set_num_threads(threads)
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
    code = (
        "import tests.kernels.test_cpu_conv_algorithms as t\n"
        "one = t.bits(1)\n"
        "for n in (2, 3, 7):\n"
        "    assert t.bits(n) == one, (n, t.bits(n), one)\n"
        "print(sorted(one.items()))"
    )
    seven = in_a_new_process(code, NUMBA_NUM_THREADS="7")
    assert seven == str(sorted(_digests()))


def test_in_plain_python():
    code = (
        "import numpy as np, tests.kernels.test_cpu_conv_algorithms as t\n"
        "rng = np.random.default_rng(4)\n"
        "small = t.Conv('small', (1, 5, 6, 3), (3, 2), 4, (2, 1), (1, 0, 1, 1), (1, 2))\n"
        "single = t.Conv('by channel', (1, 4, 5, 3), (3, 2), 3, pad=(1, 1, 0, 1), groups=3)\n"
        "for parameter in t.FORCED:\n"
        "    kernel, algorithm = parameter.values\n"
        "    for geometry in (small, single):\n"
        "        case = t.conv_case(kernel, geometry, rng)\n"
        "        if t.applies(algorithm, case, np.float32):\n"
        "            t.assert_agrees(case, t.forced(kernel, algorithm), np.float32)\n"
    )
    in_a_new_process(code, NUMBA_DISABLE_JIT="1")
