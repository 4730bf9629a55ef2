"""Vectors as values: each operation, compiled and in plain Python, against NumPy."""

import ml_dtypes
import numpy as np
import pytest

pytest.importorskip("numba", reason="the cpu kernels need Numba, which is not installed")

import numba

from tests.kernels.fresh import in_a_new_process
from tinyvision_kernels.cpu.jit import FAST
from tinyvision_kernels.cpu.vector import (
    lane_count,
    load,
    load_first,
    splat,
    store,
    store_first,
    zeros,
)

both_precisions = pytest.mark.parametrize(
    "dtype", [np.float32, np.float64], ids=lambda dtype: dtype.__name__
)
compiled = numba.njit(fastmath=FAST, error_model="numpy")  # as helpers are, but for Python to call


@compiled
def everything(y, x, at):
    """One of each: vector with vector and with numbers of either type, from either side."""
    n = lane_count(x)
    a, b = load(x, at), load(x, at + n)
    total = zeros(x)
    for i in range(3):
        total = total + load(x, at + i)  # overlapping, unaligned
    store(y, 1, a - b)
    store(y, 1 + n, 4 * a - b * 0.5)
    store(y, 1 + 2 * n, splat(x, at + 2) * a)
    store(y, 1 + 3 * n, total)


def expected(y, x, at):
    n = lane_count(x)
    a, b = x[at : at + n], x[at + n : at + 2 * n]
    y[1 : 1 + n] = a - b
    y[1 + n : 1 + 2 * n] = 4 * a - b / 2
    y[1 + 2 * n : 1 + 3 * n] = x[at + 2] * a
    y[1 + 3 * n : 1 + 4 * n] = a + x[at + 1 : at + 1 + n] + x[at + 2 : at + 2 + n]


@both_precisions
def test_each_operation_on_small_integers_is_exact(dtype: type):
    x = np.random.default_rng(1).integers(-99, 100, 200).astype(dtype)
    y, wanted = np.full(200, np.nan, dtype), np.full(200, np.nan, dtype)
    everything(y, x, 5)
    expected(wanted, x, 5)
    np.testing.assert_array_equal(y, wanted)  # what lies beside has not changed


@both_precisions
def test_numbers_take_the_precision_of_the_vector(dtype: type):
    @compiled
    def thirds(y, x):
        store(y, 0, load(x, 0) * (1 / 3) + 0.1)

    x = np.random.default_rng(2).standard_normal(lane_count(np.empty(0, dtype))).astype(dtype)
    y = np.empty_like(x)
    thirds(y, x)
    # a fused multiply-add rounds once, not twice
    np.testing.assert_allclose(y, x * dtype(1 / 3) + dtype(0.1), atol=np.finfo(dtype).eps)


@compiled
def through_vectors(y, x):
    n = lane_count(x)
    for i in range(0, x.size - n, n):
        store(y, i, load(x, i))
    store_first(y, x.size - n, load_first(x, x.size - n, n - 1), n - 1)
    store_first(y, x.size - 1, splat(x, x.size - 1) + zeros(x), 1)


def test_bfloat16_are_vectors_of_float32():
    n = lane_count(np.empty(0, np.uint16))
    assert n == lane_count(np.empty(0, np.float32))
    rng = np.random.default_rng(3)
    bits = rng.integers(0, 2**16, 40 * n, dtype=np.uint16)  # of all sizes, denormal, NaN
    wide = np.empty(bits.size, np.float32)
    through_vectors(wide, bits)
    np.testing.assert_array_equal(wide, bits.view(ml_dtypes.bfloat16).astype(np.float32))
    wide = rng.integers(0, 2**32, 40 * n, dtype=np.uint32).view(np.float32)
    wide[: 20 * n].view(np.uint32)[:] &= 0xFFFF8000  # in the middle of two, or there already
    through_vectors(bits, wide)
    with np.errstate(invalid="ignore"):  # signalling NaN
        rounded = wide.astype(ml_dtypes.bfloat16).astype(np.float32)
    np.testing.assert_array_equal(bits.view(ml_dtypes.bfloat16).astype(np.float32), rounded)


@compiled
def copy_first(y, x, at, count):
    store_first(y, at, load(x, at), count)
    store(y, 40, load_first(x, at, count))


@both_precisions
def test_the_first_lanes_alone(dtype: type):
    x = np.arange(1, 31, dtype=dtype)
    n = lane_count(x)
    for count in (-3, 0, 1, n - 1, n, n + 2):
        y = np.full(99, np.nan, dtype)
        copy_first(y, x, 5, count)
        kept = min(max(count, 0), n)
        expected = np.full(99, np.nan, dtype)
        expected[5 : 5 + kept] = x[5 : 5 + kept]
        expected[40 : 40 + n] = 0
        expected[40 : 40 + kept] = x[5 : 5 + kept]
        np.testing.assert_array_equal(y, expected)


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="plain Python adds any two arrays")
def test_vectors_of_two_precisions_do_not_mix():
    @compiled
    def mixed(x, y):
        store(x, 0, load(x, 0) + load(y, 0))

    with pytest.raises(numba.TypingError):
        mixed(np.zeros(64, np.float32), np.zeros(64))


def test_in_plain_python():
    code = """
import numpy as np
import tests.kernels.test_vector as t
for dtype in (np.float32, np.float64):
    t.test_each_operation_on_small_integers_is_exact(dtype)
    t.test_numbers_take_the_precision_of_the_vector(dtype)
    t.test_the_first_lanes_alone(dtype)
t.test_bfloat16_are_vectors_of_float32()
"""
    in_a_new_process(code, NUMBA_DISABLE_JIT="1")
