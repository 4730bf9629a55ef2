"""Arrays in .npz files: the spellings in use, and what is refused."""

import numpy as np
import pytest

from tinyvision.data import load, read_npz
from tinyvision.errors import DataError

rng = np.random.default_rng(0)
IMAGES = rng.integers(0, 256, (12, 5, 4), np.uint8)
LABELS = np.arange(12) % 3


def save(folder, **arrays):
    np.savez(folder / "toy.npz", **arrays)
    return folder / "toy.npz"


def test_images_and_labels(tmp_path):
    read = read_npz(save(tmp_path, images=IMAGES, labels=LABELS, classes=["a", "b", "c"]))
    assert list(read) == ["all"]
    data = read["all"]
    assert data.image_shape == (5, 4, 1) and data.classes == ("a", "b", "c")
    assert np.array_equal(data.images[..., 0], IMAGES) and data.labels.tolist() == LABELS.tolist()


def test_parts_as_keras_and_medmnist_write_them(tmp_path):
    colour = np.repeat(IMAGES[..., None], 3, axis=3)
    keras = save(tmp_path, x_train=colour, y_train=LABELS, x_test=colour[:3], y_test=LABELS[:3])
    parts = read_npz(keras)
    assert list(parts) == ["train", "test"] and parts["test"].name == "toy test"
    assert parts["train"].classes == ("0", "1", "2")
    medical = save(
        tmp_path, train_images=IMAGES, train_labels=LABELS[:, None],
        val_images=IMAGES[:3], val_labels=LABELS[:3, None].astype(np.uint8),
    )  # fmt: skip
    assert [len(part) for part in read_npz(medical).values()] == [12, 3]


def test_loaded_like_any_set(tmp_path):
    parts = load(save(tmp_path, x=IMAGES, y=LABELS), val=0.25, test=0.25, size=(3, 3), channels=3)
    assert [len(part) for part in (parts.train, parts.val, parts.test)] == [6, 3, 3]
    assert parts.image_shape == (3, 3, 3)


@pytest.mark.parametrize(
    ("arrays", "fault"),
    [
        ({"a": IMAGES}, "holds a, but 'images' and 'labels'"),
        ({"x": IMAGES, "y": LABELS / 2}, "labels must be whole numbers, got float64"),
        ({"x": IMAGES / 255, "y": LABELS}, "images must be uint8"),
        ({"x": IMAGES, "y": LABELS[:3]}, "12 images but 3 labels"),
        ({"x": IMAGES, "y": LABELS, "classes": ["a"]}, "has the label 1, but there are 1 classes"),
        ({"x": np.array([{}, 1]), "y": LABELS}, "cannot be read .*allow_pickle"),
    ],
)
def test_refused(tmp_path, arrays, fault):
    with pytest.raises(DataError, match=fault):
        read_npz(save(tmp_path, **arrays))


def test_no_npz_file(tmp_path):
    with pytest.raises(DataError, match="There is no file"):
        read_npz(tmp_path / "gone.npz")
    np.save(tmp_path / "one.npy", IMAGES)
    with pytest.raises(DataError, match="is a single array"):
        read_npz(tmp_path / "one.npy")
    path = save(tmp_path, x=IMAGES, y=LABELS)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(DataError, match="cannot be read"):
        read_npz(path)
    path.write_bytes(b"text")
    with pytest.raises(DataError, match="cannot be read"):
        read_npz(path)
