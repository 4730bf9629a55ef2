"""bfloat16 in compiled kernels: by pairs where the processor multiplies them, else by float32.

Both ways run on a processor that has the first. ``agreement.py`` says how near the results must be.
"""

import hashlib
from functools import partial

import ml_dtypes
import numpy as np
import pytest

pytest.importorskip("numba", reason="the cpu kernels need Numba, which is not installed")

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kernels.agreement import HALF_ULP, assert_agrees
from tests.kernels.cases import Case, cases, conv_case, run
from tests.kernels.fresh import assert_same_bits, in_a_new_process, in_plain_python
from tests.kernels.geometries import Conv, conv_geometries
from tests.kernels.processors import on_an_older_processor
from tests.kernels.test_cpu_conv import SAME, call, conv_by_taps
from tests.kernels.test_winograd import EDGES, LARGEST_ERROR, by
from tinyvision_kernels import cpu, reference
from tinyvision_kernels.cpu import pairs, widen
from tinyvision_kernels.cpu.conv.choice import choose

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
PRODUCTS = ["conv2d", "conv2d_dx", "conv2d_dw", "dense", "dense_dx", "dense_dw"]


@pytest.fixture(params=["pairs", "float32"], autouse=True)
def way(request, monkeypatch) -> None:
    """Compute every test's products in both ways."""
    if request.param == "pairs" and not pairs.NATIVE:
        pytest.skip("this processor has no instruction for pairs of bfloat16")
    monkeypatch.setattr(pairs, "NATIVE", request.param == "pairs")
    choose.cache_clear()  # which depends on it


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=f"{name}-{case.id}") for name in PRODUCTS for case in cases(name)],
)
def test_agrees_with_the_reference(case: Case):
    assert_agrees(case, cpu.TABLE[case.kernel], BFLOAT16)


@pytest.mark.parametrize("kernel", ["conv2d", "conv2d_dx", "conv2d_dw"])
def test_convolution_of_any_geometry(kernel: str):
    @settings(max_examples=25, deadline=None, derandomize=True)
    @given(conv_geometries(), st.integers(0, 2**32 - 1))
    def agrees(geometry, seed):
        case = conv_case(kernel, geometry, np.random.default_rng(seed))
        assert_agrees(case, cpu.TABLE[kernel], BFLOAT16)

    agrees()


@pytest.mark.parametrize("kernel", ["conv2d", "conv2d_dx", "conv2d_dw"])
@pytest.mark.parametrize("geometry", EDGES, ids=lambda geometry: geometry.id)
def test_winograds_method_in_single_precision_between_load_and_store(kernel: str, geometry: Conv):
    case = conv_case(kernel, geometry, np.random.default_rng(0))
    actual = run(by(case, "winograd"), cpu.TABLE[kernel], BFLOAT16)
    expected = run(case.astype(BFLOAT16), partial(reference.TABLE[kernel], np), np.float64)
    for name, value in expected.items():
        allowed = LARGEST_ERROR["winograd"] * np.abs(value).max()
        if actual[name].dtype == BFLOAT16:
            allowed = allowed + HALF_ULP * np.abs(value)
        assert (np.abs(actual[name].astype(np.float64) - value) <= allowed).all(), name


# --- exact numbers: whole ones, whose products and float32 sums have no rounding -----------------


