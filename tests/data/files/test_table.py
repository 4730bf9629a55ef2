"""CSV and JSON Lines lists: what they may look like, and which line is wrong."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.data.folders import put
from tinyvision import data
from tinyvision.data import find_files, load, read_table
from tinyvision.errors import DataError


@pytest.fixture
def photos(tmp_path):
    """Six gray images, image i of the value 10 i."""
    for i in range(6):
        put(tmp_path / "images" / f"{i}.png", 10 * i)
    return tmp_path


def write(photos, name, text, encoding="utf-8"):
    path = photos / name
    path.write_bytes(text.encode(encoding))
    return path


ROWS = [("images/0.png", "10"), ("images/1.png", "9"), ("images/2.png", "10")]
OBJECTS = [{"path": path, "label": label} for path, label in ROWS]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "path,label\n" + "".join(f"{p},{n}\n" for p, n in ROWS)),
        ("a.csv", "\ufeffLabel;Path\r\n" + "".join(f"{n};{p}\r\n" for p, n in ROWS)),
        ("a.tsv", "filename\tclass\n" + "".join(f'"{p}"\t{n}\n\n' for p, n in ROWS)),
        ("a.csv", "".join(f"{p},{n}\n" for p, n in ROWS)),
        ("a.jsonl", "\n".join(map(json.dumps, OBJECTS))),
        ("a.jsonl", "\n".join(json.dumps({"file": p, "label": int(n)}) + "\n" for p, n in ROWS)),
    ],
    ids=["csv", "semicolons from Excel", "tabs, quotes", "no header", "jsonl", "numbers"],
)
def test_spellings_of_one_list(photos, name, text):
    files = read_table(write(photos, name, text))
    assert list(files.paths) == [str(photos / path) for path, _ in ROWS]
    assert files.classes == ("9", "10")  # natural order
    assert files.labels.dtype == np.int64 and files.labels.tolist() == [1, 0, 1]
    assert files.counts().tolist() == [1, 2] and not files.tagging
    sample = files[1]
    assert sample.content == (photos / "images/1.png").read_bytes()
    assert (sample.name, sample.labels) == (str(photos / "images/1.png"), (0,))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "path,labels\nimages/0.png,sun|cat\nimages/1.png,\nimages/2.png,cat\n"),
        (
            "t.jsonl",
            '{"path": "images/0.png", "labels": ["sun", "cat"]}\n'
            '{"path": "images/1.png", "labels": []}\n{"path": "images/2.png", "label": ["cat"]}',
        ),
    ],
)
def test_tags_are_multi_hot(photos, name, text):
    files = read_table(write(photos, name, text))
    assert files.tagging and files.classes == ("cat", "sun")
    assert files.labels.tolist() == [[True, True], [False, False], [True, False]]
    assert [files[i].labels for i in range(3)] == [(0, 1), (), (0,)]
    assert files.counts().tolist() == [2, 1]
    with pytest.raises(DataError, match="t: its images have any number of labels"):
        files.in_memory((6, 6))


def test_further_columns_serve_the_split(photos):
    text = "path,label,patient\n" + "".join(
        f"images/{i}.png,{'ab'[i % 2]},{i // 2}\n" for i in range(6)
    )
    files = read_table(write(photos, "a.csv", text))
    assert list(files.columns["patient"]) == ["0", "0", "1", "1", "2", "2"]
    train, test = data.grouped_split(files.columns["patient"], (0.6, 0.4), 0)
    part = files.subset(test, "test")
    assert set(part.columns["patient"]).isdisjoint(files.subset(train).columns["patient"])
    assert part.name == "test" and part[0].name == files.paths[test[0]]


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("a.csv", "path,label\nimages/0.png,a\nimages/9.png,b", "a.csv, line 3: .*9.png is not"),
        ("a.csv", "path,label\nimages,a", "line 2: the file .*images is a folder"),
        ("a.csv", "path,label\nimages/0.png,a,b", "line 2: 3 columns where there should be 2"),
        ("a.csv", "path,label\nimages/0.png,", "line 2: there is no label"),
        ("a.csv", "path,label\n,a", "line 2: there is no path"),
        ("a.csv", 'path,label\n"images/0.png,a', "line 2: unexpected end of data"),
        ("a.csv", "path,species\nimages/0.png,a", "line 1: the columns are path, species"),
        ("a.csv", "path,label\nhttps://x.org/a.jpg,a", "line 2: .* is an address"),
        ("a.csv", "", "lists no images"),
        ("a.jsonl", '{"path": "images/0.png", "label": "a"}\n{"path"', "line 2: not JSON"),
        ("a.jsonl", "[1]", "line 1: an object such as"),
        ("a.jsonl", '{"path": "images/0.png"}', "line 1: there is no label"),
        ("a.jsonl", '{"path": "images/0.png", "label": 1.5}', "a whole number, not 1.5"),
        ("a.jsonl", '{"path": "images/0.png", "labels": {}}', "line 1: the labels must be a list"),
        (
            "a.jsonl",
            '{"path": "images/0.png", "label": "a"}\n{"path": "images/0.png", "labels": []}',
            "line 2: one label and lists of labels cannot be mixed",
        ),
        ("a.txt", "path,label", "a list of images ends in .csv"),
    ],
)  # fmt: skip
def test_the_wrong_line_is_named(photos, name, text, fault):
    with pytest.raises(DataError, match=fault):
        read_table(write(photos, name, text))


def test_files_that_are_no_text(photos):
    with pytest.raises(DataError, match=r"a.csv is not in UTF-8"):
        read_table(write(photos, "a.csv", "path,label\nimages/0.png,Bär", "latin-1"))
    with pytest.raises(DataError, match="There is no file"):
        read_table(photos / "gone.csv")


def test_known_classes_keep_their_order(photos):
    table = write(photos, "a.csv", "path,label\nimages/0.png,b\nimages/1.png,a\n")
    files = read_table(table, classes=("z", "b", "a"))
    assert files.classes == ("z", "b", "a") and files.labels.tolist() == [1, 2]
    with pytest.raises(DataError, match=r"line 3: the label 'a' is none of .*\(b, c\)"):
        read_table(table, classes=("b", "c"))


def test_a_list_is_loaded_like_a_folder(photos):
    text = "path,label,split\n" + "".join(
        f"images/{i}.png,{'ab'[i % 2]},{'training' if i < 4 else 'test'}\n" for i in range(6)
    )
    parts = load(write(photos, "a.csv", text), size=(6, 6), channels=1, val=0.5)
    assert parts.classes == ("a", "b") and parts.image_shape == (6, 6, 1)
    assert sorted(parts.test.images[:, 0, 0, 0].tolist()) == [40, 50]
    assert (len(parts.train), len(parts.val)) == (2, 2)
    for part in (parts.train, parts.val, parts.test):
        assert (part.labels == part.images[:, 0, 0, 0] // 10 % 2).all()
    with pytest.raises(DataError, match="'soon' is no part"):
        find_files(write(photos, "b.csv", "path,label,split\nimages/0.png,a,soon\n"))


def test_a_broken_file_of_a_list_is_skipped_and_named(photos):
    (photos / "images/2.png").write_bytes(b"torn")
    text = "".join(f"images/{i}.png,{'ab'[i % 2]}\n" for i in range(6))
    parts = load(write(photos, "a.csv", text), size=(6, 6), channels=1, val=0.0, test=0.0)
    assert [file.path for file in parts.skipped] == [str(photos / "images/2.png")]
    assert parts.train.images[:, 0, 0, 0].tolist() == [0, 10, 30, 40, 50]
    assert parts.train.labels.tolist() == [0, 1, 1, 0, 1]


def test_the_files_of_a_folder(photos):
    root = photos / "set"
    for part, n in (("train", 3), ("val", 1)):
        for name in ("dog", "cat"):
            for i in range(n):
                put(root / part / name / f"{i}.png", i)
    parts, skipped = find_files(root)
    assert list(parts) == ["train", "val"] and skipped == ()
    assert parts["train"].classes == ("cat", "dog") and parts["train"].counts().tolist() == [3, 3]
    assert parts["val"].name == "set validation"
    put(root / "val" / "fox" / "0.png")
    with pytest.raises(DataError, match=r"0\.png is of the class 'fox'"):
        find_files(root)


def test_a_file_gone_since_is_named(photos):
    files = read_table(write(photos, "a.csv", "images/0.png,a\n"))
    (photos / "images/0.png").unlink()
    with pytest.raises(DataError, match=r"images/0.png: there is no such file"):
        files[0]


def test_names_beyond_unicode_and_empty_strings_are_kept():
    from tinyvision.data.files.strings import Strings

    names = ["", "ä", "\udcff.png", "x" * 5000] + [str(i) for i in range(5000)]
    kept = Strings(iter(names))
    assert list(kept) == names and kept[-1] == "4999" and kept[2:4] == names[2:4]
    assert list(kept.subset(np.array([3, 0]))) == [names[3], ""]
    with pytest.raises(IndexError):
        kept[len(names)]


def test_command_line_takes_a_list(photos, monkeypatch, capsys):
    from tinyvision.cli import main

    monkeypatch.chdir(photos)
    write(photos, "a.csv", "".join(f"images/{i}.png,{'ab'[i % 2]}\n" for i in range(6)))
    with pytest.raises(SystemExit) as done:
        main(["data", "a.csv", "--no-sheet", "--json"])
    assert not done.value.code
    assert json.loads(capsys.readouterr().out)["classes"] == ["a", "b"]


def test_gray_is_spread_to_colour(photos):
    Image.new("RGB", (6, 6), (1, 2, 3)).save(photos / "images/colour.png")
    files = read_table(write(photos, "a.csv", "images/0.png,a\nimages/colour.png,b\n"))
    dataset, rows, skipped = files.in_memory((6, 6))
    assert dataset.images[:, 0, 0].tolist() == [[0, 0, 0], [1, 2, 3]]
    assert rows.tolist() == [0, 1] and skipped == ()
