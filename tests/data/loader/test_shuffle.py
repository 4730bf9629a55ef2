"""The shuffle in no memory is a bijection for every n, and looks like chance."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyvision.data.loader.shuffle import Shuffle


@settings(max_examples=150, deadline=None, derandomize=True)
@given(n=st.integers(1, 3000), seed=st.integers(0, 2**64 - 1), step=st.integers(0, 2**32 - 1))
def test_every_number_once_in_any_pieces(n, seed, step):
    shuffle = Shuffle(n, seed, "test", step)
    whole = shuffle(np.arange(n))
    assert np.array_equal(np.sort(whole), np.arange(n))
    cut = n // 3
    pieces = np.concatenate([shuffle(np.arange(cut)), shuffle(np.arange(cut, n))])
    assert np.array_equal(pieces, whole)


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_all_orders_of_few_are_equally_likely(n):
    draws = 6000
    counts = dict.fromkeys(permutations(range(n)), 0)
    for step in range(draws):
        counts[tuple(Shuffle(n, 1, "test", step)(np.arange(n)).tolist())] += 1
    expected = draws / len(counts)
    chi2 = sum((count - expected) ** 2 / expected for count in counts.values())
    freedom = len(counts) - 1
    assert chi2 < freedom + 4 * np.sqrt(2 * freedom) + 3  # about four standard deviations


def test_neighbours_part():
    order = Shuffle(100_000, 3, "test")(np.arange(100_000))
    assert abs(np.corrcoef(np.arange(100_000), order)[0, 1]) < 0.02  # six standard errors
    assert abs(np.corrcoef(order[:-1], order[1:])[0, 1]) < 0.02
    fixed = (order == np.arange(100_000)).sum()  # Poisson of mean 1
    assert fixed < 8
    low = np.bincount(order[:50_000] // 1000, minlength=100)  # hypergeometric: 500 +- 15.8
    assert abs(low - 500).max() < 80


def test_ten_billion_take_no_memory():
    shuffle = Shuffle(10**10, 0, "test")
    some = shuffle(np.array([0, 1, 2, 10**10 - 1]))
    assert len(set(some.tolist())) == 4 and (some >= 0).all() and (some < 10**10).all()
    assert some.tolist() == shuffle(np.array([0, 1, 2, 10**10 - 1])).tolist()


def test_seed_purpose_and_step_make_other_orders():
    orders = {
        tuple(Shuffle(50, *name)(np.arange(50)).tolist())
        for name in ((0, "a", 0), (1, "a", 0), (0, "b", 0), (0, "a", 1), (1 << 40, "a", 0))
    }
    assert len(orders) == 5
