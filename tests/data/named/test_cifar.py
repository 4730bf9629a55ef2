"""CIFAR-10's binary version: the layout, its three places, and damaged files."""

import io
import tarfile

import numpy as np
import pytest

from tinyvision.data.named import cifar
from tinyvision.data.named.cifar import load_cifar10, parse_records
from tinyvision.errors import DataError

FILES = (*cifar.TRAIN_FILES, cifar.TEST_FILE)


def batch(label: int, pixel: int = 0) -> bytes:
    """One batch file: all labels equal, all pixels equal."""
    return (bytes([label]) + bytes([pixel]) * 3072) * 10_000


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    """A folder with six whole files; file i holds label i and pixels 10 * i."""
    folder = tmp_path_factory.mktemp("cifar") / "cifar-10-batches-bin"
    folder.mkdir()
    for i, name in enumerate(FILES):
        (folder / name).write_bytes(batch(i, 10 * i))
    return folder


@pytest.fixture(scope="module")
def archive(official, tmp_path_factory):
    path = tmp_path_factory.mktemp("archive") / "cifar-10-binary.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        # The archive lists its files in an order of its own, among others that are of no interest.
        for name in sorted(FILES, reverse=True):
            tar.add(official / name, f"cifar-10-batches-bin/{name}")
        readme = tarfile.TarInfo("cifar-10-batches-bin/readme.html")
        readme.size = 2
        tar.addfile(readme, io.BytesIO(b"hi"))
    return path


def test_a_record_is_a_label_and_three_planes():
    rng = np.random.default_rng(0)
    records = rng.integers(0, 256, (10_000, 3073), np.uint8)
    records[:, 0] = rng.integers(0, 10, 10_000)
    images, labels = parse_records(records.tobytes(), "batch")
    assert images.shape == (10_000, 32, 32, 3)
    assert images.flags.c_contiguous
    assert labels.tolist() == records[:, 0].tolist()
    # "The first 1024 bytes are the red channel values, the next 1024 the green, the final 1024 the
    # blue. The values are stored in row-major order": byte 1 + 1024 c + 32 y + x.
    for n, y, x, c in ((0, 0, 0, 0), (1, 0, 5, 1), (9999, 31, 30, 2), (77, 12, 0, 2)):
        assert images[n, y, x, c] == records[n, 1 + 1024 * c + 32 * y + x]


@pytest.mark.parametrize("place", ["folder", "sub-folder", "archive"])
def test_the_three_places_are_read(official, archive, place):
    folder = {
        "folder": official,
        "sub-folder": official.parent,
        "archive": archive.parent,
    }[place]
    train, test = load_cifar10(folder)
    assert train.images.shape == (50_000, 32, 32, 3)
    assert test.images.shape == (10_000, 32, 32, 3)
    assert train.counts().tolist() == [10_000] * 5 + [0] * 5
    assert np.array_equal(train.images[:, 7, 7, 1], 10 * train.labels)
    assert (test.labels == 5).all()
    assert train.classes[6] == "frog"
    assert (train.name, test.name) == ("cifar10 train", "cifar10 test")


def test_a_truncated_or_too_long_file_is_refused(official, tmp_path):
    for name in FILES:
        (tmp_path / name).symlink_to(official / name)
    bad = tmp_path / "data_batch_3.bin"
    # One whole record less: the file still consists of whole records, so only the size tells.
    for content, fault in ((batch(2)[:-3073], "truncated: it has 30,726,927 bytes"),
                           (batch(2) + b"\0", "too long: it has 30,730,001 bytes")):  # fmt: skip
        bad.unlink()
        bad.write_bytes(content)
        with pytest.raises(DataError, match=rf"data_batch_3.bin is {fault}, but 10,000 records"):
            load_cifar10(tmp_path)


def test_a_missing_file_is_named(official, tmp_path):
    for name in FILES[:2]:
        (tmp_path / name).symlink_to(official / name)
    with pytest.raises(DataError, match=r"incomplete: data_batch_3.bin, .*test_batch.bin is miss"):
        load_cifar10(tmp_path)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"holds neither data_batch_1.bin, cifar-10-batches-bin"):
        load_cifar10(tmp_path)


def test_a_label_above_nine_is_refused():
    data = bytearray(batch(0))
    data[3073 * 4] = 42
    with pytest.raises(DataError, match="record 4 has the label 42, but there are 10 classes"):
        parse_records(bytes(data), "batch")


@pytest.mark.parametrize("keep", [0, 100, 20_000])
def test_a_cut_archive_is_refused(archive, tmp_path, keep):
    path = tmp_path / archive.name
    path.write_bytes(archive.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"cifar-10-binary.tar.gz is damaged .*fetch it again"):
        load_cifar10(tmp_path)


def test_links_and_swollen_members_of_an_archive_are_not_followed(tmp_path):
    path = tmp_path / "cifar-10-binary.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        link = tarfile.TarInfo("cifar-10-batches-bin/data_batch_1.bin")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(DataError, match=r"incomplete: data_batch_1.bin"):
        load_cifar10(tmp_path)

    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        swollen = tarfile.TarInfo("test_batch.bin")
        swollen.size = 30_730_001
        tar.addfile(swollen, io.BytesIO(bytes(30_730_001)))
    with pytest.raises(DataError, match=r"test_batch.bin of 30,730,001 bytes is too long"):
        load_cifar10(tmp_path)


def test_the_real_cifar10(cifar10_folder):
    train, test = load_cifar10(cifar10_folder)
    assert train.counts().tolist() == [5000] * 10
    assert test.counts().tolist() == [1000] * 10
    assert train.labels[:5].tolist() == [6, 9, 9, 4, 1]  # frog, truck, truck, deer, automobile
    # Channel means of the training part, as published with many CIFAR-10 recipes.
    means = train.images.reshape(-1, 3).mean(axis=0, dtype=np.float64) / 255
    assert means == pytest.approx([0.4914, 0.4822, 0.4465], abs=1e-4)
