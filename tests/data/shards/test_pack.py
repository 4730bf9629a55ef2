"""Shards as others read them: the WebDataset convention, checked with tarfile alone."""

import hashlib
import io
import json
import re
import tarfile
from itertools import groupby

import numpy as np
import pytest
from PIL import Image

from tests.data.folders import fill, put
from tinyvision.data import Dataset, Shards, Shrink, find_files, pack, read_table, verify_shards
from tinyvision.errors import DataError


def webdataset(path):
    """Read a shard as https://github.com/webdataset/webdataset documents it."""
    with tarfile.open(path) as tar:
        members = tar.getmembers()
        assert all(member.isreg() for member in members)
        split = [re.fullmatch(r"((?:.*/)?[^/.]+)\.([^/]*)", m.name).groups() for m in members]
        content = [tar.extractfile(member).read() for member in members]
    rows = [(key, ext, data) for (key, ext), data in zip(split, content, strict=True)]
    return [
        {"__key__": key, **{ext: data for _, ext, data in group}}
        for key, group in groupby(rows, lambda row: row[0])
    ]


@pytest.fixture
def photos(tmp_path):
    return fill(tmp_path / "photos", cat=7, dog=5)


def test_others_read_what_we_pack(photos, tmp_path):
    (index,) = pack(photos, tmp_path / "packed", shard_bytes=4000).values()
    names = sorted(path.name for path in (tmp_path / "packed").iterdir())
    shards = [f"sample-{i:06d}.tar" for i in range(len(index.shards))]
    assert names == ["index.json", *shards] and len(shards) > 2
    samples = [s for name in shards for s in webdataset(tmp_path / "packed" / name)]
    assert len({sample["__key__"] for sample in samples}) == len(samples) == index.count == 12
    for sample in samples:
        facts = json.loads(sample["json"])
        assert sample["png"] == (photos / facts["path"]).read_bytes()  # the very bytes
        assert facts["label"] == facts["path"].split("/")[0] == ("cat", "dog")[int(sample["cls"])]
    assert sorted(json.loads(s["json"])["path"] for s in samples) == sorted(
        path.relative_to(photos).as_posix() for path in photos.rglob("*.png")
    )


def test_the_index_says_what_there_is(photos, tmp_path):
    pack(photos, tmp_path / "packed", shard_bytes=4000)
    facts = json.loads((tmp_path / "packed" / "index.json").read_text())
    assert (facts["format"], facts["version"]) == ("tinyvision shards", 1)
    assert (facts["classes"], facts["counts"], facts["count"]) == (["cat", "dog"], [7, 5], 12)
    for shard in facts["shards"]:
        content = (tmp_path / "packed" / shard["file"]).read_bytes()
        assert shard["sha256"] == hashlib.sha256(content).hexdigest()
        assert shard["bytes"] == len(content)
        assert shard["count"] == len(webdataset(tmp_path / "packed" / shard["file"]))
    assert facts["bytes"] == sum(shard["bytes"] for shard in facts["shards"])


def test_equal_sources_make_equal_bytes_in_an_order_by_seed(photos, tmp_path):
    def packed(name, **options):
        pack(photos, tmp_path / name, **options)
        return (tmp_path / name / "sample-000000.tar").read_bytes()

    assert packed("a") == packed("b") != packed("c", seed=1)
    labels = [s["cls"] for s in webdataset(tmp_path / "a" / "sample-000000.tar")]
    assert labels != sorted(labels)
    packed("d", shuffle=False)
    labels = [s["cls"] for s in webdataset(tmp_path / "d" / "sample-000000.tar")]
    assert labels == sorted(labels)


def test_parts_and_broken_files(tmp_path):
    root = tmp_path / "set"
    for part in ("train", "test"):
        fill(root / part, cat=3, dog=2)
    (root / "train" / "cat" / "torn.png").write_bytes(b"\x89PNG torn")
    put(root / "train" / "stray.png")
    indices = pack(root, tmp_path / "packed")
    assert {part: index.count for part, index in indices.items()} == {"train": 5, "test": 5}
    reasons = {file.path.rpartition("/")[2]: file.reason for file in indices["train"].skipped}
    assert "header is damaged" in reasons["torn.png"]
    assert "its class is unknown" in reasons["stray.png"]
    assert sorted(path.name for path in (tmp_path / "packed").iterdir()) == ["test", "train"]


