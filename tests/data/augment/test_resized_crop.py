"""A part of the picture: where it lies, that Pillow cuts the same, that all see the same one."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinyvision import backend
from tinyvision.data import (
    Augment,
    Batches,
    Dataset,
    Preprocess,
    Shards,
    find_files,
    pack,
    save_image,
)
from tinyvision.data.files import Sample, decode_to
from tinyvision.data.views import boxes_of, size_needed
from tinyvision.errors import DataError

PREPARE = Preprocess((12, 16), 3)
CROP = Augment.parse("resized-crop=0.2:1.5")
N = 22


def views(count: int, words: str = "resized-crop=0.2:1.5", epoch: int = 0) -> np.ndarray:
    found = Augment.parse(words).views(np.arange(count), seed=3, epoch=epoch)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Pictures of different sizes, without loss, in two classes."""
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for i in range(N):
        H, W = rng.integers(20, 90, 2)
        pixels = rng.integers(0, 256, (H, W, 3), np.uint8)
        path = root / f"class {i % 2}" / f"{i:02d}.png"
        path.parent.mkdir(exist_ok=True)
        save_image(pixels, path)
    return root


@pytest.mark.parametrize("H, W", [(40, 40), (200, 50), (30, 333)])
def test_parts_lie_inside_and_are_as_large_as_asked(H, W):
    boxes = boxes_of(views(500), H, W, (12, 16))
    top, bottom, left, right = boxes.astype(np.float64).T
    assert top.min() >= 0 and left.min() >= 0 and bottom.max() <= H and right.max() <= W
    height, width = bottom - top, right - left
    share, proportions = height * width / (H * W), width / height / (16 / 12)
    free = (height < H - 1e-3) & (width < W - 1e-3)  # not cut to the picture
    assert share[free].min(initial=1) >= 0.2 - 1e-4
    assert (proportions[free] > 1 / 1.5 - 1e-3).all() and (proportions[free] < 1.5 + 1e-3).all()
    assert share.max() <= 1 + 1e-6


def test_parts_are_spread_evenly():
    share, proportions, down, right = views(4000).T
    for numbers, low, high in (
        *((share, 0.2, 1), (np.log(proportions), -np.log(1.5), np.log(1.5))),
        *((down, 0, 1), (right, 0, 1)),
    ):
        counts, _ = np.histogram(numbers, 10, (low, high))
        assert counts.sum() == 4000 and abs(counts - 400).max() < 80  # four standard deviations


def test_other_epochs_show_other_parts():
    assert (views(50) != views(50, epoch=1)).all(axis=0)[[0, 2, 3]].all()


def test_files_are_cut_from_the_whole_picture(folder):
    files = find_files(folder)[0]["all"]
    x, _ = next(Batches(files, PREPARE, N, augment=CROP, seed=3, workers=0).epoch(0))
    for i in range(N):
        with Image.open(files.paths[i]) as picture:
            W, H = picture.size
            top, bottom, left, right = boxes_of(views(N)[i : i + 1], H, W, (12, 16))[0].tolist()
            # Columns before rows, as the kernel has it.
            flat = picture.resize((W, 12), Image.Resampling.BILINEAR, (0, top, W, bottom))
            seen = flat.resize((16, 12), Image.Resampling.BILINEAR, (left, 0, right, 12))
        np.testing.assert_array_equal(np.rint(x[i] * 255), np.asarray(seen))


def test_images_in_memory_are_cut_too():
    images = np.random.default_rng(1).integers(0, 256, (N, 12, 16, 3), np.uint8)
    dataset = Dataset(images, np.zeros(N, np.int64), ("a",), "noise")
    x, _ = next(Batches(dataset, PREPARE, N, augment=CROP, seed=3).epoch(0))
    boxes = boxes_of(views(N), 12, 16, (12, 16))
    expected = backend.get("reference").kernels.resize_images(images, boxes, 12, 16)
    np.testing.assert_array_equal(np.rint(x * 255), expected)


def test_any_workers_and_any_source_see_the_same(folder, tmp_path):
    files = find_files(folder)[0]["all"]
    pack(folder, tmp_path / "packed")
    augment = Augment.parse("flip,resized-crop=0.3,rotate=10")

    def epoch(source, workers: int, size: int = 5) -> np.ndarray:
        batches = Batches(source, PREPARE, size, augment=augment, seed=3, workers=workers)
        return np.concatenate([x for x, _ in batches.epoch(2)])

    plain = epoch(files, 0)
    for workers in (1, 2, 4):
        assert epoch(files, workers).tobytes() == plain.tobytes()
    assert epoch(files, 2, size=9).tobytes() == plain.tobytes()
    packed = epoch(Shards(tmp_path / "packed"), 0)
    for workers in (1, 2, 4):
        assert epoch(Shards(tmp_path / "packed"), workers).tobytes() == packed.tobytes()


def test_a_decoder_of_ones_own_hands_over_what_is_cut(folder):
    files = find_files(folder)[0]["all"]
    whole = decode_to((30, 30))

    def mine(sample: Sample) -> np.ndarray:
        return whole(sample)

    x, _ = next(Batches(files, PREPARE, 4, augment=CROP, seed=3, decode=mine).epoch(0))
    images = np.stack([whole(files[i]) for i in range(4)])
    boxes = boxes_of(views(4), 30, 30, (12, 16))
    expected = backend.get("reference").kernels.resize_images(images, boxes, 12, 16)
    np.testing.assert_array_equal(np.rint(x * 255), expected)


@pytest.mark.parametrize("H, W", [(600, 800), (1500, 400), (300, 1200)])
def test_large_photos_are_decoded_large_enough_for_a_part(H, W):
    """However the decoder scales, a part is never enlarged where the photo has the detail."""
    for view in views(200)[:, None]:  # (200, 4) to 200 of (1, 4)
        top, bottom, left, right = boxes_of(view, H, W, (12, 16))[0]
        side = max(size_needed(view, (12, 16)))
        if side > min(H, W):
            continue
        scale = min(H, W) / side  # at most that much smaller
        assert (bottom - top) / scale >= 12 - 1e-3 and (right - left) / scale >= 16 - 1e-3


def test_a_jpeg_is_decoded_smaller_for_large_parts_only(monkeypatch):
    photo = Image.fromarray(np.zeros((512, 512, 3), np.uint8))
    out = io.BytesIO()
    photo.save(out, "JPEG")
    sizes = []
    decoder = decode_to((32, 32))
    monkeypatch.setattr(
        "tinyvision.data.files.sample.cut_views",
        lambda images, *_: sizes.append(images.shape[1]) or images,
    )
    for share in (1.0, 0.25, 0.04):
        view = np.array([[share, 1.0, 0.5, 0.5]])
        decoder.part(Sample("photo", out.getvalue(), (0,)), view)
    assert sizes == [64, 128, 256]


def test_one_part_is_seen():
    with pytest.raises(DataError, match="give one resized-crop"):
        Augment.parse("resized-crop,resized-crop=0.5")
    for words in ("resized-crop=0", "resized-crop=2", "resized-crop=0.5:0.5"):
        with pytest.raises(DataError, match="ResizedCrop"):
            Augment.parse(words)
