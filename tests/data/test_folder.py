import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from tests.data.folders import BROKEN, fill, put
from tinyvision.data.folder import load_folder, read_folder
from tinyvision.data.images import decode
from tinyvision.data.preprocess import Preprocess
from tinyvision.data.threads import in_threads
from tinyvision.errors import DataError


def values(images: np.ndarray) -> list[int]:
    """The gray of flat images."""
    assert (images == images[:, :1, :1, :1]).all()
    return images[:, 0, 0, 0].tolist()


def test_images_and_labels(tmp_path: Path) -> None:
    data, skipped = read_folder(fill(tmp_path / "pets", dogs=3, cats=2), (4, 5), 1)
    assert data.name == "pets"
    assert data.classes == ("cats", "dogs")
    assert data.image_shape == (4, 5, 1)
    assert values(data.images) == [0, 1, 0, 1, 2]
    assert data.labels.tolist() == [0, 0, 1, 1, 1]
    assert skipped == ()


def test_fit_and_channels_are_passed_on(tmp_path: Path) -> None:
    for i in range(2):
        put(tmp_path / "a" / f"{i}.png", 90, size=(6, 12))
        put(tmp_path / "b" / f"{i}.png", 90, size=(6, 12))
    padded, _ = read_folder(tmp_path, (8, 8), 3, "pad")
    assert (padded.images[:, 2:6] == 90).all()
    assert (padded.images[:, :2] == 0).all() and (padded.images[:, 6:] == 0).all()
    assert values(read_folder(tmp_path, (8, 8), 1, "crop")[0].images) == [90] * 4


