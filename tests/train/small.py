"""Small things that train in a blink: three kinds of noisy stripes, and a net for them."""

from pathlib import Path

import numpy as np
from PIL import Image

from tinyvision import nn, optim
from tinyvision.data import Batches, Dataset, Preprocess
from tinyvision.modelfile import ModelFile
from tinyvision.train import Display, Position, Trainer

CLASSES = ("flat", "rows", "columns")


def stripes(count: int, seed: int = 0, size: int = 8) -> Dataset:
    """Draw images (N, size, size, 1) without stripes, with horizontal, with vertical ones."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    wave = np.where(np.arange(size) % 4 < 2, 50.0, -50.0)
    pictures = np.stack(
        [np.zeros((size, size)), np.tile(wave[:, None], size), np.tile(wave, (size, 1))]
    )
    images = pictures[labels] + rng.normal(128, 25, (count, size, size))
    pixels = images.clip(0, 255).astype(np.uint8)[..., None]  # (N, H, W) to (N, H, W, 1)
    return Dataset(pixels, labels.astype(np.int64), CLASSES, "stripes")


def stripe_folder(root: Path, per_class: int = 20, size: int = 16) -> Path:
    """Write such images as PNG files, a folder for each class."""
    dataset = stripes(3 * per_class, seed=1, size=size)
    for i, (image, label) in enumerate(zip(dataset.images, dataset.labels, strict=True)):
        folder = root / CLASSES[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[:, :, 0]).save(folder / f"{i}.png")
    return root


def small_net(seed: int = 0) -> nn.Sequential:
    """Build a net with all that makes resuming hard: running statistics, dropout."""
    model = nn.Sequential(
        nn.Conv2d(4, 3, name="conv"),
        nn.BatchNorm2d(name="norm"),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Dense(3, name="answer"),
    )
    model.build((8, 8, 1), seed=seed)
    return model


def small_file(model: nn.Layer, prepare: Preprocess) -> ModelFile:
    return ModelFile(model, (8, 8, 1), CLASSES, prepare)


def batches(
    count: int = 30, size: int = 8, *, seed: int = 0, shuffle: bool = True, data: int = 0
) -> Batches:
    dataset = stripes(count, data)
    return Batches(dataset, Preprocess.measure(dataset), size, shuffle=shuffle, seed=seed)


def small_trainer(lr: float = 0.01, **options: object) -> Trainer:
    model = small_net()
    return Trainer(model, optim.Adam(model, lr), **options)


class Hook(Display):
    """Does something at one batch, counted from 1 in its epoch, counted from 0."""

    def __init__(self, epoch: int, batch: int, action: object) -> None:
        self.place, self.action = (epoch, batch), action

    def step(self, at: Position) -> None:
        if (at.epoch, at.batch) == self.place:
            self.action()
