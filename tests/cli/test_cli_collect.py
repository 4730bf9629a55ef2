"""``tinyvision collect``: what it says, how it ends."""

import json

from PIL import Image

from tinyvision.data.collect import fetch


def test_from_an_archive_to_a_folder_that_can_be_looked_at(tinyvision, stripes, tmp_path):
    done = tinyvision("collect", stripes, "things", "--licence", "CC0")
    assert done.code == 0
    assert "things: 60 images stored; 60 in this run" in done.out.replace("\n", " ")
    assert "manifest.jsonl" in done.out
    again = tinyvision("collect", stripes, "things", "--json")
    assert again.code == 0
    assert again.json["stored"] == 60 and again.json["new"] == 0 and again.json["complete"]
    assert tinyvision("data", "things", "--no-sheet", "--json").json["total"] == 60


def test_what_failed_is_listed_and_ends_with_1(tinyvision, tmp_path):
    (tmp_path / "urls.txt").write_text("file:///etc/passwd cats\nhttp://127.0.0.1:9/[red] cats\n")
    done = tinyvision("collect", "urls.txt", "out")
    assert done.code == 1
    text = done.out.replace("\n", "")
    assert "out: 0 images stored, 2 refused; 2 in this run" in text
    assert "refused file:///etc/passwd is not asked: file: addresses are not of the web" in text
    assert "refused http://127.0.0.1:9/[red] leads into a private network (127.0.0.1)" in text
    done = tinyvision("collect", "urls.txt", "out", "--json")
    assert done.code == 1
    assert [p["status"] for p in done.json["problems"]] == ["refused", "refused"]


def test_what_failed_can_be_asked_for_again(tinyvision, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "PAUSE", 0.001)
    monkeypatch.setenv("NO_PROXY", "*")
    (tmp_path / "urls.txt").write_text("http://127.0.0.1:9/ cats\n")  # where nobody answers
    done = tinyvision("collect", "urls.txt", "out", "--allow-private")
    assert done.code == 1
    assert "1 failed" in done.out and "run the same command again" in done.out


def test_options_reach_the_library(tinyvision, tmp_path):
    (tmp_path / "in").mkdir()
    exif = Image.Exif()
    exif.get_ifd(0x8825)[1] = "N"
    noise = Image.effect_noise((64, 64), 80).convert("RGB")
    noise.save(tmp_path / "in" / "a.jpg", exif=exif)
    noise.resize((80, 80)).save(tmp_path / "in" / "b.png")
    words = ("collect", "in", "out", "--label", "cats", "--drop-similar", "--keep-location")
    done = tinyvision(*words, "--json")
    assert (done.code, done.json["stored"], done.json["duplicate"]) == (0, 1, 1)
    lines = (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()
    (stored,) = (r for r in map(json.loads, lines) if r["status"] == "stored")
    assert stored["label"] == "cats"
    with Image.open(tmp_path / "out" / stored["path"]) as image:
        assert stored["format"] == "PNG" or image.getexif().get_ifd(0x8825)
    assert tinyvision("collect", "in", "small", "--max-mb", "0.001").code == 1


def test_mistakes(tinyvision, tmp_path):
    for words, code, message in [
        (("nowhere", "out"), 1, "There is no file or folder nowhere"),
        ((".", "out"), 1, "one lies in the other"),
        (("--workers", "0", "a", "out"), 2, "Invalid value for '--workers'"),
        (("a",), 2, "Missing argument 'FOLDER'"),
    ]:
        done = tinyvision("collect", *words)
        assert done.code == code
        assert message in done.err.replace("\n", " ")
    assert not (tmp_path / "out").exists()
