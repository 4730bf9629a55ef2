"""Floats as integers of the same order: every comparison, both ways, and where NaN lies."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="the cpu kernels need Numba, which is not installed")

import numba

from tinyvision_kernels.cpu.order import number_at_place, place_in_order

both_precisions = pytest.mark.parametrize(
    "dtype", [np.float32, np.float64], ids=lambda dtype: dtype.__name__
)


@numba.njit(error_model="numpy")
def compiled(places, back, x):
    for i in range(x.size):
        place = place_in_order(x[i])
        places[i] = place
        back[i] = number_at_place(place)


def by_python(places, back, x):
    for i, number in enumerate(x):
        places[i] = place_in_order(number)
        back[i] = number_at_place(places[i])


@both_precisions
@pytest.mark.parametrize("run", [compiled, by_python], ids=["compiled", "python"])
def test_places_are_ordered_as_their_numbers(run, dtype):
    tiny = np.finfo(dtype).smallest_subnormal
    some = np.random.default_rng(0).standard_normal(99) * 10.0 ** np.arange(-49, 50)
    x = np.array([-np.inf, -1e300, -1, -tiny, 0.0, tiny, 1, 1e300, np.inf, *some], np.float64)
    with np.errstate(over="ignore"):
        x = np.unique(x.astype(dtype))  # sorted
    places, back = np.empty(x.size, f"i{x.itemsize}"), np.empty_like(x)
    run(places, back, x)
    assert (places[1:] > places[:-1]).all()
    np.testing.assert_array_equal(back, x)


@both_precisions
@pytest.mark.parametrize("run", [compiled, by_python], ids=["compiled", "python"])
def test_nan_lies_beyond_the_infinity_of_its_sign(run, dtype):
    x = np.array([-np.nan, -np.inf, np.inf, np.nan], dtype)
    x[0] = np.copysign(x[0], -1)
    places, back = np.empty(4, f"i{x.itemsize}"), np.empty_like(x)
    run(places, back, x)
    assert (places[1:] > places[:-1]).all()
    assert np.isnan(back[[0, 3]]).all()