def whole(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(-4, 5, shape).astype(BFLOAT16)


def equal_once_rounded(actual: np.ndarray, exact: np.ndarray) -> None:
    """Hold numbers to the bit: nothing may be rounded but, where they are bfloat16, at the end."""
    np.testing.assert_array_equal(actual, exact.astype(actual.dtype))


@pytest.mark.parametrize("O", [1, 7, 16, 17, 32, 33])
@pytest.mark.parametrize("C", [1, 2, 3, 33])
def test_convolution_is_rounded_once(C: int, O: int):
    rng = np.random.default_rng(C * 100 + O)
    x, w, b = whole(rng, 3, 6, 5, C), whole(rng, 3, 2, C, O), rng.integers(-9, 9, O).astype("f4")
    exact = conv_by_taps(x.astype("f4"), w.astype("f4"), *SAME)
    equal_once_rounded(call("conv2d", x, w, b, *SAME), exact + b)
    equal_once_rounded(call("conv2d", x, w, None, *SAME), exact)
    dy = whole(rng, *exact.shape)
    dx = call("conv2d_dx", dy, w, (6, 5), *SAME)
    dw = call("conv2d_dw", x, dy, (3, 2), *SAME)
    assert dw.dtype == np.float32
    # in float32 these are exact, as test_cpu_conv.py shows
    wide = [a.astype("f4") for a in (x, w, dy)]
    equal_once_rounded(dx, call("conv2d_dx", wide[2], wide[1], (6, 5), *SAME))
    np.testing.assert_array_equal(dw, call("conv2d_dw", wide[0], wide[2], (3, 2), *SAME))


@pytest.mark.parametrize("groups", [3, 5])
def test_groups_of_odd_numbers_of_channels(groups: int):
    rng = np.random.default_rng(groups)
    how = ((2, 1), (1, 0, 2, 1), (1, 2), groups)
    x, w = whole(rng, 2, 7, 6, groups * 3), whole(rng, 3, 3, 3, groups * 5)
    exact = conv_by_taps(x.astype("f4"), w.astype("f4"), *how)
    equal_once_rounded(call("conv2d", x, w, None, *how), exact)
    dy = whole(rng, *exact.shape)
    wide = [a.astype("f4") for a in (x, w, dy)]
    equal_once_rounded(
        call("conv2d_dx", dy, w, (7, 6), *how), call("conv2d_dx", wide[2], wide[1], (7, 6), *how)
    )


@pytest.mark.parametrize(("N", "I", "O"), [(1, 1, 1), (1, 601, 33), (57, 5, 16), (130, 1100, 70)])
def test_dense_is_rounded_once(N: int, I: int, O: int):
    rng = np.random.default_rng(N)
    x, w, dy = whole(rng, N, I), whole(rng, I, O), whole(rng, N, O)
    b = rng.integers(-9, 9, O).astype("f4")
    wide_x, wide_w, wide_dy = (a.astype("f4") for a in (x, w, dy))
    equal_once_rounded(call("dense", x, w, b), wide_x @ wide_w + b)
    equal_once_rounded(call("dense_dx", dy, w), wide_dy @ wide_w.T)
    np.testing.assert_array_equal(call("dense_dw", x, dy), wide_x.T @ wide_dy)
    np.testing.assert_array_equal(call("bias_grad", dy), wide_dy.sum(0))


# --- NaN, infinity, working memory ---------------------------------------------------------------


def test_nan_reaches_its_windows_through_zero_weights_and_no_others():
    for C in (5, 6):
        x = np.ones((2, 6, 7, C), BFLOAT16)
        x[1, 2, 0, C - 1] = np.nan
        y = call("conv2d", x, np.zeros((3, 3, C, 6), BFLOAT16), None, *SAME)
        expected = np.zeros((2, 6, 7, 6), bool)
        expected[1, 1:4, 0:2] = True
        np.testing.assert_array_equal(np.isnan(y), expected)


def test_nan_in_one_image_reaches_the_weights_that_meet_it_and_no_others():
    # an odd number of images: the last one's partner is made up
    rng = np.random.default_rng(11)
    x, dy = whole(rng, 3, 8, 7, 4), whole(rng, 3, 8, 7, 10)
    expected = call("conv2d_dw", x, dy, (3, 3), *SAME)
    x[2, 0, 0, 1] = np.nan  # the corner: only the cells (0, 0) ... (1, 1) of a window reach it
    dw = call("conv2d_dw", x, dy, (3, 3), *SAME)
    broken = np.zeros(dw.shape, bool)
    broken[:2, :2, 1] = True
    np.testing.assert_array_equal(np.isnan(dw), broken)
    np.testing.assert_array_equal(dw[~broken], expected[~broken])


def test_infinity_stays_and_large_sums_become_it():
    largest = float(ml_dtypes.finfo(BFLOAT16).max)
    w = np.ones((2, 1), BFLOAT16)
    for row, total in [([np.inf, 1], np.inf), ([largest, 1], largest), ([largest] * 2, np.inf)]:
        assert call("dense", np.array([row], BFLOAT16), w, None) == total
    # more than half a unit above the largest bfloat16, though no infinite float32
    row = np.array([[largest, largest / 256]], BFLOAT16)
    assert np.isinf(call("dense", row, w, None).astype(float))


def test_what_a_call_leaves_in_working_memory_cannot_be_seen():
    rng = np.random.default_rng(7)
    poison, w = np.full((3, 9, 9, 41), np.nan, BFLOAT16), np.full((3, 3, 41, 41), np.nan, BFLOAT16)
    call("conv2d", poison, w, None, *SAME)
    call("conv2d_dx", poison, w, (9, 9), *SAME)
    call("conv2d_dw", poison, poison, (3, 3), *SAME)
    call("dense", poison.reshape(-1, 41), w.reshape(-1, 41)[:41], None)
    for C in (3, 4):
        x, w, dy = whole(rng, 3, 6, 5, C), whole(rng, 3, 3, C, 5), whole(rng, 3, 6, 5, 5)
        exact = conv_by_taps(x.astype("f4"), w.astype("f4"), *SAME)
        equal_once_rounded(call("conv2d", x, w, None, *SAME), exact)
        assert np.isfinite(call("conv2d_dx", dy, w, (6, 5), *SAME).astype("f4")).all()
        assert np.isfinite(call("conv2d_dw", x, dy, (3, 3), *SAME)).all()


# --- the conversions -----------------------------------------------------------------------------


def test_every_bfloat16_is_widened_exactly():
    every = np.arange(2**16, dtype=np.uint16).view(BFLOAT16)
    np.testing.assert_array_equal(widen.widened(every, "test"), every.astype(np.float32))


def test_numbers_are_rounded_to_nearest_even():
    rng = np.random.default_rng(3)
    numbers = rng.integers(0, 2**32, 200_000, dtype=np.uint32)  # of all sizes, denormal, NaN
    numbers[:100_000] &= 0xFFFF8000  # in the middle of two, or there already
    wide = numbers.view(np.float32)
    narrow = np.empty(wide.shape, BFLOAT16)
    widen.narrow(narrow, wide)
    with np.errstate(invalid="ignore"):  # signalling NaN
        expected = wide.astype(BFLOAT16).astype(np.float32)
    np.testing.assert_array_equal(narrow.astype(np.float32), expected)
    halfway = np.array([0x3F808000, 0x3F818000, 0x7F7F8000, 0x7FFFFFFF], np.uint32)
    widen.narrow(narrow[:4], halfway.view(np.float32))
    assert [hex(bits) for bits in narrow[:3].view(np.uint16)] == ["0x3f80", "0x3f82", "0x7f80"]
    assert np.isnan(narrow[3])


# --- threads, other processors, plain Python -----------------------------------------------------


def every_kernel() -> str:
    """Hash all results, of work cut into several bands, strips and slices."""
    rng = np.random.default_rng(9)
    x, dy, w, b = (
        rng.standard_normal(shape).astype(np.float32)
        for shape in ((7, 20, 18, 5), (7, 20, 18, 21), (3, 3, 5, 21), (21,))
    )
    x, dy, w = x.astype(BFLOAT16), dy.astype(BFLOAT16), w.astype(BFLOAT16)
    deep, flat, wide = w[:, :, :1, :5], x.reshape(-1, 90), dy.reshape(-1, 189)
    deep, wide_90 = np.ascontiguousarray(deep), np.ascontiguousarray(wide[:, :90])
    results = [
        call("conv2d", x, w, b, *SAME),
        call("conv2d_dx", dy, w, (20, 18), *SAME),
        call("conv2d_dw", x, dy, (3, 3), *SAME),
        call("bias_grad", dy),
        call("conv2d", x, deep, b[:5], *SAME[:3], 5),
        call("conv2d_dx", x, deep, (20, 18), *SAME[:3], 5),
        call("conv2d_dw", x, x, (3, 3), *SAME[:3], 5),
        call("dense", flat, wide[:90], None),
        call("dense_dx", flat, wide_90),
        call("dense_dw", flat, wide[: len(flat)]),
    ]
    return hashlib.sha256(b"".join(result.tobytes() for result in results)).hexdigest()


def test_same_bits_for_any_number_of_threads():
    assert_same_bits(every_kernel, setup=f"t.pairs.NATIVE = {pairs.NATIVE}")


def test_a_second_process_compiles_nothing():
    every_kernel()  # compiled by now, and so in the cache
    code = (
        "from tinyvision_kernels.cpu.jit import set_compile_hook\n"
        "compiled = []\n"
        "set_compile_hook(compiled.append)\n"
        "import tests.kernels.test_cpu_bfloat16 as t\n"
        f"t.pairs.NATIVE = {pairs.NATIVE}\n"
        "t.every_kernel()\n"
        "print(compiled)"
    )
    assert in_a_new_process(code) == "[]"


def small_cases(count: int) -> None:
    def size(case: Case) -> int:
        return sum(array.size for array in case.inputs.values() if array is not None)

    for name in PRODUCTS:
        for case in sorted(cases(name), key=size)[:count]:
            assert_agrees(case, cpu.TABLE[name], BFLOAT16)


def test_in_plain_python():
    in_plain_python(small_cases, 2, setup=f"t.pairs.NATIVE = {pairs.NATIVE}")


def test_a_processor_without_the_instruction_computes_in_float32():
    code = (
        "import tests.kernels.test_cpu_bfloat16 as t; assert not t.pairs.NATIVE; t.small_cases(3)"
    )
    on_an_older_processor("avx2", code)
