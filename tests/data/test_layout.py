import os
from pathlib import Path

import pytest

from tests.data.folders import fill, put
from tinyvision.data.layout import Layout, find_images, natural_key
from tinyvision.errors import DataError


def listing(layout: Layout, part: str = "all") -> dict[str, list[str]]:
    return {
        name: [str(path.relative_to(layout.root)) for path in paths]
        for name, paths in layout.parts[part].items()
    }


def test_natural_order() -> None:
    names = ["img10", "img9", "IMG1", "b", "A", "10", "9", "img1", "img01"]
    assert sorted(names, key=natural_key) == [
        "9", "10", "A", "b", "IMG1", "img01", "img1", "img9", "img10",
    ]  # fmt: skip


def test_classes_and_files_in_natural_order_at_any_depth(tmp_path: Path) -> None:
    for name in ("10/b.png", "10/a/deep/er.png", "2/img10.png", "2/img9.png"):
        put(tmp_path / name)
    layout = find_images(tmp_path)
    assert layout.classes == ("2", "10")
    assert listing(layout) == {
        "2": ["2/img9.png", "2/img10.png"],
        "10": ["10/b.png", "10/a/deep/er.png"],
    }
    assert layout.strays == ()


def test_what_is_passed_over_in_silence(tmp_path: Path) -> None:
    fill(tmp_path, cats=1, dogs=1)
    ignored = [
        ".DS_Store", "._0.png", ".hidden.png", "Thumbs.db", "desktop.ini", "README", "LICENSE",
        "LICENSE-Pillow", "readme.txt", "COPYING", "labels.csv", "notes.md", "meta.json",
        "page.html", "0.png~", "Licence.rtf",
    ]  # fmt: skip
    for name in ignored:
        (tmp_path / "cats" / name).write_bytes(b"x")
        (tmp_path / name).write_bytes(b"x")
    for folder in (".git", "__MACOSX", "@eaDir", ".ipynb_checkpoints"):
        put(tmp_path / folder / "x.png")
        put(tmp_path / "dogs" / folder / "x.png")
    layout = find_images(tmp_path)
    assert listing(layout) == {"cats": ["cats/0.png"], "dogs": ["dogs/0.png"]}
    assert layout.strays == ()


@pytest.mark.parametrize(
    "name", ["photo", "photo.dat", "license plate.jpg", "README.png", "licenses", "authorship.raw"]
)
def test_what_is_opened_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    (fill(tmp_path, a=1, b=1) / "a" / name).write_bytes(b"x")
    assert f"a/{name}" in listing(find_images(tmp_path))["a"]


@pytest.mark.parametrize("label", ["license plates", "README", "notes.md", "authors"])
def test_a_class_folder_named_like_paperwork_is_a_class(tmp_path: Path, label: str) -> None:
    put(fill(tmp_path, cats=1) / label / "deep" / "readme" / "0.png")
    layout = find_images(tmp_path)
    assert listing(layout)[label] == [f"{label}/deep/readme/0.png"]


def test_images_beside_the_class_folders_are_strays(tmp_path: Path) -> None:
    put(fill(tmp_path, a=1, b=1) / "lost.png")
    (stray,) = find_images(tmp_path).strays
    assert stray.path == str(tmp_path / "lost.png")
    assert stray.reason == "it lies beside the class folders, so its class is unknown"


@pytest.mark.parametrize("val", ["val", "valid", "Validation", "dev"])
def test_ready_parts(tmp_path: Path, val: str) -> None:
    for part in ("test", "Train", val):
        fill(tmp_path / part, cats=1, dogs=2)
    put(tmp_path / "Train" / "lost.png")
    layout = find_images(tmp_path)
    assert list(layout.parts) == ["train", "val", "test"]
    assert listing(layout, "val") == {
        "cats": [f"{val}/cats/0.png"],
        "dogs": [f"{val}/dogs/0.png", f"{val}/dogs/1.png"],
    }
    assert layout.training_part == "train"
    assert layout.classes == ("cats", "dogs")
    assert [stray.path for stray in layout.strays] == [str(tmp_path / "Train" / "lost.png")]


def test_classes_that_are_called_like_parts(tmp_path: Path) -> None:
    vehicles = fill(tmp_path / "vehicles", train=1, plane=1)
    assert find_images(vehicles).classes == ("plane", "train")
    bare = fill(tmp_path / "bare", train=1, test=1)  # images directly inside: no parts
    assert find_images(bare).classes == ("test", "train")


def test_one_part_in_two_folders(tmp_path: Path) -> None:
    for part in ("train", "val", "validation"):
        fill(tmp_path / part, cats=1, dogs=1)
    with pytest.raises(DataError, match="more than one folder for its val part"):
        find_images(tmp_path)


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    root = fill(tmp_path / "root", a=1, b=1)
    elsewhere = tmp_path / "elsewhere"
    put(elsewhere / "far.png")
    (root / "a" / "linked").symlink_to(elsewhere)
    (root / "a" / "again").symlink_to(elsewhere)  # the same files once only
    (root / "a" / "up").symlink_to(root)  # would label the images of b as a
    (root / "a" / "self").symlink_to(root / "a")
    (elsewhere / "back").symlink_to(root)
    (root / "a" / "top").symlink_to("/")
    (root / "b" / "one.png").symlink_to(elsewhere / "far.png")
    assert listing(find_images(root)) == {
        "a": ["a/0.png", "a/again/far.png"],
        "b": ["b/0.png", "b/one.png"],
    }


def test_a_link_to_nothing_is_a_file_that_will_be_reported(tmp_path: Path) -> None:
    (fill(tmp_path, a=1, b=1) / "b" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    assert listing(find_images(tmp_path))["b"] == ["b/0.png", "b/gone.png"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(fill(tmp_path, a=1, b=1) / "a" / "pipe.png")
    assert listing(find_images(tmp_path))["a"] == ["a/0.png"]


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 0)() == 0, reason="here one may read everything")
def test_a_folder_without_permission_is_a_stray(tmp_path: Path) -> None:
    locked = fill(tmp_path, a=1, b=1) / "a" / "locked"
    locked.mkdir(mode=0)
    (stray,) = find_images(tmp_path).strays
    assert stray.path == str(locked) and "Permission denied" in stray.reason
    locked.chmod(0o700)


def test_refused_roots(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"There is no folder .*nowhere"):
        find_images(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"flat\.png is a file; a folder with one sub-folder"):
        find_images(put(tmp_path / "flat.png"))
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "README.txt").write_text("nothing here")
    with pytest.raises(DataError, match=r"empty holds no images; it needs one sub-folder"):
        find_images(empty)
    put(empty / "0.png")
    with pytest.raises(
        DataError, match=r"holds files \(0\.png, for example\) but no class folders"
    ):
        find_images(empty)