def test_progress_counts_every_file(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    read_folder(fill(tmp_path, a=3, b=2), progress=lambda *step: seen.append(step))
    assert seen == [(i, 5) for i in range(1, 6)]


def test_broken_files_are_left_out_and_listed(tmp_path: Path) -> None:
    fill(tmp_path, a=3, b=3)
    (tmp_path / "a" / "1.png").write_bytes(b"")
    (tmp_path / "b" / "gone.png").symlink_to(tmp_path / "nowhere")
    put(tmp_path / "lost.png")
    data, skipped = read_folder(tmp_path, (4, 4), 1)
    assert values(data.images) == [0, 2, 0, 1, 2]
    assert data.labels.tolist() == [0, 0, 1, 1, 1]
    assert [(Path(file.path).name, file.reason) for file in skipped] == [
        ("lost.png", "it lies beside the class folders, so its class is unknown"),
        ("1.png", "the file is empty"),
        ("gone.png", "there is no such file"),
    ]


def test_a_folder_of_odd_images(data_root: Path, tmp_path: Path) -> None:
    shutil.copytree(data_root / "odd-images", tmp_path / "odd")
    fill(tmp_path, plain=3)
    data, skipped = read_folder(tmp_path)
    assert data.counts().tolist() == [17, 3]
    assert {Path(file.path).name for file in skipped} == BROKEN
    assert len(skipped) == len(BROKEN)


def test_a_file_is_the_same_in_training_and_prediction(data_root: Path, tmp_path: Path) -> None:
    photo = data_root / "odd-images" / "flower.jpg"
    for name in ("a/0.jpg", "a/1.jpg", "b/0.jpg", "b/1.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(photo, tmp_path / name)
    data, _ = read_folder(tmp_path, (20, 30), 3, "crop")
    steps = Preprocess.measure(data, "crop")
    np.testing.assert_array_equal(steps.batch(data.images[:1])[0], steps.file(photo))


def test_real_photos(data_root: Path) -> None:
    splits = load_folder(data_root / "photos" / "sign-digits", (32, 32), seed=1)
    assert splits.classes == tuple("0123456789")
    assert [len(part) for part in (splits.train, splits.val, splits.test)] == [1442, 207, 411]
    assert splits.skipped == ()
    whole = splits.train.counts() + splits.val.counts() + splits.test.counts()
    assert whole.tolist() == [205, 206, 206, 206, 207, 207, 207, 204, 208, 204]
    # The 3024 x 3024 photo lies on its side (EXIF orientation 6).  Wherever the split put it,
    # the picture decoded in full, turned and averaged block by block must be among the images.
    (large,) = [
        path
        for path in (data_root / "photos" / "sign-digits").rglob("*.JPG")
        if path.stat().st_size > 500_000
    ]
    full = decode(large, 3)
    assert full.shape == (3024, 3024, 3)
    blocks = full[:3008, :3008].reshape(32, 94, 32, 94, 3).mean(axis=(1, 3))  # (h, 94, w, 94, C)
    every = np.concatenate([splits.train.images, splits.val.images, splits.test.images])
    distances = np.abs(every - blocks).mean(axis=(1, 2, 3))
    nearest, second = np.sort(distances)[:2]
    assert nearest < 4 < second


# ---------------------------------------------------------------- ready parts


def test_ready_parts_are_kept(tmp_path: Path) -> None:
    root = tmp_path / "pets"
    fill(root / "train", a=4, b=3)
    fill(root / "validation", a=2)  # lacks b
    fill(root / "test", a=1, b=1)
    (root / "test" / "b" / "bad.png").write_bytes(b"")
    splits = load_folder(root, (4, 4), 1)
    parts = (splits.train, splits.val, splits.test)
    assert [part.name for part in parts] == ["pets train", "pets validation", "pets test"]
    assert [part.counts().tolist() for part in parts] == [[4, 3], [2, 0], [1, 1]]
    assert values(splits.train.images) == [0, 1, 2, 3, 0, 1, 2]
    assert [Path(file.path).name for file in splits.skipped] == ["bad.png"]


@pytest.mark.parametrize(
    ("ready", "sizes"),
    [
        (["train"], [14, 2, 4]),
        (["train", "val"], [16, 20, 4]),
        (["train", "test"], [18, 2, 20]),
    ],
)
def test_missing_parts_are_split_off_the_training_part(
    tmp_path: Path, ready: list[str], sizes: list[int]
) -> None:
    for part in ready:
        fill(tmp_path / part, a=10, b=10)
    splits = load_folder(tmp_path, (4, 4), 1)
    assert [len(part) for part in (splits.train, splits.val, splits.test)] == sizes


def test_a_test_folder_of_unlabelled_images_is_no_test_part(tmp_path: Path) -> None:
    fill(tmp_path / "train", a=10, b=10)
    put(tmp_path / "test" / "0.png")
    (tmp_path / "val" / "a").mkdir(parents=True)
    splits = load_folder(tmp_path, (4, 4), 1)
    assert [len(part) for part in (splits.train, splits.val, splits.test)] == [14, 2, 4]
    assert [file.path for file in splits.skipped] == [str(tmp_path / "test" / "0.png")]


def test_reading_a_divided_folder_as_one_set_is_refused(tmp_path: Path) -> None:
    for part in ("train", "test"):
        fill(tmp_path / part, a=2, b=2)
    with pytest.raises(DataError, match="is divided into train and test folders; load it with"):
        read_folder(tmp_path)
    assert len(read_folder(tmp_path / "train")[0]) == 4


def test_a_test_class_that_was_never_trained_on(tmp_path: Path) -> None:
    fill(tmp_path / "train", a=2, b=2)
    fill(tmp_path / "test", a=2, c=2)
    with pytest.raises(DataError, match=r"0\.png is of the class 'c', which is none of.*\(a, b\)"):
        load_folder(tmp_path)


def test_given_classes_fix_the_order_and_need_not_all_be_there(tmp_path: Path) -> None:
    data, _ = read_folder(fill(tmp_path, a=1, b=2), classes=("c", "b", "a"), min_per_class=1)
    assert data.classes == ("c", "b", "a")
    assert data.labels.tolist() == [2, 1, 1]
    with pytest.raises(DataError, match="is of the class 'b', which is none of the known"):
        read_folder(tmp_path, classes=("c", "a"), min_per_class=1)


# ---------------------------------------------------------------- refused


def test_one_class(tmp_path: Path) -> None:
    fill(tmp_path / "pets", cats=2)
    with pytest.raises(DataError, match=r"pets has one class, 'cats'.*add a sub-folder for each"):
        read_folder(tmp_path / "pets")
    fill(tmp_path / "pets", dogs=2)
    with pytest.raises(DataError, match=r"has one class, 'pets'.*did you mean .*pets\?$"):
        load_folder(tmp_path)  # one level too high


@pytest.mark.parametrize("read", [read_folder, load_folder])
def test_classes_with_too_few_images(tmp_path: Path, read: object) -> None:
    assert callable(read)
    fill(tmp_path, a=3, b=1)
    with pytest.raises(DataError, match=r"class 'b' has 1 usable image, and at least 2 are needed"):
        read(tmp_path)
    (tmp_path / "b" / "0.png").write_bytes(b"")
    with pytest.raises(DataError, match="'b' has no usable images, since its only file cannot be"):
        read(tmp_path)
    (tmp_path / "b" / "0.png").unlink()
    with pytest.raises(DataError, match="'b' has no usable images, since its folder is empty"):
        read(tmp_path)


def test_a_training_folder_without_classes(tmp_path: Path) -> None:
    fill(tmp_path / "train", a=3)
    (tmp_path / "test").mkdir()
    with pytest.raises(DataError, match="has one class, 'a'"):
        load_folder(tmp_path)


def test_wrong_settings_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    fill(tmp_path, a=2, b=2)
    with pytest.raises(DataError, match="A size is"):
        read_folder(tmp_path, (0, 4))
    with pytest.raises(DataError, match="1 channel"):
        read_folder(tmp_path, (4, 4), 2)
    with pytest.raises(DataError, match="'squeeze'"):
        read_folder(tmp_path, (4, 4), 1, "squeeze")  # type: ignore[arg-type]


def test_an_interrupt_stops_reading(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_folder(fill(tmp_path, a=50, b=50), progress=interrupt)


def test_threads_are_only_a_little_ahead_of_the_reader() -> None:
    begun: list[int] = []

    def work(i: int) -> int:
        begun.append(i)
        return i * i

    results = in_threads(work, range(10_000), None)
    assert [next(results) for _ in range(5)] == [0, 1, 4, 9, 16]
    time.sleep(0.05)  # time in which threads without a limit would go on
    assert len(begun) <= 5 + 16 * min(8, os.cpu_count() or 1)
    assert sum(results) == sum(i * i for i in range(5, 10_000))
