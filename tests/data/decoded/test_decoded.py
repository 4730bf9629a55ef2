"""Decoded once: the same bits, at once and from disk; decoded again when anything has changed."""

import os
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.folders import fill, paint, put
from tinyvision import data
from tinyvision.data import Batches, Dataset, MappedImages, Preprocess, Splits, load
from tinyvision.data.decoded import header
from tinyvision.errors import DataError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("TINYVISION_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "decoded"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes of ten pictures of various sizes, of which one is broken, and a stray."""
    root = tmp_path / "photos"
    for seed in range(20):
        paint(root / "ab"[seed % 2] / f"{seed}.png", seed, (20 + seed, 40 - seed))
    half = (root / "a" / "4.png").read_bytes()[:500]
    (root / "a" / "4.png").write_bytes(half)
    put(root / "stray.png")
    return root


def decoding(source: Path, **options: object) -> tuple[Splits, int]:
    """Load by way of the cache; also return how many images were decoded for that."""
    calls: list[int] = []
    options = {"size": (16, 12), **options}
    splits = load(source, cache=True, progress=lambda done, _: calls.append(done), **options)
    return splits, len(calls)


def assert_same(first: Splits, second: Splits) -> None:
    assert first.skipped == second.skipped
    for part in ("train", "val", "test"):
        one, other = getattr(first, part), getattr(second, part)
        assert (one.name, one.classes) == (other.name, other.classes)
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.labels, other.labels)


def names(cache: Path) -> list[str]:
    return sorted(path.suffix for path in cache.iterdir())


def test_a_folder_is_decoded_once(photos: Path, cache: Path) -> None:
    plain = load(photos, size=(16, 12))
    assert not cache.exists()  # nothing is written unasked
    first, decoded = decoding(photos)
    assert decoded == 20
    again, decoded = decoding(photos)
    assert decoded == 0
    for splits in (first, again):
        assert_same(splits, plain)
        assert isinstance(splits.train.images, MappedImages)
    assert names(cache) == [".json", ".lock", ".npy"]
    (path,) = cache.glob("photos-16x12x3-crop-*.npy")
    whole = np.load(path, mmap_mode="r")
    assert whole.shape == (19, 16, 12, 3) and whole.dtype == np.uint8


