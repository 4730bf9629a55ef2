"""Rejects move aside, with their reason; nothing is deleted or overwritten, and all comes back."""

import errno
import hashlib
import json
import shutil
from pathlib import Path

import pytest

from tests.data.clean.rejects import MOVED, journal, tree
from tests.data.folders import paint, put
from tinyvision.data import Cleaned, clean, find_files, rejected_folder, restore, survey
from tinyvision.errors import DataError


def test_rejects_go_aside_and_come_back(photos: Path) -> None:
    before = tree(photos)
    cleaned = clean(survey(photos))
    aside = photos.with_name("photos.rejected")
    assert cleaned.folder == aside and cleaned.left == ()
    assert {move.target: move.source for move in cleaned.moved} == MOVED
    after, kept = tree(photos), tree(aside)
    assert before == after | {source: kept[target] for target, source in MOVED.items()}
    assert not after.keys() & set(MOVED.values())
    lines = journal(aside)
    assert {line["to"]: line["from"] for line in lines} == MOVED
    for line in lines:
        assert line["action"] == "rejected" and line["check"] == line["to"].partition("/")[0]
        assert line["sha256"] == hashlib.sha256(before[line["from"]]).hexdigest()
        assert line["reason"] and line["time"].endswith("Z")
    assert clean(survey(photos)) == Cleaned(aside, (), ())  # there is nothing left to do

    restored = restore(photos)
    assert {move.source for move in restored.moved} == set(MOVED.values())
    assert tree(photos) == before
    assert restored.folder == aside and not aside.exists()
    with pytest.raises(DataError, match="nothing to bring back"):
        restore(photos)
    assert len(clean(survey(photos)).moved) == 3  # and once more
    assert len(journal(aside)) == 3


def test_what_others_keep_among_the_rejects_stays(photos: Path) -> None:
    aside = photos.with_name("photos.rejected")
    aside.mkdir()
    (aside / "notes.txt").write_text("mine")
    clean(survey(photos))
    assert len(restore(photos).moved) == 3
    assert [path.name for path in aside.iterdir()] == ["notes.txt"]


def test_the_journal_stays_as_long_as_something_is_aside(photos: Path) -> None:
    clean(survey(photos))
    (photos / "train" / "cat" / "copy.png").write_text("another")
    restored = restore(photos)
    assert len(restored.moved) == 2 and len(restored.left) == 1
    assert len(journal(restored.folder)) == 5
    (photos / "train" / "cat" / "copy.png").unlink()
    assert len(restore(photos).moved) == 1
    assert not restored.folder.exists()


def test_a_dry_run_touches_nothing(photos: Path) -> None:
    before = tree(photos.parent)
    cleaned = clean(survey(photos), dry_run=True)
    assert {move.target: move.source for move in cleaned.moved} == MOVED
    assert tree(photos.parent) == before and not cleaned.folder.exists()


def test_nothing_is_overwritten(photos: Path) -> None:
    mine = photos.with_name("photos.rejected") / "duplicate" / "train" / "cat" / "copy.png"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    moved = {move.source: move.target for move in clean(survey(photos)).moved}
    assert mine.read_text() == "mine"
    assert moved["train/cat/copy.png"] == "duplicate/train/cat/copy (2).png"
    assert (mine.parent / "copy (2).png").is_file()
    # nor on the way back
    (photos / "train" / "cat" / "copy.png").write_text("new")
    restored = restore(photos)
    (left,) = restored.left
    assert left.path.endswith("copy (2).png") and "there is another file at" in left.reason
    assert (photos / "train" / "cat" / "copy.png").read_text() == "new"
    assert len(restored.moved) == 2 and (mine.parent / "copy (2).png").is_file()


def test_what_is_rejected_twice_moves_once(photos: Path) -> None:
    """Blank images that are also copies of each other all go, as blank ones."""
    for name in "xyz":
        put(photos / "train" / "cat" / f"{name}.png", 7)
    found = survey(photos)
    assert len(found.of("blank")) == 3 and len(found.of("duplicate")) == 3
    cleaned = clean(found)
    assert cleaned.left == ()
    targets = {move.target for move in cleaned.moved}
    assert targets == MOVED.keys() | {f"blank/train/cat/{name}.png" for name in "xyz"}


def test_the_same_reject_once_more_is_kept_as_well(photos: Path) -> None:
    clean(survey(photos))
    aside = photos.with_name("photos.rejected")
    for target, source in MOVED.items():
        shutil.copy(aside / target, photos / source)
    moved = {move.source: move.target for move in clean(survey(photos)).moved}
    assert moved["train/dog/deep/broken.jpg"] == "broken/train/dog/deep/broken (2).jpg"
    assert len(tree(aside)) == 7


def test_what_has_changed_since_the_survey_stays(photos: Path) -> None:
    found = survey(photos)
    (photos / "train" / "dog" / "deep" / "broken.jpg").write_bytes(b"mended")
    (photos / "test" / "dog" / "empty ünï.png").unlink()
    (photos / "train" / "cat" / "0.png").unlink()  # of which the reject is now the only copy
    for dry_run in (True, False):
        cleaned = clean(found, dry_run=dry_run)
        assert cleaned.moved == ()
        reasons = {Path(left.path).name: left.reason for left in cleaned.left}
        assert reasons["broken.jpg"] == "it has changed since it was looked at"
        assert reasons["empty ünï.png"] == "it is no longer there"
        assert "its other copy, is no longer there" in reasons["copy.png"]
    assert (photos / "train" / "cat" / "copy.png").is_file()


