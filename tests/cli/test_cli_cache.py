"""Decoded images kept by ``--cache``, and what ``tinyvision cache`` tells of them."""

import shutil
from pathlib import Path

import pytest

from tests.cli.test_cli_train import QUICK
from tests.train.small import stripe_folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TINYVISION_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "decoded"


def test_a_training_has_the_same_bytes_with_and_without_the_cache(tinyvision, stripes, cache):
    paths = [
        tinyvision("train", stripes, *QUICK, *words, "--json").json["path"]
        for words in ([], ["--cache"], ["--cache"])
    ]
    plain, first, again = (Path(path).read_bytes() for path in paths)
    assert plain == first == again
    assert len(list(cache.glob("*.npy"))) == 1
    for part in ("test", "all"):
        plain, mapped = (
            tinyvision("evaluate", paths[0], stripes, "--part", part, *words, "--json").json
            for words in ([], ["--cache"])
        )
        assert plain == mapped
    assert len(list(cache.glob("*.npy"))) == 1


def test_nothing_is_written_unasked(tinyvision, stripes, cache):
    assert tinyvision("train", stripes, *QUICK).code == 0
    assert not cache.exists()


def test_a_run_goes_on_with_the_cache(tinyvision, stripes, cache):
    path = tinyvision("train", stripes, *QUICK, "--json").json["path"]
    last = Path(path).with_name("last.safetensors")
    done = tinyvision("train", "--resume", last, "--cache")
    assert "is the end of a run" in done.err  # not: leave out --cache


def test_what_is_kept_is_listed_and_cleared(tinyvision, tmp_path, cache):
    folder = stripe_folder(tmp_path / "stripes", per_class=5)
    assert tinyvision("cache").out == f"0 decoded sets in {cache}\n"
    tinyvision("train", folder, *QUICK, "--cache")
    facts = tinyvision("cache", "--json").json
    (path,) = cache.glob("*.npy")
    kept = {"path": str(path), "source": str(folder), "images": 15, "bytes": path.stat().st_size}
    assert facts == {"folder": str(cache), "sets": [kept]}
    assert f" MB  15 images  {folder}\n1 decoded set in {cache}\n" in tinyvision("cache").out
    shutil.rmtree(folder)  # a source that has gone is still listed
    assert tinyvision("cache", "--clear", "--json").json["freed"] > kept["bytes"]
    assert list(cache.iterdir()) == []


def test_a_named_set_needs_none(tinyvision):
    done = tinyvision("train", "shapes", *QUICK, "--cache")
    assert done.code == 1
    assert done.err.endswith(
        "shapes comes with its images decoded, and needs no cache of them: that is for folders, "
        "lists and shards.\n"
    )
