"""Every image is held out once; folds are even; groups are whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyvision.data import k_fold
from tinyvision.errors import DataError

SEEDS = st.integers(0, 2**31)


def held_out(folds, n):
    """Check that folds are complete and disjoint, and return the held parts."""
    for train, held in folds:
        assert sorted([*train, *held]) == list(range(n))
        assert (np.diff(train) > 0).all() and (np.diff(held) > 0).all()
    assert sorted(np.concatenate([held for _, held in folds]).tolist()) == list(range(n))
    return [held for _, held in folds]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(n=st.integers(2, 100), k=st.integers(2, 10), seed=SEEDS)
def test_plain(n, k, seed):
    k = min(k, n)
    sizes = [len(held) for held in held_out(k_fold(n, k, seed), n)]
    assert max(sizes) - min(sizes) <= 1


@settings(max_examples=40, deadline=None, derandomize=True)
@given(counts=st.lists(st.integers(2, 30), min_size=1, max_size=6), k=st.integers(2, 8), seed=SEEDS)
def test_stratified(counts, k, seed):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    k = min(k, len(labels))
    folds = held_out(k_fold(len(labels), k, seed, labels=labels), len(labels))
    table = np.array([np.bincount(labels[held], minlength=len(counts)) for held in folds])
    assert (np.ptp(table, axis=0) <= 1).all()
    assert np.ptp(table.sum(axis=1)) <= 1


@settings(max_examples=40, deadline=None, derandomize=True)
@given(sizes=st.lists(st.integers(1, 9), min_size=5, max_size=30), k=st.integers(2, 5), seed=SEEDS)
def test_grouped(sizes, k, seed):
    groups = np.repeat(np.arange(len(sizes)), sizes)
    held = held_out(k_fold(len(groups), k, seed, groups=groups), len(groups))
    found = [set(groups[fold].tolist()) for fold in held]
    assert sum(map(len, found)) == len(sizes) and all(found)
    assert max(map(len, held)) - len(groups) / k < max(sizes)


def test_the_order_of_the_images_tells_nothing_of_the_fold():
    (_, held), *_ = k_fold(1000, 5, 0)
    assert 440 < held.mean() < 560  # standard error 18
    assert len(np.unique(np.diff(held))) > 5
    assert held.tolist() == k_fold(1000, 5, 0)[0][1].tolist() != k_fold(1000, 5, 1)[0][1].tolist()


def test_refused():
    with pytest.raises(DataError, match="at least 2 folds, got 1"):
        k_fold(10, 1, 0)
    with pytest.raises(DataError, match="3 images cannot fill 4 folds"):
        k_fold(3, 4, 0)
    with pytest.raises(DataError, match="Class 5 has one image"):
        k_fold(3, 2, 0, labels=[4, 5, 4])
    with pytest.raises(DataError, match=r"3 images, but labels of shape \(2,\)"):
        k_fold(3, 2, 0, labels=[4, 5])
    with pytest.raises(DataError, match="3 images, but 2 groups"):
        k_fold(3, 2, 0, groups=[4, 5])
