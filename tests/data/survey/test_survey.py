import hashlib
import json
import os
import shutil
import tracemalloc
from pathlib import Path

import pytest
from PIL import Image

from tests.data.folders import fill, paint, put
from tinyvision.data import survey
from tinyvision.errors import DataError


def test_counts_sizes_modes_and_formats(tmp_path: Path) -> None:
    for i, size in enumerate([(6, 8), (6, 8), (10, 4), (20, 2)]):
        put(tmp_path / "a" / f"{i}.png", size=size)
    for i in range(2):
        path = tmp_path / "b" / f"{i}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 6)).save(path)
    steps: list[tuple[int, int]] = []
    found = survey(tmp_path, progress=lambda *step: steps.append(step))
    assert found.total == 6
    assert found.counts == {"all": {"a": 4, "b": 2}}
    assert list(found.sizes.items()) == [((6, 8), 4), ((10, 4), 1), ((20, 2), 1)]
    assert found.heights == (6, 6, 20)  # of 6 6 6 6 10 20
    assert found.widths == (2, 8, 8)  # of 2 4 8 8 8 8
    assert found.modes == {"L": 4, "RGB": 2}
    assert found.formats == {"PNG": 4, "JPEG": 2}
    assert found.broken == () and found.problems == ()
    assert steps == [(i, 6) for i in range(1, 7)]


def test_the_lower_median_of_an_even_number(tmp_path: Path) -> None:
    for i, height in enumerate([3, 5, 7, 9]):
        put(tmp_path / "ab"[i % 2] / f"{i}.png", size=(height, 4))
    assert survey(tmp_path).heights == (3, 5, 9)


def test_broken_files_and_json(data_root: Path, tmp_path: Path) -> None:
    shutil.copytree(data_root / "odd-images", tmp_path / "odd")
    fill(tmp_path, plain=2)
    found = json.loads(json.dumps(survey(tmp_path).to_dict()))
    assert found["counts"] == {"all": {"odd": 17, "plain": 2}}
    assert found["total"] == 19
    assert found["sizes"]["128x128"] == 6
    assert found["modes"]["CMYK"] == 1
    reasons = {Path(file["path"]).name: file["reason"] for file in found["broken"]}
    assert len(reasons) == 9
    assert reasons["made_empty.jpg"] == "the file is empty"
    assert "cut short" in reasons["truncated_jpeg.jpg"]  # its header alone looks fine


def test_problems_are_findings_not_failures(tmp_path: Path) -> None:
    fill(tmp_path, a=1)
    (tmp_path / "a" / "0.png").write_bytes(b"")
    found = survey(tmp_path)
    assert found.total == 0 and found.heights is None and found.widths is None
    one_class, unusable = found.problems
    assert "has one class, 'a'" in one_class
    assert "'a' has no usable images" in unusable
    assert json.dumps(found.to_dict())


def test_ready_parts(tmp_path: Path) -> None:
    fill(tmp_path / "train", a=3, b=2)
    fill(tmp_path / "test", a=1)
    found = survey(tmp_path)
    assert found.counts == {"train": {"a": 3, "b": 2}, "test": {"a": 1}}
    assert found.problems == ()


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no folder"):
        survey(tmp_path / "nowhere")


def test_a_class_that_cannot_be_learnt_is_a_problem(tmp_path: Path) -> None:
    fill(tmp_path / "train", a=3, b=2)
    fill(tmp_path / "test", c=1)
    (problem,) = survey(tmp_path).problems
    assert "its test part has the class 'c', which its training part lacks" in problem


def test_json_says_all_of_a_finding(tmp_path: Path) -> None:
    paint(tmp_path / "train" / "a" / "0.png", 0)
    copied = tmp_path / "test" / "b" / "0.png"
    copied.parent.mkdir(parents=True)
    shutil.copy(tmp_path / "train" / "a" / "0.png", copied)
    found = json.loads(json.dumps(survey(tmp_path).to_dict()))
    content = copied.read_bytes()
    assert found["checks"]["duplicate"] == 1 and found["checks"]["broken"] == 0
    (finding,) = found["findings"]
    assert finding == {
        "check": "duplicate",
        "severity": "warn",
        "path": str(tmp_path / "train" / "a" / "0.png"),
        "part": "train",
        "label": "a",
        "reason": f"it is the same file as {copied}, which is labelled 'b', not 'a', and lies in "
        "the test part",
        "other": {"path": str(copied), "part": "test", "label": "b"},
        "leak": True,
        "conflict": True,
        "sha256": hashlib.sha256(content).hexdigest(),
    }


@pytest.mark.parametrize("cores", [1, 7])
def test_the_same_for_any_number_of_threads(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int
) -> None:
    shutil.copytree(data_root / "odd-images", tmp_path / "odd")
    plain = survey(tmp_path)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert survey(tmp_path) == plain


def test_no_pixels_are_kept(tmp_path: Path) -> None:
    for i in range(120):
        put(tmp_path / "a" / f"{i}.png", i, (400, 500))  # 600 kB of RGB each, 72 MB together
    survey(tmp_path)  # what is imported is not counted
    tracemalloc.start()
    try:
        found = survey(tmp_path)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.total == 120
    assert kept < 1_000_000 and peak < 30_000_000
