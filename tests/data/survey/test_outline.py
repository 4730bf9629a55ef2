"""A split without pixels is the split that a training makes."""

from pathlib import Path

import numpy as np
import pytest

from tests.data.folders import fill, paint
from tinyvision.data import load_folder, survey
from tinyvision.data.survey.outline import positions, some_of_each, split_outline
from tinyvision.errors import DataError


@pytest.mark.parametrize("parts", [("",), ("train", "test"), ("train", "val", "test")])
def test_the_parts_hold_the_images_that_loading_gives_them(
    tmp_path: Path, parts: tuple[str, ...]
) -> None:
    for i, part in enumerate(parts):
        for j in range(10 if i == 0 else 3):
            for k, label in enumerate(("class 10", "class 9")):
                paint(tmp_path / part / label / f"{j}.png", 100 * i + 10 * j + k, (8, 8))
    (tmp_path / parts[0] / "class 9" / "broken.png").write_bytes(b"")
    found = survey(tmp_path)
    outline, loaded = split_outline(found, "x"), load_folder(tmp_path, (8, 8))
    for part in ("train", "val", "test"):
        ours, theirs = getattr(outline, part), getattr(loaded, part)
        assert ours.classes == theirs.classes == ("class 9", "class 10")
        np.testing.assert_array_equal(ours.labels, theirs.labels)
        everything = some_of_each(found, ours, len(ours), (8, 8))
        order = np.argsort(theirs.labels, kind="stable")  # by class
        np.testing.assert_array_equal(everything.images, theirs.images[order])
    assert len(set(positions(outline.train).tolist())) == len(outline.train)


def test_what_has_vanished_is_left_out(tmp_path: Path) -> None:
    fill(tmp_path, a=4, b=4)
    found = survey(tmp_path)
    train = split_outline(found, "x").train
    for image in found.images[:4]:
        image.place.path.unlink()
    assert some_of_each(found, train, 8, (6, 6)).counts().tolist() == [0, len(train) // 2]


def test_too_few_to_split(tmp_path: Path) -> None:
    fill(tmp_path, a=1, b=3)
    with pytest.raises(DataError, match="'a' has one image"):
        split_outline(survey(tmp_path), "x")
