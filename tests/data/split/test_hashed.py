"""An image's part follows from its key alone: adding, renaming and copying move nothing."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyvision.data import file_keys, hashed_split
from tinyvision.errors import DataError


def parts_of(keys, shares, seed=0):
    """Key to part."""
    parts = hashed_split(keys, shares, seed)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(keys)))
    return {keys[i]: p for p, part in enumerate(parts) for i in part}


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    keys=st.lists(st.text(), unique=True, max_size=40),
    more=st.lists(st.text(), max_size=10),
    weights=st.lists(st.integers(0, 9), min_size=1, max_size=4).filter(any),
    seed=st.integers(0, 2**64 - 1),
)
def test_adding_keys_moves_none_and_empty_shares_stay_empty(keys, more, weights, seed):
    shares = np.array(weights) / sum(weights)
    before = parts_of(keys, shares, seed)
    after = parts_of([*more, *reversed(keys)], shares, seed)
    assert all(after[key] == part for key, part in before.items())
    assert all(weights[part] > 0 for part in after.values())


def test_one_key_by_hand():
    u = int(hashlib.sha256(b"7:cat.jpg").hexdigest(), 16) / 2**256
    for share in (u - 1e-6, u + 1e-6):
        first, _ = hashed_split(["cat.jpg"], (share, 1 - share), 7)
        assert len(first) == (u < share)


def test_sizes_are_those_of_a_fair_draw():
    sizes = [len(part) for part in hashed_split(range(10_000), (0.7, 0.1, 0.2), 0)]
    for size, share in zip(sizes, (0.7, 0.1, 0.2), strict=True):
        assert abs(size - 10_000 * share) < 4 * np.sqrt(10_000 * share * (1 - share))


def test_seeds_give_other_splits():
    a, b = (hashed_split(range(100), (0.5, 0.5), seed)[0].tolist() for seed in (0, 1))
    assert a != b


def test_content_keys_outlive_renaming_and_hold_copies_together(tmp_path):
    for name, content in (("a", b"1"), ("b", b"2"), ("copy of a", b"1")):
        (tmp_path / name).write_bytes(content)
    a, b, copy = file_keys([tmp_path / "a", tmp_path / "b", tmp_path / "copy of a"])
    assert a == copy == hashlib.sha256(b"1").hexdigest() != b
    (tmp_path / "a").rename(tmp_path / "z")
    assert file_keys([tmp_path / "z"]) == [a]


def test_name_keys_are_relative_and_need_no_file(tmp_path):
    assert file_keys([tmp_path / "x" / "y.jpg"], "name", root=tmp_path) == ["x/y.jpg"]
    assert file_keys(["x/y.jpg"], "name") == ["x/y.jpg"]


def test_refused(tmp_path):
    with pytest.raises(DataError, match=r"gone.jpg cannot be read: No such file"):
        file_keys([tmp_path / "gone.jpg"])
    with pytest.raises(DataError, match="'content' or its 'name', not by 'date'"):
        file_keys(["a"], "date")