def test_tags_have_names_and_no_class_number(photos, tmp_path):
    table = photos / "list.jsonl"
    rows = [("cat/0.png", ["a", "b"]), ("cat/1.png", []), ("dog/0.png", ["b"])]
    lines = [json.dumps({"path": p, "labels": tags, "shop": "s1"}) for p, tags in rows]
    table.write_text("\n".join(lines))
    (index,) = pack(table, tmp_path / "packed", shuffle=False).values()
    assert index.tagging and index.counts == (1, 2)
    samples = webdataset(tmp_path / "packed" / "sample-000000.tar")
    assert [sorted(sample) for sample in samples] == [["__key__", "json", "png"]] * 3
    assert json.loads(samples[0]["json"]) == {
        "path": "cat/0.png", "shop": "s1", "labels": ["a", "b"]
    }  # fmt: skip
    streamed = [sample.labels for sample in Shards(tmp_path / "packed").epoch(0)]
    assert streamed == [(0, 1), (), (1,)]


def test_images_in_memory_become_png(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3), np.uint8)
    pack(Dataset(images, np.arange(5) % 2, ("a", "b"), "toy"), tmp_path / "p", shuffle=False)
    for image, sample in zip(images, webdataset(tmp_path / "p" / "sample-000000.tar"), strict=True):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(sample["png"]))), image)


def test_shrinking_keeps_proportions_and_small_images(tmp_path):
    for name, size in (("big", (80, 40)), ("small", (20, 30))):
        (tmp_path / "set" / name).mkdir(parents=True)
        Image.effect_noise(size, 50).convert("RGB").save(tmp_path / "set" / name / "0.jpg")
    pack(tmp_path / "set", tmp_path / "p", shrink=Shrink(20), shuffle=False)
    big, small = webdataset(tmp_path / "p" / "sample-000000.tar")
    assert Image.open(io.BytesIO(big["jpg"])).size == (40, 20)
    assert small["jpg"] == (tmp_path / "set" / "small" / "0.jpg").read_bytes()
    with pytest.raises(DataError, match="got 0 and 92"):
        Shrink(0)


def test_a_pack_that_fails_leaves_nothing(photos, tmp_path, monkeypatch):
    target = tmp_path / "packed"

    def stop(done, total):
        if done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack(photos, target, shard_bytes=2000, progress=stop)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos"]
    killed = tmp_path / ".packed.packing"  # what a run that was killed leaves
    killed.mkdir()
    (killed / "sample-000099.tar").write_bytes(b"half")
    pack(photos, target)
    assert sorted(path.name for path in target.iterdir()) == ["index.json", "sample-000000.tar"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["packed", "photos"]


def test_what_is_there_is_never_overwritten(photos, tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "diary.txt").write_text("dear")
    with pytest.raises(DataError, match="taken exists already; name a new folder"):
        pack(photos, tmp_path / "taken")
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["diary.txt"]
    (tmp_path / "empty").mkdir()
    pack(photos, tmp_path / "empty")


def test_verify_finds_one_changed_byte(photos, tmp_path):
    pack(photos, tmp_path / "packed", shard_bytes=4000)
    assert verify_shards(tmp_path / "packed").count == 12
    shard = tmp_path / "packed" / "sample-000001.tar"
    content = bytearray(shard.read_bytes())
    content[700] ^= 1
    shard.write_bytes(content)
    with pytest.raises(DataError, match=r"sample-000001.tar has changed since it was packed"):
        verify_shards(tmp_path / "packed")


def test_the_command(photos, tmp_path, capsys, monkeypatch):
    from tinyvision.cli import main

    def run(*words):
        with pytest.raises(SystemExit) as done:
            main([*map(str, words), "--json"])
        return done.value.code or 0, json.loads(capsys.readouterr().out)

    code, facts = run("pack", photos, tmp_path / "packed", "--shard-mb", 1, "--seed", 3)
    assert code == 0 and facts["parts"]["all"]["counts"] == [7, 5]
    assert run("pack", "--verify", tmp_path / "packed")[1] == facts
    code, facts = run("pack", photos, tmp_path / "packed")
    assert code == 1 and "exists already" in facts["error"]
    assert run("pack", photos)[0] == 2
    code, facts = run("pack", "--verify", photos)
    assert code == 1 and "holds no shards" in facts["error"]
    code, facts = run("data", tmp_path / "packed", "--no-sheet")
    assert code == 0 and facts["classes"] == ["cat", "dog"]


def test_a_list_is_packed_like_a_folder(photos, tmp_path):
    (photos / "list.csv").write_text("path,label\ncat/0.png,x\ndog/0.png,y\n")
    index = pack(read_table(photos / "list.csv"), tmp_path / "a")["all"]
    assert index.name == "list" and index.counts == (1, 1)
    assert find_files(photos / "list.csv")[0]["all"].classes == index.classes
