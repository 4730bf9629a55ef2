"""idx files: every element type, the real sets, and each way a file can be wrong."""

import gzip
import struct

import numpy as np
import pytest

from tinyvision.data.named.idx import load_idx_set, read_idx
from tinyvision.errors import DataError

CLASSES = tuple("0123456789")


def idx_bytes(code: int, shape: tuple[int, ...], payload: bytes) -> bytes:
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, code, len(shape), *shape) + payload


def write_set(folder, train=6, test=3, **changes):
    """A small MNIST-like set; ``changes`` replaces the content of files by their stem."""
    rng = np.random.default_rng(0)
    arrays = {}
    for part, n in (("train", train), ("t10k", test)):
        images = rng.integers(0, 256, (n, 4, 5), np.uint8)
        labels = rng.integers(0, 10, n, np.uint8)
        arrays[part] = images, labels
        for stem, content in (
            (f"{part}-images-idx3-ubyte", idx_bytes(8, images.shape, images.tobytes())),
            (f"{part}-labels-idx1-ubyte", idx_bytes(8, labels.shape, labels.tobytes())),
        ):
            key = stem.replace("-", "_")
            (folder / stem).write_bytes(changes.get(key, content))
    return arrays


# The payloads are written by struct, byte by byte as the format's page describes them.
@pytest.mark.parametrize(
    ("code", "pattern", "values", "dtype"),
    [
        (0x08, ">6B", (0, 1, 2, 127, 128, 255), np.uint8),
        (0x09, ">6b", (0, 1, -1, 127, -128, 5), np.int8),
        (0x0B, ">6h", (0, 1, -1, 32767, -32768, 258), np.int16),
        (0x0C, ">6i", (0, 1, -1, 2**31 - 1, -(2**31), 16909060), np.int32),
        (0x0D, ">6f", (0.0, 1.5, -2.25, 1e30, -1e-30, 3.0), np.float32),
        (0x0E, ">6d", (0.0, 1.5, -2.25, 1e300, -1e-300, 3.0), np.float64),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_every_element_type(tmp_path, code, pattern, values, dtype, packed):
    path = tmp_path / "file"  # no suffix: the content decides what is gzipped
    data = idx_bytes(code, (2, 3), struct.pack(pattern, *values))
    path.write_bytes(gzip.compress(data) if packed else data)
    array = read_idx(path)
    assert array.dtype == dtype
    assert array.dtype.isnative
    assert array.shape == (2, 3)
    assert array.ravel().tolist() == np.array(values, dtype).tolist()
    array[0, 0] = 1  # writable


def test_an_empty_dimension_is_read(tmp_path):
    path = tmp_path / "none"
    path.write_bytes(idx_bytes(8, (0, 28, 28), b""))
    assert read_idx(path).shape == (0, 28, 28)


GOOD = idx_bytes(8, (2, 3), bytes(6))
WRONG = {
    "empty": (b"", "is not an idx file: it starts with nothing"),
    "short magic": (GOOD[:3], "is not an idx file"),
    "html": (b"<html>404</html>", "is not an idx file: it starts with 3c 68 74 6d"),
    "type": (b"\0\0\x0a" + GOOD[3:], "is not an idx file: it starts with 00 00 0a 02"),
    "rank 0": (b"\0\0\x08\0", "an idx file of 0 dimensions"),
    "rank 200": (b"\0\0\x08\xc8" + bytes(800), "an idx file of 200 dimensions"),
    "header": (GOOD[:9], "its header should have 12 bytes, but the file ends after 9"),
    "truncated": (
        GOOD[:-1],
        "is truncated: .* 2 x 3 elements of 1 byte.*, 6 bytes .* but 5 follow",
    ),
    "too long": (GOOD + b"\0", "is too long: .* 6 bytes in all, but more follow"),
    "cut gzip": (gzip.compress(GOOD)[:-9], "is a damaged gzip file .*; fetch it again"),
    "bad crc": (gzip.compress(GOOD)[:-8] + bytes(8), "is a damaged gzip file"),
    "bad deflate": (gzip.compress(GOOD)[:10] + b"\xff" * 30, "is a damaged gzip file"),
    "gzip of nothing": (gzip.compress(b""), "is not an idx file"),
    "nothing, hugely": (
        idx_bytes(8, (0, *(2**32 - 1,) * 4), b""),
        "an array of 0 x 4294967295 x .* is too large",
    ),
    # A header that claims 2**96 bytes must be refused without reserving them.
    "lying header": (
        idx_bytes(8, (2**32 - 1,) * 3, bytes(10)),
        "is truncated: .* 79,228,162,458,924,105,385,300,197,375 bytes in all, but 10 follow",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_refused_by_name(tmp_path, case):
    content, message = WRONG[case]
    path = tmp_path / "labels.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"There is no file .*nothing"):
        read_idx(tmp_path / "nothing")
    with pytest.raises(DataError, match="cannot be read"):
        read_idx(tmp_path)


def test_a_set_is_loaded_with_its_parts_in_place(tmp_path):
    arrays = write_set(tmp_path)
    train, test = load_idx_set(tmp_path, "tiny", CLASSES)
    for dataset, part, name in ((train, "train", "tiny train"), (test, "t10k", "tiny test")):
        images, labels = arrays[part]
        assert dataset.name == name
        assert dataset.classes == CLASSES
        assert dataset.images.shape == (*images.shape, 1)
        assert np.array_equal(dataset.images[..., 0], images)
        assert np.array_equal(dataset.labels, labels)


def test_gzipped_and_dotted_names_are_found(tmp_path):
    arrays = write_set(tmp_path)
    for path in list(tmp_path.iterdir()):
        if "images" in path.name:
            (tmp_path / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
        else:
            path.rename(tmp_path / path.name.replace("-idx1", ".idx1"))
    train, _ = load_idx_set(tmp_path, "tiny", CLASSES)
    assert np.array_equal(train.images[..., 0], arrays["train"][0])


@pytest.mark.parametrize(
    ("stem", "content", "message"),
    [
        (
            "train_labels_idx1_ubyte",
            idx_bytes(8, (5,), bytes(5)),
            "train-labels-idx1-ubyte has 5 labels, but train-images-idx3-ubyte has 6 images",
        ),
        (
            "t10k_labels_idx1_ubyte",
            idx_bytes(8, (3,), b"\0\x0a\0"),
            "image 1 has the label 10, but there are 10 classes",
        ),
        (
            "train_images_idx3_ubyte",
            idx_bytes(8, (6,), bytes(6)),
            r"should hold bytes of shape \(N, H, W\), but holds uint8 of shape \(6,\)",
        ),
        (
            "train_labels_idx1_ubyte",
            idx_bytes(0x0C, (6,), bytes(24)),
            r"should hold bytes of shape \(N,\), but holds int32",
        ),
    ],
)
def test_files_that_do_not_fit_each_other_are_refused(tmp_path, stem, content, message):
    write_set(tmp_path, **{stem: content})
    with pytest.raises(DataError, match=message):
        load_idx_set(tmp_path, "tiny", CLASSES)


def test_a_missing_part_is_named(tmp_path):
    write_set(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match="holds no t10k-labels-idx1-ubyte"):
        load_idx_set(tmp_path, "tiny", CLASSES)


def test_the_real_mnist(data_root):
    train, test = load_idx_set(data_root / "mnist", "mnist", CLASSES)
    assert train.images.shape == (60_000, 28, 28, 1)
    assert test.images.shape == (10_000, 28, 28, 1)
    # The first digits and the class counts are printed in every tutorial on MNIST.
    assert train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert train.counts().tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip
    assert test.counts().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    # Mean and deviation of the training pixels: the 0.1307 and 0.3081 of PyTorch's example.
    pixels = train.images / np.float32(255)
    assert pixels.mean() == pytest.approx(0.1307, abs=5e-5)
    assert pixels.std() == pytest.approx(0.3081, abs=5e-5)
