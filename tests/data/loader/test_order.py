"""Orders of an epoch: complete, new each epoch, balanced where asked."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyvision.data.loader import order as orders
from tinyvision.data.loader.order import Balanced, InOrder, Shuffled
from tinyvision.errors import DataError
from tinyvision.random import permutation


def whole(order, e=0):
    rows = order.epoch(e)
    return np.concatenate([rows(i, i + 7) for i in range(0, len(order), 7)] or [[]]).tolist()


def test_in_order():
    assert whole(InOrder(10), 3) == list(range(10))


def test_up_to_a_million_are_sorted_random_keys():
    assert whole(Shuffled(50, 4), 2) == permutation(50, 4, "shuffle", 2).tolist()


def test_beyond_a_million_nothing_is_held(monkeypatch):
    monkeypatch.setattr(orders, "SORTED", 40)
    order = Shuffled(50, 4)
    assert sorted(whole(order, 0)) == list(range(50))
    sorted_keys = permutation(50, 4, "shuffle", 1).tolist()
    assert whole(order, 0) == whole(order, 0) != whole(order, 1) != sorted_keys


def test_the_last_stretch_is_as_long_as_there_are_images():
    for order in (InOrder(10), Shuffled(10, 0), Shuffled(orders.SORTED + 1, 0)):
        n = len(order)
        assert len(order.epoch(0)(n - 3, n + 5)) == 3


@settings(max_examples=40, deadline=None, derandomize=True)
@given(counts=st.lists(st.integers(0, 40), min_size=1, max_size=6).filter(any), e=st.integers(0, 9))
def test_balanced_classes_differ_by_one_and_images_come_in_turn(counts, e):
    labels = np.random.default_rng(e).permutation(np.repeat(np.arange(len(counts)), counts))
    rows = np.array(whole(Balanced(labels, 1), e))
    assert len(rows) == len(labels)
    seen = np.bincount(labels[rows], minlength=len(counts))[np.array(counts) > 0]
    assert np.ptp(seen) <= 1
    for c in np.unique(labels):
        times = np.bincount(rows[labels[rows] == c], minlength=len(labels))[labels == c]
        assert np.ptp(times) <= 1  # no image a second time before all came once


def test_balanced_epochs_and_seeds_differ():
    labels = np.array([0] * 90 + [1] * 10)
    first = whole(Balanced(labels, 0), 0)
    assert first == whole(Balanced(labels, 0), 0)
    assert first != whole(Balanced(labels, 0), 1) != whole(Balanced(labels, 1), 0) != first
    with pytest.raises(DataError, match="cannot be balanced where an image has any number"):
        Balanced(np.zeros((3, 2), bool), 0)