def test_a_source_is_one_however_its_path_is_written(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "".join(
        f"{kind}/{path.name},{kind}\n" for kind in "ab" for path in (photos / kind).iterdir()
    )
    (photos / "list.csv").write_text(f"path,label\n{rows}")
    (photos.parent / "link").symlink_to(photos)
    monkeypatch.chdir(photos.parent)
    written = Path("photos"), Path("link"), Path("./photos/../photos")
    for source in ("", "list.csv"):
        assert decoding(photos / source)[1] == 20
        assert [decoding(path / source)[1] for path in written] == [0, 0, 0]
    monkeypatch.chdir(photos)
    for source in (Path(), Path("list.csv")):
        splits, decoded = decoding(source)
        assert decoded == 0
        assert_same(splits, load(source, size=(16, 12)))


def test_a_list_of_files_that_lie_elsewhere(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    rows = "".join(f"{path},{path.parent.name}\n" for path in photos.glob("?/*.png"))
    (tmp_path / "lists" / "all.csv").write_text(f"path,label\n{rows}")
    for expected in (20, 0):
        splits, decoded = decoding(tmp_path / "lists" / "all.csv")
        assert decoded == expected
        assert [file.path for file in splits.skipped] == [str(photos / "a" / "4.png")]


@pytest.mark.parametrize("options", [{"fit": "pad"}, {"channels": 1}, {"size": (12, 16)}])
def test_each_form_has_a_file_of_its_own(photos: Path, cache: Path, options: object) -> None:
    assert isinstance(options, dict)
    decoding(photos)
    other, decoded = decoding(photos, **options)
    assert decoded == 20
    assert_same(other, load(photos, **{"size": (16, 12), **options}))
    assert len(list(cache.glob("*.npy"))) == 2
    assert decoding(photos)[1] == decoding(photos, **options)[1] == 0


def test_another_split_of_the_same_images(photos: Path) -> None:
    decoding(photos)
    other, decoded = decoding(photos, seed=5, val=0.3)
    assert decoded == 0
    assert_same(other, load(photos, size=(16, 12), seed=5, val=0.3))


def test_ready_parts(photos: Path, tmp_path: Path) -> None:
    fill(tmp_path / "set" / "train", a=5, b=4)
    fill(tmp_path / "set" / "test", a=2, b=2)
    (tmp_path / "set" / "train" / "a" / "4.png").write_bytes(b"")
    (tmp_path / "set" / "test" / "a" / "0.png").write_bytes(b"")
    for expected in (13, 0):
        splits, decoded = decoding(tmp_path / "set")
        assert decoded == expected
        assert_same(splits, load(tmp_path / "set", size=(16, 12)))


def test_a_list_and_its_corrected_labels(photos: Path, tmp_path: Path) -> None:
    files = sorted(photos.glob("?/*.png"))

    def write(label: str) -> Path:
        rows = "".join(f"{path},{'xy'[i % 2]}\n" for i, path in enumerate(files[1:]))
        (tmp_path / "list.csv").write_text(f"path,label\n{files[0]},{label}\n{rows}")
        return tmp_path / "list.csv"

    for label, expected in (("x", 20), ("x", 0), ("y", 0)):
        splits, decoded = decoding(write(label), test=0.0)
        assert decoded == expected
        assert_same(splits, load(write(label), size=(16, 12), test=0.0))


def test_shards(photos: Path, tmp_path: Path) -> None:
    data.pack(photos, tmp_path / "packed", shard_bytes=3000, check=False)
    for expected in (20, 0):
        splits, decoded = decoding(tmp_path / "packed")
        assert decoded == expected
        assert_same(splits, load(tmp_path / "packed", size=(16, 12)))
    data.pack(photos, tmp_path / "other", shard_bytes=3000, seed=1, check=False)
    for path in (tmp_path / "other").iterdir():
        path.replace(tmp_path / "packed" / path.name)
    splits, decoded = decoding(tmp_path / "packed")
    assert decoded == 20
    assert_same(splits, load(tmp_path / "packed", size=(16, 12)))


def test_files_that_change_come_and_go_are_noticed(photos: Path, cache: Path) -> None:
    def edit() -> None:
        path = photos / "b" / "7.png"
        before = path.stat()
        Image.open(path).convert("L").save(path)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))

    decoding(photos)
    for change in (
        edit,
        lambda: paint(photos / "a" / "new.png", 99),
        lambda: (photos / "a" / "new.png").unlink(),
        lambda: (photos / "a" / "2.png").rename(photos / "b" / "2.png"),
        lambda: paint(photos / "a" / "4.png", 4),  # no longer broken
    ):
        change()
        splits, decoded = decoding(photos)
        assert decoded >= 20
        assert_same(splits, load(photos, size=(16, 12)))
        assert decoding(photos)[1] == 0
        assert names(cache) == [".json", ".lock", ".npy"]


def test_another_recipe_decodes_again(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoding(photos)
    monkeypatch.setattr(header, "RECIPE", header.RECIPE + 1)
    assert decoding(photos)[1] == 20
    assert decoding(photos)[1] == 0


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def scribble(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(-7, os.SEEK_END)
        file.write(b"!")
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))  # clocks of disks are coarse


@pytest.mark.parametrize("kind", [".npy", ".json"])
@pytest.mark.parametrize("damage", [cut, scribble, Path.unlink, lambda path: os.truncate(path, 0)])
def test_what_is_damaged_is_decoded_again(photos: Path, cache: Path, kind: str, damage) -> None:
    decoding(photos)
    (path,) = cache.glob(f"*{kind}")
    damage(path)
    splits, decoded = decoding(photos)
    assert decoded == 20
    assert_same(splits, load(photos, size=(16, 12)))
    assert decoding(photos)[1] == 0


@pytest.mark.parametrize("text", ["[]", "{}", "null", '{"format": 1, "version": 1}', "\udcff"])
def test_a_header_that_is_none_is_not_believed(photos: Path, cache: Path, text: str) -> None:
    decoding(photos)
    (path,) = cache.glob("*.json")
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert decoding(photos)[1] == 20


