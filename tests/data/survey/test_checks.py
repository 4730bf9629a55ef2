"""Each check, on files made for it; expectations by hand."""

import shutil
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from tests.data.folders import BROKEN, fill, paint
from tinyvision.data import Finding, survey
from tinyvision.data.collect.checks import check
from tinyvision.data.survey import CHECKS


def found(root: Path, name: str) -> dict[str, Finding]:
    """The findings of a check by their path below the root."""
    of = survey(root).of(name)
    assert len({finding.place.path for finding in of}) == len(of)  # each file once
    return {finding.place.path.relative_to(root).as_posix(): finding for finding in of}


def save(root: Path, name: str, pixels: np.ndarray, **options: object) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


# --- odd files ------------------------------------------------------------------------------------

# What the README of the odd images says of them, file by file.
LOOKS_LIKE = {
    "hopper_gray.jpg": "hopper.jpg",
    "hopper_orientation_3.jpg": "hopper.jpg",  # "upright all look alike"
    "hopper_orientation_6.jpg": "hopper.jpg",
    "hopper_orientation_8.jpg": "hopper.jpg",
    "made_bmp_named.jpg": "hopper.jpg",
    "pil123rgba.png": "pil123p.png",
    "pil_sample_rgb.jpg": "pil_sample_cmyk.jpg",  # "the same picture"
}


def test_odd_images(data_root: Path, tmp_path: Path) -> None:
    shutil.copytree(data_root / "odd-images", tmp_path / "odd")
    result = survey(tmp_path)
    of = {name: [f.place.path.name for f in result.of(name)] for name in CHECKS}
    assert set(of["broken"]) == BROKEN and len(of["broken"]) == len(BROKEN)
    assert {finding.place.path.name for finding in result.rejects} == BROKEN
    assert of["duplicate"] == of["unreadable"] == of["stray"] == []
    # 16 bits with values 291 to 694, so nearly black in 8: told, but not moved away
    assert of["blank"] == ["16bit.cropped.tif"]
    assert {
        f.place.path.name: f.other and f.other.path.name for f in result.of("near duplicate")
    } == LOOKS_LIKE
    assert {"pil_sample_cmyk.jpg", "16bit.cropped.tif", "i_trns.png"} <= set(of["mode"])