def test_links_and_what_they_lead_to_stay(photos: Path) -> None:
    outside = paint(photos.parent / "elsewhere" / "0.png", 50)
    (outside.parent / "1.png").write_bytes(b"")
    (photos / "train" / "linked").symlink_to(outside.parent)
    (photos / "train" / "cat" / "2.png").symlink_to("0.png")
    before = tree(outside.parent)
    cleaned = clean(survey(photos))
    assert {move.target: move.source for move in cleaned.moved} == MOVED
    assert {Path(left.path).name for left in cleaned.left} == {"1.png", "2.png"}
    assert all("through a link" in left.reason for left in cleaned.left)
    assert tree(outside.parent) == before and (photos / "train" / "cat" / "2.png").is_symlink()


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("photos", "lies in the data set"),
        ("photos/train/cat", "lies in the data set"),
        ("photos/new/folder", "lies in the data set"),
        ("link/x", "lies in the data set"),
        (".", "the data set .* lies in it"),
        ("file", "it is a file"),
    ],
)
def test_a_folder_where_rejects_cannot_go(photos: Path, to: str, message: str) -> None:
    (photos.parent / "link").symlink_to(photos / "train")
    (photos.parent / "file").write_text("mine")
    before = tree(photos.parent)
    for dry_run in (True, False):
        with pytest.raises(DataError, match=message):
            clean(survey(photos), photos.parent / to, dry_run=dry_run)
    assert tree(photos.parent) == before


def test_rejects_are_never_a_class(photos: Path) -> None:
    """Even where a part was looked through alone, so that they lie beside the other parts."""
    part = photos / "train"
    (part / "cat" / "empty.png").write_bytes(b"")
    assert rejected_folder(part) == photos / "train.rejected"
    assert len(clean(survey(part)).moved) == 3
    parts, strays = find_files(photos)
    assert set(parts) == {"train", "test"} and strays == ()
    assert parts["train"].classes == ("cat", "dog")


def test_another_folder(photos: Path, tmp_path: Path) -> None:
    aside = tmp_path / "some" / "where"
    assert clean(survey(photos), aside).folder == aside
    with pytest.raises(DataError, match=r"nothing to bring back: .*photos\.rejected has no"):
        restore(photos)
    assert len(restore(photos, aside).moved) == 3


def test_a_name_that_is_no_unicode(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    paint(root / "a" / "0.png", 0)
    (root / "a" / "b\udce9.png").write_bytes(b"")
    before = {path: path.read_bytes() for path in (root / "a").iterdir()}
    (move,) = clean(survey(root)).moved
    assert move.source == "a/b\udce9.png"
    assert len(restore(root).moved) == 1
    assert {path: path.read_bytes() for path in (root / "a").iterdir()} == before


def test_a_file_stands_in_the_way(photos: Path) -> None:
    aside = photos.with_name("photos.rejected")
    aside.mkdir()
    (aside / "duplicate").write_text("mine")
    with pytest.raises(DataError, match=r"cannot be moved to .*photos\.rejected: .*") as caught:
        clean(survey(photos))
    assert "2 of 3 were moved before, and nothing is lost" in str(caught.value)
    assert (photos / "train" / "cat" / "copy.png").is_file()
    (aside / "duplicate").unlink()
    assert [move.source for move in clean(survey(photos)).moved] == ["train/cat/copy.png"]
    assert len(restore(photos).moved) == 3


def test_a_damaged_journal(photos: Path) -> None:
    clean(survey(photos))
    path = photos.with_name("photos.rejected") / "rejected.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"action": "rejec')  # killed in the middle of a line
    assert len(restore(photos).moved) == 3
    for target, source in MOVED.items():
        (path.parent / target).parent.mkdir(parents=True)
        (photos / source).rename(path.parent / target)
    path.write_bytes(whole.rstrip(b"\n"))  # by an editor: the last line counts all the same
    assert len(restore(photos).moved) == 3
    path.parent.mkdir()
    path.write_bytes(b'{"action": "rejected"}\n' + whole)
    with pytest.raises(DataError, match=r"rejected\.jsonl, line 1 cannot be read \(it has no from"):
        restore(photos)
    line = json.loads(whole.splitlines()[0]) | {"from": "../outside.png"}
    path.write_text(json.dumps(line) + "\n")
    with pytest.raises(DataError, match=r"\.\./outside\.png leads out of its folder"):
        restore(photos)


def test_across_file_systems(photos: Path, elsewhere: Path) -> None:
    before, stamp = tree(photos), (photos / "train" / "cat" / "copy.png").stat().st_mtime_ns
    with pytest.raises(OSError) as caught:
        elsewhere.mkdir()
        (photos / "train" / "cat" / "copy.png").rename(elsewhere / "x")
    assert caught.value.errno == errno.EXDEV
    cleaned = clean(survey(photos), elsewhere)
    assert {move.target: move.source for move in cleaned.moved} == MOVED
    kept = tree(elsewhere)
    assert before == tree(photos) | {source: kept[target] for target, source in MOVED.items()}
    assert len(restore(photos, elsewhere).moved) == 3
    assert tree(photos) == before
    assert (photos / "train" / "cat" / "copy.png").stat().st_mtime_ns == stamp


def test_the_copy_of_a_killed_run_is_recognised(photos: Path, elsewhere: Path) -> None:
    clean(survey(photos), elsewhere)
    copy = elsewhere / "duplicate" / "train" / "cat" / "copy.png"
    shutil.copy(copy, photos / "train" / "cat" / "copy.png")  # copied, and not yet removed
    assert [m.target for m in clean(survey(photos), elsewhere).moved] == [
        "duplicate/train/cat/copy.png"
    ]
    assert not (photos / "train" / "cat" / "copy.png").exists()
    shutil.copy(copy, photos / "train" / "cat" / "copy.png")
    assert len(restore(photos, elsewhere).moved) == 3
    assert not copy.exists()
