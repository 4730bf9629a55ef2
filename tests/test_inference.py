"""Using a trained model: predictions of files, and data sets that number classes otherwise."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tinyvision as tv
from tests.model_files import small_file
from tinyvision.data import Dataset
from tinyvision.errors import DataError
from tinyvision.inference import Prediction, align_labels, predict, probabilities


@pytest.fixture(autouse=True)
def on_the_reference() -> Iterator[None]:
    with tv.using("reference"):
        yield


def picture(path: Path, seed: int = 0) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 256, (5, 4), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_a_prediction_is_the_softmax_of_the_logits(tmp_path: Path) -> None:
    file, path = small_file(), picture(tmp_path / "one.png")
    (answer,) = predict(file, [path])
    pixels = np.asarray(Image.open(path))[None, :, :, None]  # (H, W) -> (1, H, W, 1)
    scores = file.model.eval()(file.preprocess.batch(pixels)).numpy()[0].astype(np.float64)
    expected = np.exp(scores) / np.exp(scores).sum()
    assert isinstance(answer, Prediction)
    assert [label for label, _ in answer.top] == [file.labels[i] for i in np.argsort(-expected)]
    assert [share for _, share in answer.top] == pytest.approx(sorted(expected)[::-1], rel=1e-5)
    assert (answer.label, answer.probability) == answer.top[0]


def test_a_file_that_is_no_image_does_not_stop_the_others(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no image")
    paths = [picture(tmp_path / "a.png"), tmp_path / "text.png", picture(tmp_path / "b.png", 1)]
    kinds = [type(answer) for answer in predict(small_file(), paths, top=1)]
    assert kinds[0] is kinds[2] is Prediction
    assert issubclass(kinds[1], DataError)


def test_classes_without_names_are_numbered(tmp_path: Path) -> None:
    file = small_file()
    file.labels = ()
    (answer,) = predict(file, [picture(tmp_path / "one.png")])
    assert isinstance(answer, Prediction)
    assert sorted(label for label, _ in answer.top) == ["0", "1"]


def test_no_answer_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="top must be at least 1, got 0"):
        list(predict(small_file(), [picture(tmp_path / "one.png")], top=0))


def test_predicting_in_the_middle_of_a_training_leaves_its_mode() -> None:
    file = small_file()
    file.model.train()
    probabilities(file, np.zeros((1, 5, 4, 1), np.float32))
    assert all(layer.training for layer in file.model.layers())


def test_labels_are_matched_by_name() -> None:
    images = np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1).repeat(5, 1).repeat(4, 2)
    pets = Dataset(images, np.array([0, 1, 0]), ("dog", "cat"), "pets")
    aligned = align_labels(small_file(), pets)  # the model knows (cat, dog)
    assert aligned.classes == ("cat", "dog")
    assert aligned.labels.tolist() == [1, 0, 1]
    np.testing.assert_array_equal(aligned.images, images)
    dogs = Dataset(images, np.zeros(3, np.int64), ("dog",), "dogs")
    assert align_labels(small_file(), dogs).labels.tolist() == [1, 1, 1]
    cows = Dataset(images, np.zeros(3, np.int64), ("cow",), "cows")
    with pytest.raises(DataError, match=r"cows: the model knows the classes cat, dog, not cow"):
        align_labels(small_file(), cows)