def test_what_cannot_be_opened_is_not_called_broken(tmp_path: Path) -> None:
    paint(tmp_path / "a" / "0.png", 0)
    (tmp_path / "a" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (finding,) = found(tmp_path, "unreadable").values()
    assert (finding.severity, finding.reason) == ("warn", "there is no such file")
    assert survey(tmp_path).rejects == ()


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no file here fails to be read")
def test_a_disk_that_fails_is_no_reason_to_reject(tmp_path: Path) -> None:
    paint(tmp_path / "a" / "0.png", 0)
    (tmp_path / "a" / "failing.png").symlink_to("/proc/self/mem")  # opens, and reads as EIO
    (finding,) = found(tmp_path, "unreadable").values()
    assert finding.severity == "warn" and "cannot be read (Input/output error)" in finding.reason


@pytest.mark.parametrize("error", [MemoryError(), OSError(5, "Input/output error")])
def test_troubles_that_pass_are_no_reason_to_reject(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    paint(tmp_path / "a" / "0.png", 0)

    def load(image: object) -> None:
        raise error

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", load)
    (finding,) = found(tmp_path, "unreadable").values()
    assert finding.severity == "warn" and survey(tmp_path).rejects == ()


def test_a_folder_that_cannot_be_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paint(tmp_path / "a" / "0.png", 0)
    (tmp_path / "a" / "closed").mkdir()
    iterdir = Path.iterdir

    def refuse(path: Path) -> Iterator[Path]:  # who runs the tests may be allowed to read all
        if path.name == "closed":
            raise PermissionError(13, "Permission denied")
        return iterdir(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    finding = found(tmp_path, "unreadable")["a/closed"]
    assert finding.reason == "it cannot be looked into (Permission denied)"


def test_strays_are_told_and_stay(tmp_path: Path) -> None:
    paint(tmp_path / "a" / "0.png", 0)
    paint(tmp_path / "lost.png", 1)
    finding = found(tmp_path, "stray")["lost.png"]
    assert finding.severity == "warn" and "its class is unknown" in finding.reason


# --- blank ----------------------------------------------------------------------------------------


def test_blank(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    flat = np.full((64, 64, 3), 200, np.uint8)
    bird = np.full((256, 256, 3), 200, np.uint8)
    bird[30:32, 30:32] = 20  # 4 of 65,536 pixels: a deviation of 180 * sqrt(4 / 65,536) = 1.4
    cap = rng.normal(8, 1, (64, 64)).clip(0, 255).astype(np.uint8)  # a camera's noise
    fog = np.tile(np.linspace(120, 160, 64).astype(np.uint8), (64, 1))
    # red and green of the same luma, 0.299 * 200 = 0.587 * 102: gray is flat, the picture is not
    luma = np.zeros((64, 64, 3), np.uint8)
    luma[:32, :, 0], luma[32:, :, 1] = 200, 102
    stripes = np.tile(np.array([100, 112], np.uint8).repeat(4), (64, 8))
    drawn = {"bird": bird, "fog": fog, "luma": luma, "flat": flat, "cap": cap, "stripes": stripes}
    for name, pixels in drawn.items():
        save(tmp_path, f"a/{name}.png", pixels)
    save(tmp_path, "a/wall.jpg", np.full((400, 300, 3), 90, np.uint8))
    save(tmp_path, "a/dark.png", rng.integers(0, 600, (64, 64), dtype=np.uint16))  # of 65,535
    blank = found(tmp_path, "blank")
    assert {name: finding.severity for name, finding in blank.items()} == {
        "a/cap.png": "reject",
        "a/dark.png": "warn",
        "a/flat.png": "reject",
        "a/wall.jpg": "reject",
    }
    assert "all its pixels are the same" in blank["a/flat.png"].reason
    assert f"from {cap.min()} to {cap.max()} of 255" in blank["a/cap.png"].reason


# --- the same file twice --------------------------------------------------------------------------


def test_a_copy_in_the_same_class(tmp_path: Path) -> None:
    paint(tmp_path / "a" / "1.png", 1)
    shutil.copy(tmp_path / "a" / "1.png", tmp_path / "a" / "2.png")
    shutil.copy(tmp_path / "a" / "1.png", tmp_path / "a" / "10.png")
    copies = found(tmp_path, "duplicate")
    assert list(copies) == ["a/2.png", "a/10.png"]
    for finding in copies.values():
        assert finding.severity == "reject" and not finding.leak and not finding.conflict
        assert finding.other and finding.other.path == tmp_path / "a" / "1.png"
        assert str(finding.other.path) in finding.reason
    assert found(tmp_path, "near duplicate") == {}  # told once is enough


def test_of_copies_across_parts_the_one_to_test_with_stays(tmp_path: Path) -> None:
    for i, part in enumerate(("train", "val", "test")):
        paint(tmp_path / part / "a" / f"{part}.png", 1)
        paint(tmp_path / part / "b" / f"{part}.png", 2 + i)
    copies = found(tmp_path, "duplicate")
    assert set(copies) == {"train/a/train.png", "val/a/val.png"}
    for finding in copies.values():
        assert finding.leak and finding.severity == "reject"
        assert finding.other and finding.other.path == tmp_path / "test" / "a" / "test.png"
        assert "in the test part" in finding.reason


def test_copies_with_different_labels_take_a_judgement(tmp_path: Path) -> None:
    for name in ("cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png"):
        paint(tmp_path / name, 1)
    copies = found(tmp_path, "duplicate")
    assert {n: (f.severity, f.conflict) for n, f in copies.items()} == {
        "cat/2.png": ("reject", False),  # of cat/1.png
        "dog/1.png": ("warn", True),
        "dog/2.png": ("reject", False),  # of dog/1.png
    }
    assert copies["dog/2.png"].other == copies["dog/1.png"].place
    assert "labelled 'cat', not 'dog'" in copies["dog/1.png"].reason


def test_a_file_stays_rather_than_a_link_to_it(tmp_path: Path) -> None:
    paint(tmp_path / "a" / "2.png", 1)
    (tmp_path / "a" / "1.png").symlink_to("2.png")
    (finding,) = found(tmp_path, "duplicate").values()
    assert finding.place.path.name == "1.png"


# --- near duplicates on disk ----------------------------------------------------------------------


def test_scaled_and_recompressed_copies_are_seen_across_parts_and_classes(tmp_path: Path) -> None:
    places = product(("train", "test"), "ab", range(3))
    for seed, (part, label, i) in enumerate(places):
        paint(tmp_path / part / label / f"{i}.png", seed)
    with Image.open(tmp_path / "train/a/0.png") as picture:
        picture.resize((40, 40)).save(tmp_path / "test/b/small.png")
        picture.save(tmp_path / "train/a/9.jpg", quality=40)
    near = found(tmp_path, "near duplicate")
    assert set(near) == {"test/b/small.png", "train/a/9.jpg"}
    assert all(f.other and f.other.path == tmp_path / "train/a/0.png" for f in near.values())
    across, within = near["test/b/small.png"], near["train/a/9.jpg"]
    assert across.leak and across.conflict and across.severity == "warn"
    assert "labelled 'a', not 'b'" in across.reason and "in the train part" in across.reason
    assert not within.leak and not within.conflict


def test_the_look_is_that_of_a_collection(data_root: Path, tmp_path: Path) -> None:
    shutil.copytree(data_root / "odd-images", tmp_path / "odd")
    images = survey(tmp_path).images
    assert len(images) == 17
    for image in images:
        content = image.place.path.read_bytes()
        assert image.look == check(content, keep_location=True).look, image.place.path


# --- size, proportions, mode ----------------------------------------------------------------------


def test_tiny_is_relative_to_what_is_wanted(tmp_path: Path) -> None:
    for i, size in enumerate([(64, 64), (80, 60), (70, 61), (29, 80), (90, 31)]):
        paint(tmp_path / "a" / f"{i}.png", i, size)
    tiny = found(tmp_path, "tiny")
    assert set(tiny) == {"a/3.png"}  # 29 pixels for 60, the median of the shorter sides
    assert "29 x 80 pixels are enlarged 2.1 times to cover 60 x 60" in tiny["a/3.png"].reason
    of = {f.place.path.name for f in survey(tmp_path, size=(128, 128)).of("tiny")}
    assert of == {"1.png", "2.png", "3.png", "4.png"}  # 64 pixels are enlarged just twice
    assert survey(tmp_path, size=(8, 8)).of("tiny") == ()
    fill(tmp_path / "small", a=3)  # of 6 x 6 pixels, all of them
    assert survey(tmp_path / "small").of("tiny") == ()


@pytest.mark.parametrize(
    ("usual", "odd"),
    [((60, 60), {(40, 130), (130, 40)}), ((20, 80), {(130, 40), (60, 60)})],
    ids=["squares", "number plates"],
)
def test_odd_proportions_are_relative_to_the_others(
    tmp_path: Path, usual: tuple[int, int], odd: set[tuple[int, int]]
) -> None:
    sizes = [usual] * 5 + [(40, 130), (130, 40), (60, 60), (40, 100)]
    for i, size in enumerate(sizes):
        paint(tmp_path / "a" / f"{i}.png", i, size)
    assert {sizes[int(Path(name).stem)] for name in found(tmp_path, "proportions")} == odd


def test_unusual_modes(tmp_path: Path) -> None:
    for i in range(60):
        paint(tmp_path / "a" / f"{i}.png", i, (16, 16))
    for i in range(2):
        with Image.open(tmp_path / "a" / f"{i}.png") as picture:
            picture.convert("CMYK").resize((20, 20)).save(tmp_path / "a" / f"{i}.jpg")
            picture.convert("L").save(tmp_path / "a" / f"gray{i}.png")
    modes = found(tmp_path, "mode")
    assert set(modes) == {"a/0.jpg", "a/1.jpg", "a/gray0.png", "a/gray1.png"}
    assert "its mode is L (gray); 2 of 64 images have it" in modes["a/gray0.png"].reason
    assert "CMYK" in modes["a/0.jpg"].reason
    for i in range(5):  # 7 of 69 are gray now: nothing unusual any more
        with Image.open(tmp_path / "a" / f"{i}.png") as picture:
            picture.convert("L").transpose(Image.Transpose.ROTATE_90).save(
                tmp_path / "a" / f"turned{i}.png"
            )
    assert set(found(tmp_path, "mode")) == {"a/0.jpg", "a/1.jpg"}
