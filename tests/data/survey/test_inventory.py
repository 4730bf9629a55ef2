"""Lists, shards and arrays are looked through as folders are, with the same findings."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.data.folders import fill, paint
from tinyvision.data import Survey, clean, load, pack, survey, write_page
from tinyvision.data.survey.outline import some_of_each, split_outline
from tinyvision.errors import DataError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes in two parts; a copy in a class, one across parts, a blank and a broken image."""
    root = tmp_path / "photos"
    for k, label in enumerate(("cat", "dog")):
        for i in range(6):
            paint(root / "train" / label / f"{i}.png", 100 * k + i)
            paint(root / "test" / label / f"{i}.png", 100 * k + 50 + i, (40, 60))
    shutil.copy(root / "train/cat/0.png", root / "train/cat/copy.png")
    shutil.copy(root / "train/cat/1.png", root / "test/dog/leak.png")
    fill(root / "train", blank=2)
    shutil.move(root / "train/blank/1.png", root / "train/dog/plain.png")
    shutil.rmtree(root / "train/blank")
    (root / "train/dog/broken.png").write_bytes((root / "train/dog/2.png").read_bytes()[:900])
    return root


@pytest.fixture
def listed(photos: Path) -> Path:
    """The same images as a list."""
    lines = [
        {"path": str(path.relative_to(photos.parent)), "label": label, "split": part}
        for part in ("train", "test")
        for label in ("cat", "dog")
        for path in sorted((photos / part / label).iterdir())
    ]
    target = photos.parent / "list.jsonl"
    target.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return target


def facts(found: Survey) -> list[tuple[str, ...]]:
    """All of the findings but their paths."""
    return sorted(
        (f.check, f.severity, f.place.part, f.place.label, f.sha256, str(f.leak), str(f.conflict))
        for f in found.findings
    )


def test_a_list_has_the_findings_of_its_folder(photos: Path, listed: Path) -> None:
    folder, found = survey(photos), survey(listed)
    assert {check for check, *_ in facts(folder)} >= {"broken", "blank", "duplicate"}
    assert facts(found) == facts(folder)
    assert found.counts == folder.counts and found.sizes == folder.sizes
    assert (folder.kind, found.kind) == ("folder", "list")
    assert {f.place.path for f in found.findings} == {f.place.path for f in folder.findings}


def test_shards_have_the_findings_of_their_folder(photos: Path, tmp_path: Path) -> None:
    pack(photos, tmp_path / "packed", check=False, shard_bytes=20_000)
    folder, found = survey(photos), survey(tmp_path / "packed")
    assert facts(found) == facts(folder)
    assert found.counts == folder.counts and found.kind == "shards"
    (broken,) = found.of("broken")
    assert broken.place.path.suffix == ".png" and broken.place.path.parent.suffix == ".tar"
    assert broken.place.path.parent.is_file()
    with found.open(broken.place.path) as file:
        assert file.read() == (photos / "train/dog/broken.png").read_bytes()


def test_a_damaged_image_in_a_shard_is_named(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    shutil.move(photos / "train" / "cat", tmp_path / "cats" / "cat")
    (index,) = pack(tmp_path / "cats", tmp_path / "packed", shuffle=False).values()
    shard = tmp_path / "packed" / index.shards[0].file
    whole = survey(tmp_path / "packed")
    assert whole.of("broken") == ()
    content = shard.read_bytes()
    shard.write_bytes(content.replace(b"IDAT", b"IDAX", 1))
    (broken,) = survey(tmp_path / "packed").of("broken")
    assert broken.place.path == shard / "000000000.png"


def test_arrays(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 10, 12, 3), dtype=np.uint8)
    images[0, 3] = images[0, 1]  # the same class
    images[1, 5] = images[0, 2]  # another part and class
    images[0, 6] = 77
    labels = np.arange(8) % 2
    np.savez(tmp_path / "a.npz", x_train=images[0], y_train=labels, x_test=images[1], y_test=labels)
    found = survey(tmp_path / "a.npz")
    assert found.kind == "arrays" and found.sizes == {(10, 12): 16}
    told = {
        (f.check, str(f.place.path.relative_to(tmp_path)), f.leak, f.conflict)
        for f in found.findings
        if f.check in ("blank", "duplicate")
    }
    assert told == {
        ("blank", "a.npz/train/6", False, False),
        ("duplicate", "a.npz/train/3", False, False),
        ("duplicate", "a.npz/train/2", True, True),
    }


def test_files_of_a_list_that_are_missing_or_there_twice(photos: Path) -> None:
    target = photos.parent / "list.csv"
    rows = ["photos/train/cat/0.png,cat", "photos/train/cat/0.png,cat", "photos/none.png,dog"]
    target.write_text("path,label\n" + "\n".join(rows) + "\n")
    found = survey(target)
    (missing,) = found.of("unreadable")
    assert missing.place.path.name == "none.png" and missing.reason == "there is no such file"
    (again,) = found.of("duplicate")
    assert again.reason == "it is the same file as another line of the list"
    assert found.problems == (
        f"{target}: class 'dog' has no usable images to train on, and at least 2 are needed; add "
        "images or leave the class out.",
    )


@pytest.mark.parametrize("kind", ["list", "shards", "arrays"])
def test_the_outline_is_the_split_of_a_training(
    kind: str, photos: Path, listed: Path, tmp_path: Path
) -> None:
    for name in ("train/cat/copy.png", "train/dog/broken.png"):
        (photos / name).unlink()
    listed.write_text(
        "\n".join(
            line
            for line in listed.read_text().split("\n")
            if "broken" not in line and "copy" not in line
        )
    )
    source = listed
    if kind == "shards":
        source = tmp_path / "packed"
        pack(listed, source)
    if kind == "arrays":
        source = tmp_path / "a.npz"
        train = load(listed, size=(8, 8)).train
        np.savez(source, images=train.images, labels=train.labels)
    found, loaded = survey(source), load(source, size=(8, 8))
    outline = split_outline(found, "x")
    for part in ("train", "val", "test"):
        ours, theirs = getattr(outline, part), getattr(loaded, part)
        np.testing.assert_array_equal(ours.labels, theirs.labels)
        everything = some_of_each(found, ours, len(ours), (8, 8))
        order = np.argsort(theirs.labels, kind="stable")  # by class
        np.testing.assert_array_equal(everything.images, theirs.images[order])


def test_the_page_of_shards_has_pictures_and_no_links(photos: Path, tmp_path: Path) -> None:
    pack(photos, tmp_path / "packed", check=False)
    write_page(survey(tmp_path / "packed"), tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text("utf-8")
    assert text.count('<img src="data:') > 10
    assert "train/<wbr>sample-000000.tar/<wbr>" in text
    assert '<a class="picture"' not in text


def test_tags_are_refused(photos: Path) -> None:
    target = photos.parent / "tags.jsonl"
    target.write_text('{"path": "photos/train/cat/0.png", "labels": ["cat", "indoors"]}\n')
    with pytest.raises(DataError, match=r"tags\.jsonl: its images have any number of labels"):
        survey(target)


def test_only_folders_are_cleaned(listed: Path) -> None:
    before = listed.read_bytes()
    with pytest.raises(DataError, match="only there images can be moved aside"):
        clean(survey(listed))
    assert listed.read_bytes() == before


@pytest.mark.parametrize("name", ["none.csv", "none.npz", "none"])
def test_what_is_not_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=rf"There is no (file|folder) .*{name}"):
        survey(tmp_path / name)
