"""Splitting what is loaded: by groups and by hashes of names, and what cannot be."""

from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from tests.data.folders import fill, put
from tinyvision import data
from tinyvision.data import Dataset, Splits, load
from tinyvision.errors import DataError


def groups_in(part: Dataset) -> set[int]:
    """The gray of a picture is the number of its group."""
    return set(np.asarray(part.images)[:, 0, 0, 0].tolist())


def assert_uncut(splits: Splits, groups: int) -> None:
    found = [groups_in(part) for part in (splits.train, splits.val, splits.test)]
    assert all(found)
    assert sum(map(len, found)) == len(set.union(*found)) == groups


@pytest.fixture
def shops(tmp_path: Path) -> Path:
    """Two classes with the pictures of ten shops, a folder for each, and a broken one."""
    for i in range(80):
        shop = i % 10
        put(tmp_path / "shops" / "ab"[i % 2] / f"shop{shop}" / f"{i}.png", shop)
    (tmp_path / "shops" / "a" / "shop0" / "torn.png").write_bytes(b"")
    return tmp_path / "shops"


@pytest.mark.parametrize("groups", ["1", -1, r"shop(\d)", r"shop\d"])
@pytest.mark.parametrize("split", ["random", "hash"])
@pytest.mark.parametrize("cache", [False, True])
def test_a_folder_by_groups(shops, groups, split, cache, monkeypatch) -> None:
    monkeypatch.setenv("TINYVISION_CACHE", str(shops.parent / "cache"))
    splits = load(shops, size=(6, 6), groups=groups, split=split, val=0.3, seed=1, cache=cache)
    assert_uncut(splits, 10)
    assert len(splits.skipped) == 1


@pytest.mark.parametrize("split", ["random", "hash"])
def test_a_list_by_its_column(shops: Path, split: Literal["random", "hash"]) -> None:
    paths = sorted(shops.rglob("?.png")) + sorted(shops.rglob("??.png"))
    rows = "".join(f"{p.relative_to(shops)},{p.parts[-3]},{p.parts[-2]}\n" for p in paths)
    (shops / "list.csv").write_text(f"path,label,Shop\n{rows}")
    assert_uncut(load(shops / "list.csv", groups="shop", split=split, val=0.3, seed=1), 10)
    with pytest.raises(DataError, match=r"no column 'patient' to group by \(its columns are shop"):
        load(shops / "list.csv", groups="patient")


def test_a_hash_moves_nobody(tmp_path: Path) -> None:
    def parts(first: int, end: int) -> dict[int, str]:
        for i in range(first, end):
            put(tmp_path / "set" / "ab"[i % 2] / f"{i}.png", i)
        splits = load(tmp_path / "set", size=(6, 6), split="hash", seed=3)
        named = {"train": splits.train, "val": splits.val, "test": splits.test}
        return {i: name for name, part in named.items() for i in groups_in(part)}

    before = parts(0, 60)
    after = parts(60, 200)
    assert set(before.values()) == {"train", "val", "test"}
    assert before == {i: after[i] for i in before}
    assert load(tmp_path / "set", size=(6, 6), split="hash", seed=4).train.name == "set train"
    (tmp_path / "set").rename(tmp_path / "moved")  # the names are those below the folder
    splits = load(tmp_path / "moved", size=(6, 6), split="hash", seed=3)
    assert groups_in(splits.test) == {i for i, part in after.items() if part == "test"}


def test_a_part_that_is_there_is_kept(tmp_path: Path) -> None:
    for i in range(40):
        put(tmp_path / "train" / "ab"[i % 2] / f"p{i // 4}_{i}.png", i // 4)
    put(tmp_path / "test" / "a" / "0.png", 99)
    put(tmp_path / "test" / "b" / "0.png", 99)
    splits = load(tmp_path, size=(6, 6), groups=r"/p(\d)_", val=0.3)
    assert groups_in(splits.test) == {99}
    assert_uncut(splits, 11)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"groups": "patient"}, r"has no column 'patient' to group by \(it has none\); name a col"),
        ({"groups": "7"}, "no folder level 7"),
        ({"groups": r"q(\d)"}, "does not match"),
        ({"groups": "("}, "no regular expression"),
        ({"split": "date"}, "by 'random' or by 'hash', not by 'date'"),
    ],
)
def test_groups_that_are_not_there(shops: Path, options, fault: str) -> None:
    with pytest.raises(DataError, match=fault):
        load(shops, size=(6, 6), **options)


@pytest.mark.parametrize("kind", ["shapes", "arrays", "shards"])
@pytest.mark.parametrize("options", [{"groups": "-1"}, {"split": "hash"}])
def test_images_without_names(shops: Path, tmp_path: Path, kind: str, options) -> None:
    source: Path | str = kind
    if kind == "arrays":
        source = tmp_path / "a.npz"
        np.savez(source, images=np.zeros((4, 5, 5), np.uint8), labels=[0, 1, 0, 1])
    if kind == "shards":
        source = tmp_path / "packed"
        data.pack(shops, source)
    with pytest.raises(DataError, match=r"cannot be split by (groups|hash): .*; a folder or a li"):
        load(source, **options)


def test_groups_that_are_the_classes_are_refused(tmp_path):
    fill(tmp_path / "photos", cat=8, dog=8, fox=8)
    with pytest.raises(DataError, match=r"no image of the class '(cat|dog|fox)' is left"):
        load(tmp_path / "photos", size=(8, 8), groups=-1)
