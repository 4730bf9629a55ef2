"""Comparisons of vectors and choices between them: each against NumPy, and against numbers."""

import operator

import numpy as np
import pytest

pytest.importorskip("numba", reason="the cpu kernels need Numba, which is not installed")

import numba

from tinyvision_kernels.cpu.jit import exact_formula_jit
from tinyvision_kernels.cpu.mask import (
    choose,
    load_bytes,
    load_first_bytes,
    store_bytes,
    store_first_bytes,
)
from tinyvision_kernels.cpu.vector import lane_count, load, store, zeros

both_precisions = pytest.mark.parametrize(
    "dtype", [np.float32, np.float64], ids=lambda dtype: dtype.__name__
)
compiled = numba.njit(fastmath={"contract"}, error_model="numpy")
ODD = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0]


def pairs(dtype):
    """Each odd number with each, as two arrays of whole vectors."""
    n = lane_count(np.empty(0, dtype))
    a, b = np.meshgrid(np.array(ODD, dtype), np.array(ODD, dtype))
    more = -a.size % n
    return np.pad(a.ravel(), (0, more)), np.pad(b.ravel(), (0, more))


@both_precisions
@pytest.mark.parametrize(
    "compare", [operator.gt, operator.le, operator.eq], ids=lambda f: f.__name__
)
def test_each_comparison_chooses_as_numpy_does(compare, dtype):
    formula = exact_formula_jit(lambda a, b: choose(compare(a, b), a + 1, 2 * b))

    @compiled
    def by_vectors(y, a, b):
        for i in range(0, a.size, lane_count(a)):
            store(y, i, formula(load(a, i), load(b, i)))

    @compiled
    def by_numbers(y, a, b):
        for i in range(a.size):
            y[i] = formula(a[i], b[i])

    a, b = pairs(dtype)
    expected = np.where(compare(a, b), a + 1, 2 * b)
    for run in (by_vectors, by_numbers):
        y = np.empty_like(a)
        run(y, a, b)
        np.testing.assert_array_equal(y, expected)


@both_precisions
def test_plain_numbers_take_the_type_of_the_other_side(dtype):
    formula = exact_formula_jit(lambda a: choose(a <= 0, 0, choose(a == 1, a, 7)))

    @compiled
    def by_vectors(y, a):
        for i in range(0, a.size, lane_count(a)):
            store(y, i, formula(load(a, i)))

    @compiled
    def by_numbers(y, a):
        for i in range(a.size):
            y[i] = formula(a[i])
        return formula(a[0])

    a, _ = pairs(dtype)
    expected = np.where(a <= 0, 0, np.where(a == 1, a, 7))
    for run in (by_vectors, by_numbers):
        y = np.empty_like(a)
        run(y, a)
        np.testing.assert_array_equal(y, expected)
    if hasattr(by_numbers, "nopython_signatures"):  # with the compiler switched off there is none
        assert by_numbers.nopython_signatures[0].return_type == numba.from_dtype(np.dtype(dtype))


@both_precisions
def test_bytes_become_vectors_and_bytes_again(dtype):
    @compiled
    def twice(y, numbers, x):
        for i in range(0, x.size, lane_count(x)):
            index = load_bytes(numbers, 1 + i, zeros(x))
            store(x, i, index)
            store_bytes(y, 1 + i, 2 * index)

    numbers = np.arange(1, 1 + 2 * 64, dtype=np.uint8)
    x, y = np.empty(64, dtype), np.zeros_like(numbers)
    twice(y, numbers, x)
    np.testing.assert_array_equal(x, numbers[1:65])
    assert y[0] == 0 and y[65] == 0
    np.testing.assert_array_equal(y[1:65], 2 * numbers[1:65])


@both_precisions
def test_the_first_bytes_alone(dtype):
    @compiled
    def copy(y, numbers, x, count):
        store_first_bytes(y, 3, load_bytes(numbers, 1, zeros(x)), count)
        store_bytes(y, 80, load_first_bytes(numbers, 1, count, zeros(x)))

    numbers, x = np.arange(100, 200, dtype=np.uint8), np.empty(0, dtype)
    n = lane_count(x)
    for count in (1, n - 1, n, n + 2):
        kept = min(count, n)
        y, expected = np.zeros(200, np.uint8), np.zeros(200, np.uint8)
        copy(y, numbers, x, count)
        expected[3 : 3 + kept] = expected[80 : 80 + kept] = numbers[1 : 1 + kept]
        np.testing.assert_array_equal(y, expected)
