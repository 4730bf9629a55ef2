from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinyvision.data.dataset import Dataset
from tinyvision.data.sheet import contact_sheet
from tinyvision.errors import DataError


def make(
    counts: list[int], size: tuple[int, int] = (8, 8), channels: int = 3, name: str = "class"
) -> Dataset:
    """Flat images; each has a gray of its own: 20, 21, 22 ..."""
    labels = np.repeat(np.arange(len(counts)), counts)
    grays = 20 + np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1, 1)
    images = np.broadcast_to(grays, (len(labels), *size, channels)).copy()
    return Dataset(images, labels, tuple(f"{name} {k}" for k in range(len(counts))), "toy set")


def draw(dataset: Dataset, folder: Path, per_class: int = 8) -> np.ndarray:
    contact_sheet(dataset, folder / "sheet.png", per_class)
    with Image.open(folder / "sheet.png") as page:
        assert page.format == "PNG" and page.mode == "RGB"
        return np.asarray(page)


def tiles(page: np.ndarray, side: tuple[int, int]) -> list[list[int]]:
    """Grays of the flat tiles of a size, row by row."""
    H, W = side
    gray = page[:, :, 0].astype(int)
    rows: dict[int, list[int]] = {}
    for y, x in np.argwhere((gray[1:, 1:] < 200) & (gray[:-1, 1:] == 255) & (gray[1:, :-1] == 255)):
        tile = page[y + 1 : y + 1 + H, x + 1 : x + 1 + W]
        if tile.shape == (H, W, 3) and (tile == tile[0, 0]).all():
            rows.setdefault(int(y), []).append(int(tile[0, 0, 0]))
    return [rows[y] for y in sorted(rows)]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_row_for_each_class_spread_over_the_class(tmp_path: Path, channels: int) -> None:
    page = draw(make([7, 2], channels=channels), tmp_path, per_class=3)
    assert tiles(page, (96, 96)) == [[20, 23, 26], [27, 28]]  # 8 pixels enlarged 12 times


def test_large_images_are_reduced_in_proportion(tmp_path: Path) -> None:
    page = draw(make([2, 2], size=(100, 200)), tmp_path)
    assert tiles(page, (48, 96)) == [[20, 21], [22, 23]]


def test_margins_are_clean_and_text_stays_left_of_the_images(tmp_path: Path) -> None:
    page = draw(make([3, 3], name="a class with a very long name indeed, too long"), tmp_path)
    ink = (page != 255).any(axis=2)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    assert rows[0] >= 30 and columns[0] >= 30
    assert page.shape[0] - 1 - rows[-1] >= 30 and page.shape[1] - 1 - columns[-1] >= 30
    assert page.shape[1] < 32 + 220 + 20 + 3 * 102 + 32  # the long names were shortened
    assert tiles(page, (96, 96)) == [[20, 21, 22], [23, 24, 25]]  # and no letter touches a tile


def test_a_class_without_images_keeps_its_row(tmp_path: Path) -> None:
    assert tiles(draw(make([2, 0, 1]), tmp_path), (96, 96)) == [[20, 21], [22]]


def test_many_classes_are_drawn_smaller(tmp_path: Path) -> None:
    page = draw(make([1] * 30, size=(32, 32)), tmp_path)
    assert len(tiles(page, (64, 64))) == 30


def test_names_in_other_scripts_do_not_break_it(tmp_path: Path) -> None:
    assert len(tiles(draw(make([1, 1], name="Größe 猫"), tmp_path), (96, 96))) == 2


def test_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be written to .*x\.png: No such file"):
        contact_sheet(make([1, 1]), tmp_path / "nowhere" / "x.png")
    with pytest.raises(DataError, match="toy set: a contact sheet takes at least 1 image"):
        contact_sheet(make([0, 0]), tmp_path / "x.png")
    with pytest.raises(DataError, match="got 2 images and 0 for each class"):
        contact_sheet(make([1, 1]), tmp_path / "x.png", per_class=0)


def test_some_images_with_the_counts_of_all_draw_the_same_page(tmp_path: Path) -> None:
    everything = make([20, 9])
    rows = [0, 2, 5, 8, 10, 13, 16, 19, 20, 21, 22, 23, 24, 25, 26, 28]  # 8 of each, spread
    page = draw(everything, tmp_path)
    contact_sheet(everything.subset(rows), tmp_path / "some.png", counts=everything.counts())
    with Image.open(tmp_path / "some.png") as some:
        np.testing.assert_array_equal(np.asarray(some), page)
