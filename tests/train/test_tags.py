"""Images with any number of tags: trained to the end, validated, and counted by hand."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tinyvision as tv
from tests.train.small import batches, small_net
from tinyvision import nn, optim
from tinyvision.data import Batches, Preprocess, find_files
from tinyvision.errors import DataError
from tinyvision.metrics import multi_label_scores, subset_accuracy
from tinyvision.modelfile import ModelFile
from tinyvision.train import Checkpoints, Trainer, evaluate, evaluate_tags
from tinyvision.train.evaluation import count_right

CORNERS = {"left": (slice(0, 4), slice(0, 4)), "right": (slice(4, 8), slice(4, 8))}


@pytest.fixture
def corners(tmp_path: Path) -> Batches:
    """Noise in which any of two corners is bright: left, right, both or none."""
    draw = np.random.default_rng(0)
    lines = ["path,tags"]
    for i in range(48):
        image = draw.integers(0, 60, (8, 8), np.uint8)
        tags = [name for k, name in enumerate(CORNERS) if i >> k & 1]
        for name in tags:
            image[CORNERS[name]] += 180
        Image.fromarray(image).save(tmp_path / f"{i}.png")
        lines.append(f"{i}.png,{'|'.join(tags)}")
    (tmp_path / "list.csv").write_text("\n".join(lines))
    files = find_files(tmp_path / "list.csv")[0]["all"]
    return Batches(files, Preprocess((8, 8), 1, mean=(0.3,), std=(0.3,)), 7, shuffle=True)


def net() -> nn.Layer:
    model = nn.Sequential(nn.Flatten(), nn.Dense(2, name="tags"))
    model.build((8, 8, 1), seed=1)
    return model


def test_two_tags_are_learnt_to_the_end(corners, tmp_path):
    model = net()
    trainer = Trainer(
        model,
        optim.Adam(model, 0.003),
        nn.BCEWithLogits(),
        checkpoints=Checkpoints(
            tmp_path / "run", ModelFile(model, (8, 8, 1), ("left", "right"), corners.preprocess)
        ),
        patience=20,
    )
    history = trainer.fit(corners, corners, epochs=12)
    first, last = history.epochs[0], history.epochs[-1]
    assert trainer.stopped == "finished"
    assert first.val_accuracy < last.val_accuracy == last.train_accuracy == 1.0
    assert last.val_loss < first.val_loss / 3
    judged = trainer.evaluate(corners)
    assert judged.accuracy == 1.0
    assert judged.scores.support.tolist() == [24, 24] == judged.scores.hits.tolist()
    best = tv.load(tmp_path / "run" / "best.safetensors")
    assert best.metrics["validation"]["accuracy"] == 1.0


def test_the_figures_by_hand(corners):
    model = net()
    result = evaluate_tags(model, corners)
    whole = Batches(corners.dataset, corners.preprocess, 48)
    ((x, tags),) = whole
    state = model.state()
    logits = x.reshape(48, 64).astype(np.float64) @ state["tags.w"] + state["tags.b"]
    yes = 1 / (1 + np.exp(-logits))
    assert result.loss == pytest.approx(-np.log(np.where(tags, yes, 1 - yes)).mean(), rel=1e-5)
    assert result.count == 48
    assert 0 < result.accuracy == subset_accuracy(tags, yes >= 0.5) < 1
    expected = multi_label_scores(tags, yes >= 0.5)
    assert result.scores.hits.tolist() == expected.hits.tolist()
    assert result.scores.predicted.tolist() == expected.predicted.tolist()
    (epoch,) = (
        Trainer(model, optim.SGD(model, 1e-30), nn.BCEWithLogits()).fit(whole, epochs=1).epochs
    )
    assert epoch.train_accuracy == result.accuracy


def test_what_is_right():
    logits = np.array([[3.0, -1.0], [2.0, 1.0], [-1.0, -2.0], [-1.0, 5.0]])
    tags = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0], [1.0, 1.0]], np.float32)
    assert count_right(logits, tags, tagging=True) == 2
    assert count_right(logits, np.array([0, 1, 0, 1]), tagging=False) == 3
    mixed = np.array([[0.7, 0.3], [0.4, 0.6], [0.9, 0.1], [0.2, 0.8]], np.float32)
    assert count_right(logits, mixed, tagging=False) == 3


def test_tags_are_not_measured_as_classes(corners):
    with pytest.raises(DataError, match=r"list: its images have any number of labels.*evaluate_t"):
        evaluate(net(), corners)
    with pytest.raises(tv.errors.ShapeError, match=r"\(N, K\)|same shape"):
        evaluate_tags(small_net(), batches(6), nn.CrossEntropy())
