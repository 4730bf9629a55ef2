"""Labels that a model doubts, with a judge whose answers follow from the pictures by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.data.folders import paint, put
from tinyvision.data import Judge, survey
from tinyvision.data.resize import load_image
from tinyvision.data.survey.doubts import Doubts
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
    assert steps == [(i, 7) for i in range(1, 8)]
    few = Doubts(JUDGE, most=1)
    for image in result.images:
        few.add(image, load_image(image.place.path, JUDGE.size, JUDGE.channels, JUDGE.fit))
    assert [f.place.path.name for f in few.findings(("dark", "light"))] == ["3.png", "0.png"]


def test_each_file_is_opened_once_with_and_without_a_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(3):
        paint(tmp_path / "dark" / f"{i}.jpg", i, (300, 200))
        paint(tmp_path / "light" / f"{i}.png", 10 + i, (20, 30))
    opened: list[str] = []
    really_open = Path.open

    def watched(path: Path, *arguments: Any, **options: Any) -> Any:
        opened.append(path.name)
        return really_open(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", watched)
    names = [f"{i}.{ending}" for ending in ("jpg", "png") for i in range(3)]
    for judge in (None, JUDGE):
        survey(tmp_path, judge=judge)
        assert sorted(opened) == sorted(names)
        opened.clear()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_judge_sees_what_a_prediction_sees(tmp_path: Path, channels: int) -> None:
    """To the bit, though a JPEG is decoded at a fraction of its size, and once for all checks."""
    for label in ("dark", "light"):
        for i, size in enumerate([(700, 600), (90, 300), (40, 40)]):
            paint(tmp_path / label / f"{i}.jpg", i, size)
    seen: list[np.ndarray] = []

    def remember(images: np.ndarray) -> np.ndarray:
        seen.append(images.copy())
        return np.full((len(images), 2), 0.5)

    judge = Judge(("dark", "light"), (40, 48), channels, "crop", remember)
    images = survey(tmp_path, judge=judge).images
    expected = [load_image(i.place.path, (40, 48), channels, "crop") for i in images]
    np.testing.assert_array_equal(np.concatenate(seen), np.stack(expected))


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
