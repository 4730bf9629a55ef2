"""Winograd's convolution: transforms against their matrices, kernels against float64."""

import hashlib
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kernels.cases import Case, conv_case, run
from tests.kernels.geometries import SAME, Conv

pytest.importorskip("numba", reason="the cpu kernels need Numba, which is not installed")

from tests.kernels.fresh import assert_same_bits, in_a_new_process
from tests.kernels.processors import each_older_processor, on_an_older_processor
from tinyvision_kernels import cpu, reference
from tinyvision_kernels.cpu import tile
from tinyvision_kernels.cpu.conv import transforms
from tinyvision_kernels.cpu.tile import PROCESSORS

KERNELS = ("conv2d", "conv2d_dx", "conv2d_dw")
LARGEST_ERROR = {"winograd": 2e-5, "direct": 2e-6}  # in float32, of the largest value

# The matrices of the method, as Lavin and Gray print them.
B_T = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
)
G = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / np.array(
    [[24], [24], [24], [24], [24], [24]]
)
A_T = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]])


@pytest.mark.parametrize(
    ("function", "matrix"),
    [
        (transforms.input_points, B_T),
        (transforms.weight_points, G),
        (transforms.outputs, A_T),
        (transforms.output_points, A_T.T),
        (transforms.weights, G.T),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_each_formula_is_its_matrix(function, matrix):
    for column in np.eye(matrix.shape[1]):
        np.testing.assert_allclose(function(*column), matrix @ column, atol=1e-15)


def test_the_matrices_convolve():
    rng = np.random.default_rng(0)
    d, w = rng.standard_normal(6), rng.standard_normal(3)
    direct = [d[i : i + 3] @ w for i in range(4)]
    np.testing.assert_allclose(A_T @ ((G @ w) * (B_T @ d)), direct)


def by(case: Case, algorithm: str) -> Case:
    """The same case, computed by one algorithm."""
    return replace(case, settings={**case.settings, "algorithm": algorithm})


def assert_accurate(
    kernel: str, geometry: Conv, seed: int = 0, algorithm: str = "winograd"
) -> None:
    case = conv_case(kernel, geometry, np.random.default_rng(seed))
    actual = run(by(case, algorithm), cpu.TABLE[kernel], np.float32)
    rounded = case.astype(np.float32)
    expected = run(rounded, partial(reference.TABLE[kernel], np), np.float64)
    for name, value in expected.items():
        error = np.abs(actual[name] - value).max()
        assert error <= LARGEST_ERROR[algorithm] * np.abs(value).max(), (
            f"{kernel} [{case.id}] {name}"
        )


EDGES = [
    Conv("one patch", (1, 6, 6, 16), (3, 3), 16),
    Conv("one pixel", (1, 1, 1, 1), (3, 3), 1, pad=SAME),
    Conv("one output", (2, 3, 3, 5), (3, 3), 7),
    Conv("rows and columns left over", (3, 9, 7, 16), (3, 3), 32, pad=SAME),
    Conv("channels that fill no vector", (2, 10, 11, 21), (3, 3), 37, pad=SAME),
    Conv("one channel to many", (2, 9, 9, 1), (3, 3), 70, pad=SAME),
    Conv("many channels to one", (2, 9, 9, 70), (3, 3), 1, pad=SAME),
    Conv("no padding", (2, 12, 8, 16), (3, 3), 16),
    Conv("more padding than the window", (1, 5, 6, 4), (3, 3), 17, pad=(3, 4, 5, 3)),
    Conv("uneven padding", (2, 8, 9, 16), (3, 3), 16, pad=(0, 2, 1, 0)),
    Conv("many blocks", (9, 24, 24, 32), (3, 3), 48, pad=SAME),
    Conv("several parts of dy", (2, 8, 8, 300), (3, 3), 130, pad=SAME),
]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("geometry", EDGES, ids=lambda geometry: geometry.id)
def test_edges(kernel: str, geometry: Conv):
    assert_accurate(kernel, geometry)


@pytest.mark.parametrize("kernel", KERNELS)
def test_any_geometry(kernel: str):
    @settings(max_examples=40, deadline=None, derandomize=True)
    @given(
        st.tuples(st.integers(1, 4), *[st.integers(1, 19)] * 2, st.integers(1, 40)),
        st.tuples(*[st.integers(0, 4)] * 4),
        st.integers(1, 70),
        st.integers(0, 2**32 - 1),
    )
    def accurate(x, pad, O, seed):
        N, H, W, C = x
        x = N, max(H, 3 - pad[0] - pad[1]), max(W, 3 - pad[2] - pad[3]), C
        assert_accurate(kernel, Conv("random", x, (3, 3), O, pad=pad), seed)

    accurate()


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("C", "H"), [(16, 32), (64, 16), (256, 8), (512, 8)])
@pytest.mark.parametrize("algorithm", LARGEST_ERROR)
def test_error_of_the_layers_of_real_networks(kernel: str, C: int, H: int, algorithm: str):
    geometry = Conv("real", (4, H, H, C), (3, 3), C, pad=SAME)
    assert_accurate(kernel, geometry, algorithm=algorithm)


def digest_of_the_edges(kernel: str) -> str:
    digest = hashlib.sha256()
    for geometry in EDGES:
        case = conv_case(kernel, geometry, np.random.default_rng(3))
        for array in run(by(case, "winograd"), cpu.TABLE[kernel], np.float32).values():
            digest.update(array.tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_same_bits_for_any_number_of_threads(kernel: str):
    assert_same_bits(digest_of_the_edges, kernel)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("algorithm", ["direct", "winograd"])
def test_no_images(kernel: str, algorithm: str):
    case = conv_case(
        kernel, Conv("none", (0, 9, 7, 16), (3, 3), 16, pad=SAME), np.random.default_rng(0)
    )
    (output,) = run(by(case, algorithm), cpu.TABLE[kernel], np.float32).values()
    np.testing.assert_array_equal(
        output, np.zeros((3, 3, 16, 16) if "dw" in kernel else (0, 9, 7, 16))
    )


@pytest.mark.parametrize("kernel", KERNELS)
def test_what_is_not_a_number_survives(kernel: str):
    """It may spread over its patch, unlike in the direct algorithm, but is never lost."""
    geometry = Conv("", (2, 12, 12, 16), (3, 3), 16, pad=SAME)
    case = conv_case(kernel, geometry, np.random.default_rng(1))
    kernel_of_cpu = cpu.TABLE[kernel]
    for name in [name for name, array in case.inputs.items() if name != "b"]:
        poisoned = case.inputs[name].copy()
        poisoned.flat[poisoned.size // 2] = np.nan
        direct, winograd = (
            run(
                by(replace(case, inputs={**case.inputs, name: poisoned}), algorithm),
                kernel_of_cpu,
                np.float32,
            )
            for algorithm in ("direct", "winograd")
        )
        for output, array in direct.items():
            assert np.isnan(array).any()
            assert np.isnan(winograd[output][np.isnan(array)]).all(), (name, output)


CHECK = (
    "import tests.kernels.test_winograd as t\n"
    "from tinyvision_kernels.cpu import tile\n"
    "assert tile.HOST == tile.PROCESSORS[{name!r}], tile.HOST\n"
    "for kernel in t.KERNELS:\n"
    "    t.assert_accurate(kernel, t.Conv('', {x}, (3, 3), {O}, pad=(1, 0, 1, 2)))\n"
)


@each_older_processor
def test_compiled_for_an_older_processor(name: str):
    on_an_older_processor(name, CHECK.format(name=name, x=(3, 9, 11, 21), O=37))


def test_in_plain_python():
    name = list(PROCESSORS)[list(PROCESSORS.values()).index(tile.HOST)]
    in_a_new_process(CHECK.format(name=name, x=(1, 5, 4, 2), O=3), NUMBA_DISABLE_JIT="1")
