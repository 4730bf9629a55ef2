"""Labels that a model doubts, with a judge whose answers follow from the pictures by hand."""

from pathlib import Path

import numpy as np
import pytest

from tests.data.folders import put
from tinyvision.data import Judge, survey
from tinyvision.data.survey.doubts import find_doubtful
from tinyvision.errors import DataError


def brightness(images: np.ndarray) -> np.ndarray:
    """P(light) is the brightness: 0 for black, 1 for white."""
    light = images.mean((1, 2, 3)) / 255
    return np.stack([1 - light, light], axis=1)


JUDGE = Judge(("dark", "light"), (4, 4), 1, "stretch", brightness)


def test_the_highest_losses_of_each_class_come_first(tmp_path: Path) -> None:
    for i, gray in enumerate([0, 102, 204, 255, 153]):
        put(tmp_path / "dark" / f"{i}.png", gray)
    put(tmp_path / "light" / "0.png", 51)
    put(tmp_path / "light" / "1.png", 250)
    steps: list[tuple[int, int]] = []
    result = survey(tmp_path, judge=JUDGE, progress=lambda *step: steps.append(step))
    doubts = result.of("doubtful label")
    names = [finding.place.path.relative_to(tmp_path).as_posix() for finding in doubts]
    # P(dark) of 204 is 0.2, of 255 is 0, of 153 is 0.4; P(light) of 51 is 0.2
    assert names == ["dark/3.png", "dark/2.png", "dark/4.png", "light/0.png"]
    assert doubts[1].reason == "it is labelled 'dark'; the model says 'light' 0.80, 'dark' 0.20"
    assert {finding.severity for finding in doubts} == {"warn"}
    assert steps == [(i, 7) for i in range(1, 8)] * 2
    few = find_doubtful(result.images, JUDGE, most=1)
    assert [f.place.path.name for f in few] == ["3.png", "0.png"]


def test_many_batches_agree_with_one_by_one(tmp_path: Path) -> None:
    grays = np.random.default_rng(0).integers(0, 256, 150)
    for i, gray in enumerate(grays):
        put(tmp_path / "dark" / f"{i}.png", int(gray))
    put(tmp_path / "light" / "0.png", 255)
    doubts = survey(tmp_path, judge=JUDGE).of("doubtful label")
    assert [int(f.place.path.stem) for f in doubts] == np.argsort(-grays, kind="stable")[
        :10
    ].tolist()


def test_a_model_of_other_classes(tmp_path: Path) -> None:
    put(tmp_path / "dark" / "0.png")
    put(tmp_path / "gray" / "0.png")
    calls: list[int] = []
    with pytest.raises(DataError, match="knows the classes dark, light, not gray"):
        survey(tmp_path, judge=JUDGE, progress=lambda done, total: calls.append(done))
    assert calls == []  # before hours of reading
