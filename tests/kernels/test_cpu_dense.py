"""Dense layers large enough to be cut, in the ways that their sizes ask for."""

import numpy as np
import pytest

from tests.kernels.agreement import assert_agrees
from tests.kernels.case import Case, dtypes, make, run

pytest.importorskip("numba", reason="the cpu kernels need Numba, which is not installed")

from tests.kernels.fresh import in_plain_python
from tinyvision_kernels import cpu
from tinyvision_kernels.cpu import dense, one_row

KERNELS = ("dense", "dense_relu", "dense_dx", "dense_dw")
SIZES = {
    "a row": (1, 530, 200),
    "a row of few": (1, 9, 5),
    "a row of some": (1, 9, 40),
    "columns that stand where they are": (70, 530, 128),
    "crowded columns": (60, 530, 256),
    "crowded rows": (30, 2048, 33),
    "several teams of rows": (500, 20, 70),
    "a tall matrix": (900, 40, 50),
    "nothing": (0, 40, 50),
}


def case_of(kernel: str, size: str) -> Case:
    rng = np.random.default_rng(list(SIZES).index(size))
    N, I, O = SIZES[size]
    given = {"x": (N, I), "w": (I, O), "b": (O,), "dy": (N, O)}
    return make(kernel, size, {name: rng.standard_normal(shape) for name, shape in given.items()})


@pytest.mark.parametrize("size", [size for size in SIZES if size != "nothing"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_agrees_with_the_reference(kernel: str, size: str):
    for dtype in dtypes(kernel):
        assert_agrees(case_of(kernel, size), cpu.TABLE[kernel], dtype)


@pytest.mark.parametrize("kernel", KERNELS)
def test_no_images_at_all(kernel: str):
    for value in run(case_of(kernel, "nothing"), cpu.TABLE[kernel], np.float32).values():
        assert not value.any()


@pytest.mark.parametrize("size", ["columns that stand where they are", "crowded rows"])
def test_an_image_alone_has_the_bits_that_it_has_among_others(size: str):
    """So that what a model says of an image does not depend on its company."""
    case = case_of("dense_relu", size)
    arrays = {name: array.astype(np.float32) for name, array in case.inputs.items()}
    together = run(make("dense_relu", size, arrays), cpu.TABLE["dense_relu"], np.float32)["y"]
    for n in (0, 1, len(together) - 1):
        alone = make("dense_relu", size, {**arrays, "x": arrays["x"][n : n + 1]})
        y = run(alone, cpu.TABLE["dense_relu"], np.float32)["y"]
        np.testing.assert_array_equal(y[0], together[n])


def test_nan_survives_a_single_row():
    case = case_of("dense_relu", "a row")
    case.inputs["x"][0, 3] = np.nan
    assert np.isnan(run(case, cpu.TABLE["dense_relu"], np.float32)["y"]).all()


def small_pieces() -> None:
    """In plain Python, with pieces so small that small matrices are cut."""
    dense.DEPTH = one_row.DEPTH = 5
    dense.STRIP, dense.MOST_ROWS, one_row.SERIAL = dense.TALL, 2 * dense.TALL, 8
    rng = np.random.default_rng(3)
    for kernel in KERNELS:
        for N, I, O in [(1, 7, 67), (2 * dense.TALL + 2, 7, 3)]:
            given = {"x": (N, I), "w": (I, O), "b": (O,), "dy": (N, O)}
            arrays = {name: rng.standard_normal(shape) for name, shape in given.items()}
            assert_agrees(make(kernel, f"{N}x{I}x{O}", arrays), cpu.TABLE[kernel], np.float32)


def test_in_plain_python():
    in_plain_python(small_pieces)