def test_images_larger_than_memory_stay_on_disk(tmp_path: Path) -> None:
    """What Python and NumPy allocate at a time stays far below the 19 MB that the images take."""
    fill(tmp_path / "set", a=130, b=70)
    size, prepare = (180, 180), Preprocess((180, 180), 3)
    whole = 200 * 180 * 180 * 3

    def see_all(part: Dataset) -> None:
        for _ in Batches(part.subset(np.arange(len(part))[::-1]), prepare, 4, shuffle=True):
            pass

    splits, _ = decoding(tmp_path / "set", size=size)
    see_all(splits.val)  # compiles kernels
    tracemalloc.start()
    splits, decoded = decoding(tmp_path / "set", size=size)
    for part in (splits.train, splits.val, splits.whole("all")):
        see_all(part)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert decoded == 0
    assert peak < whole / 4


def test_the_images_cannot_be_written_to(photos: Path) -> None:
    train = decoding(photos)[0].train
    with pytest.raises(ValueError, match="read-only"):
        train.images[0][:] = 0
    picked = train.images[np.array([3, 1])]
    picked[:] = 0  # a copy, as a batch is
    assert train.images[3].any()


def test_without_room_nothing_is_begun(tmp_path: Path, cache: Path) -> None:
    """One file, listed so often that its decoded copies exceed the free space of any disk."""
    put(tmp_path / "0.png")
    needed = shutil.disk_usage(tmp_path).free // (2048 * 2048 * 3) + 2
    rows = "".join(f"0.png,{i % 2}\n" for i in range(needed))
    (tmp_path / "list.csv").write_text(f"path,label\n{rows}")

    def begun(done: int, total: int) -> None:
        pytest.fail("an image was decoded")

    with pytest.raises(DataError, match=r"take .* GB, and .*decoded has room for .* GB; make room"):
        load(tmp_path / "list.csv", size=(2048, 2048), cache=True, progress=begun)
    assert names(cache) == [".lock"]


def test_a_cache_that_cannot_be_made(photos: Path, cache: Path) -> None:
    cache.parent.write_text("a file in the way")
    with pytest.raises(DataError, match=r"cannot be kept in .*decoded \(.*do without the cache"):
        decoding(photos)


@pytest.mark.parametrize("source", ["shapes", "arrays.npz"])
def test_what_is_decoded_already_needs_no_cache(tmp_path: Path, source: str) -> None:
    images = np.zeros((4, 5, 5), np.uint8)
    np.savez(tmp_path / "arrays.npz", images=images, labels=[0, 1, 0, 1])
    with pytest.raises(DataError, match="decoded"):
        load(source if source == "shapes" else str(tmp_path / source), cache=True)


def test_images_none_of_which_can_be_read(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "list.csv").write_text("path,label\n0.png,a\n1.png,b\n")
    for name in ("0.png", "1.png"):
        (tmp_path / name).write_bytes(b"torn")
    for _ in range(2):
        splits, decoded = decoding(tmp_path / "list.csv")
        assert decoded == 2 and len(splits.train) == 0
        assert_same(splits, load(tmp_path / "list.csv", size=(16, 12)))
    assert names(cache) == [".lock"]


def test_what_lies_there_and_clearing_it(photos: Path, cache: Path) -> None:
    assert data.kept_decoded() == [] and data.clear_decoded() == 0
    splits, _ = decoding(photos)
    decoding(photos, channels=1)
    (cache / "notes.txt").write_text("not ours")
    gray, colour = data.kept_decoded()
    assert (gray.count, colour.count) == (19, 19) and gray.source == str(photos)
    assert (gray.bytes, colour.bytes) == (128 + 19 * 16 * 12, 128 + 19 * 16 * 12 * 3)
    assert data.clear_decoded() > gray.bytes + colour.bytes
    assert [path.name for path in cache.iterdir()] == ["notes.txt"]
    assert splits.train.images[0].any()  # whoever has them open keeps them
