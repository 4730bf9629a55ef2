"""Archives and folders come in through the same door, and never by another."""

import gzip
import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.data.collect.server import picture
from tinyvision.data import collect
from tinyvision.data.collect import archives
from tinyvision.errors import DataError


def zipped(path: Path, members: dict[str, bytes], **options) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content, **options)
    return path


def tarred(path: Path, members: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def stored(collected) -> list[str]:
    return sorted(r.path.rpartition("-")[0] for r in collected.of("stored"))


def everything(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*")}


PHOTOS = {
    "photos/cats/a.jpg": picture(1),
    "photos/cats/old/b.png": picture(2, "PNG"),
    "photos/dogs/c.jpg": picture(3),
    "photos/dogs/not.jpg": b"<html>",
    "photos/dogs/.hidden.jpg": picture(4),
    "__MACOSX/photos/._a.jpg": b"\0\5",
    "photos/README.txt": b"my photos",
    "photos/license plates/d.jpg": picture(6),
    "photos/loose.jpg": picture(5),
}
EXPECTED = ["cats/a", "cats/b", "dogs/c", "license plates/d", "loose"]


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.bz2", "tar.xz", "folder"])
def test_classes_come_from_the_folders(tmp_path, kind):
    if kind == "zip":
        source = zipped(tmp_path / "photos.zip", PHOTOS)
    elif kind == "folder":
        for name, content in PHOTOS.items():
            (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "source" / name).write_bytes(content)
        source = tmp_path / "source"
    else:
        source = tarred(tmp_path / "photos.bin", PHOTOS, "w:" + kind.partition(".")[2])
    collected = collect(source, tmp_path / "out", licence="CC0")
    assert stored(collected) == EXPECTED
    assert collected.counts["refused"] == 1
    assert {r.label for r in collected.records} == {"cats", "dogs", "license plates", None}
    assert {r.licence for r in collected.records} == {"CC0"}
    assert all(r.url.startswith(source.as_uri()) for r in collected.records)
    (c,) = (r for r in collected.of("stored") if "dogs" in r.path)
    assert (tmp_path / "out" / c.path).read_bytes() == picture(3)
    again = collect(source, tmp_path / "out")
    assert again.new == 0
    assert again.counts == collected.counts


def test_ready_parts_are_kept(tmp_path):
    members = {f"set/{part}/cats/{i}.jpg": picture(i) for i, part in enumerate(["train", "test"])}
    collected = collect(zipped(tmp_path / "a.zip", members), tmp_path / "out")
    assert stored(collected) == ["test/cats/1", "train/cats/0"]
    assert {record.label for record in collected.records} == {"cats"}


def test_names_that_lead_outside_are_refused(tmp_path):
    names = ["../up.jpg", "a/../../up.jpg", "/etc/up.jpg", "C:/up.jpg", "a\\..\\..\\up.jpg"]
    members = {name: picture(i) for i, name in enumerate(names)} | {"ok/fine.jpg": picture(9)}
    for source in (zipped(tmp_path / "a.zip", members), tarred(tmp_path / "a.tar", members)):
        before = everything(tmp_path)
        out = tmp_path / f"out-{source.suffix[1:]}"
        collected = collect(source, out)
        assert stored(collected) == ["ok/fine"]
        assert len(collected.of("refused")) == len(names)
        assert all("leads outside" in r.reason for r in collected.of("refused"))
        new = everything(tmp_path) - before
        assert {name.partition("/")[0] for name in new} == {out.name}


def test_folders_that_cannot_be_classes_are_refused(tmp_path):
    members = {"con/a.jpg": picture(1), "a:b/b.jpg": picture(2), "x./c.jpg": picture(3)}
    members["fine/d.jpg"] = picture(4)
    collected = collect(tarred(tmp_path / "a.tar", members), tmp_path / "out")
    assert stored(collected) == ["fine/d"]
    assert len(collected.of("refused")) == 3


def test_links_and_devices_of_a_tar_are_refused(tmp_path):
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(picture(1))
    kinds = {"sym": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE, "fifo": tarfile.FIFOTYPE}
    kinds |= {"char": tarfile.CHRTYPE, "block": tarfile.BLKTYPE}
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, kind in kinds.items():
            entry = tarfile.TarInfo(f"cats/{name}.jpg")
            entry.type, entry.linkname = kind, str(secret)
            archive.addfile(entry)
        entry = tarfile.TarInfo("cats/good.jpg")
        entry.size = len(picture(2))
        archive.addfile(entry, io.BytesIO(picture(2)))
    collected = collect(tmp_path / "a.tar", tmp_path / "out")
    assert stored(collected) == ["cats/good"]
    assert {r.reason for r in collected.of("refused")} == {
        "is a link, a device or has holes, and is no plain file"
    }


def test_links_and_locked_files_of_a_zip_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        link = zipfile.ZipInfo("cats/link.jpg")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("cats/locked.jpg", picture(1))
        archive.writestr("cats/good.jpg", picture(2))
    content = bytearray((tmp_path / "a.zip").read_bytes())
    central = content.rindex(b"cats/locked.jpg") - 46
    content[central + 8] |= 1  # "encrypted", in the directory at the end
    (tmp_path / "a.zip").write_bytes(content)
    collected = collect(tmp_path / "a.zip", tmp_path / "out")
    assert stored(collected) == ["cats/good"]
    reasons = {r.url.rpartition("/")[2]: r.reason for r in collected.of("refused")}
    assert reasons == {
        "link.jpg": "is a link or a device, not a file",
        "locked.jpg": "is encrypted",
    }


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a/x.jpg", picture(1))
        archive.writestr("a/x.jpg", picture(2))
        archive.writestr("b/y.jpg", picture(3))
    collected = collect(tmp_path / "a.zip", tmp_path / "out")
    assert stored(collected) == ["a/x", "a/x", "b/y"]
    assert collect(tmp_path / "a.zip", tmp_path / "out").new == 0


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.xz", "tar.bz2"])
def test_a_bomb_ends_the_archive_and_spares_the_rest(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(archives, "FREE", 5_000_000)
    members = {"cats/a.jpg": picture(1)}
    members |= {f"dogs/{i}.jpg": bytes(3_000_000) for i in range(4)}
    if kind == "zip":
        source = zipped(tmp_path / "a.zip", members)
    else:
        source = tarred(tmp_path / "a.tar", members, "w:" + kind.partition(".")[2])
    assert source.stat().st_size < 15_000
    collected = collect(source, tmp_path / "out")
    assert not collected.complete
    (problem,) = collected.problems
    assert "as a decompression bomb does" in problem
    assert stored(collected) == ["cats/a"]
    assert not [p for p in (tmp_path / "out").rglob("*") if p.is_file() and p.stat().st_size > 1e5]


def test_a_large_member_is_refused_whatever_its_header_says(tmp_path):
    source = zipped(tmp_path / "a.zip", {"a/big.jpg": bytes(100_000), "b/c.jpg": picture(1)})
    content = bytearray(source.read_bytes())
    central = content.rindex(b"a/big.jpg") - 46
    content[central + 24 : central + 28] = (100).to_bytes(4, "little")  # the size it claims
    source.write_bytes(content)
    collected = collect(source, tmp_path / "out", max_bytes=50_000)
    assert stored(collected) == ["b/c"]
    source = tarred(tmp_path / "a.tar", {"a/big.jpg": bytes(100_000), "b/c.jpg": picture(1)})
    collected = collect(source, tmp_path / "out2", max_bytes=50_000)
    assert collected.of("refused")[0].reason == "has more than 50,000 bytes"
    assert collect(source, tmp_path / "out2").new == 1  # under another limit it is tried again


@pytest.mark.parametrize("pack", [gzip.compress, bytes])
def test_a_tar_that_is_cut_short_keeps_what_came(tmp_path, pack):
    tarred(tmp_path / "whole.tar", {f"cats/{i}.jpg": picture(i) for i in range(600)})
    packed = pack((tmp_path / "whole.tar").read_bytes())
    (tmp_path / "cut.tar").write_bytes(packed[: len(packed) // 2 + 100])
    collected = collect(tmp_path / "cut.tar", tmp_path / "out")
    assert collected.problems or collected.counts["refused"] == 1
    assert 100 < collected.counts["stored"] < 400
    for record in collected.of("stored"):
        assert (tmp_path / "out" / record.path).is_file()


def test_a_tar_whose_bz2_is_damaged_midway_keeps_what_came_before(tmp_path):
    """Its blocks have 900,000 bytes; damage in one is an OSError, though the disk is fine."""
    noise = np.random.default_rng(0).bytes(1_000_000)
    members = {"cats/a.jpg": picture(1), "cats/noise": noise, "cats/b.jpg": picture(2)}
    source = tarred(tmp_path / "a.tbz", members, "w:bz2")
    content = bytearray(source.read_bytes())
    content[-50_000:-49_000] = bytes(1000)
    source.write_bytes(content)
    collected = collect(source, tmp_path / "out")
    assert stored(collected) == ["cats/a"]
    (problem,) = collected.problems
    assert "a.tbz is damaged or cut short" in problem


def test_a_folder_that_cannot_be_looked_into_is_tried_again(tmp_path):
    source = tmp_path / "source"
    (source / "cats").mkdir(parents=True)
    (source / "cats" / "a.jpg").write_bytes(picture(1))
    (source / "dogs").mkdir(mode=0)
    if os.access(source / "dogs", os.R_OK):
        pytest.skip("here one may read everything")
    collected = collect(source, tmp_path / "out")
    assert stored(collected) == ["cats/a"]
    assert "cannot be looked into" in collected.of("failed")[0].reason


def test_a_damaged_member_of_a_zip_is_refused_alone(tmp_path):
    source = zipped(tmp_path / "a.zip", {"a/x.jpg": picture(1), "b/y.jpg": picture(2)})
    content = bytearray(source.read_bytes())
    at = content.index(b"a/x.jpg") + 7 + 200
    content[at : at + 20] = bytes(20)
    source.write_bytes(content)
    collected = collect(source, tmp_path / "out")
    assert stored(collected) == ["b/y"]
    assert "is damaged in the archive" in collected.of("refused")[0].reason


def test_what_a_folder_holds_beside_images(tmp_path):
    source = tmp_path / "source"
    (source / "cats").mkdir(parents=True)
    (source / "cats" / "a.jpg").write_bytes(picture(1))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.jpg").write_bytes(picture(2))
    try:
        (source / "cats" / "nowhere.jpg").symlink_to(tmp_path / "missing")
        (source / "linked").symlink_to(tmp_path / "elsewhere")
        os.mkfifo(source / "cats" / "pipe.jpg")
    except OSError:
        pytest.skip("this system makes no links or pipes")
    collected = collect(source, tmp_path / "out")
    assert stored(collected) == ["cats/a"]
    assert len(collected.of("refused")) == 2
    with pytest.raises(DataError, match="holds no images"):
        (tmp_path / "empty").mkdir()
        collect(tmp_path / "empty", tmp_path / "out")
    with pytest.raises(DataError, match="There is no file or folder"):
        collect(tmp_path / "nothing", tmp_path / "out")


def test_every_odd_image_is_stored_or_refused(data_root, tmp_path):
    source = data_root / "odd-images"
    collected = collect(source, tmp_path / "out", label="odd")
    bad = {"broken", "broken_data_stream", "decompression_bomb", "made_empty", "made_half_hopper"}
    bad |= {"made_text_named", "truncated_image", "truncated_jpeg", "zero_width"}
    refused = {Path(record.url).stem for record in collected.of("refused")}
    assert refused == bad
    kinds = {Path(r.url).name: Path(r.path).suffix for r in collected.of("stored")}
    assert kinds["made_bmp_named.jpg"] == ".bmp"  # by content, not by name
    assert kinds["16bit.cropped.tif"] == ".tif"
