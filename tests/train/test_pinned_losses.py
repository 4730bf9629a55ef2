"""Ten steps of training, written out in NumPy, and pinned: nothing may move a single loss."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from tinyvision import nn, optim, schedules
from tinyvision.train import Trainer

# What `by_hand` below returns; kept as numbers too, so that no common change of both goes unseen.
PINNED = [
    1.0975330565399044,
    1.0925097750918142,
    1.0985001528349077,
    1.0904111815283304,
    1.082375710398999,
    1.0814412394384147,
    1.0765008746704954,
    1.0755842746041966,
    1.0746470490291844,
    1.0736687281103254,
]

N, K = 12, 3  # images, classes
LR, MOMENTUM, DECAY, SMOOTHING, STEPS = 0.2, 0.9, 0.01, 0.1, 10


def waves(*shape: int, frequency: float) -> np.ndarray:
    """Numbers that every NumPy makes alike, without a generator."""
    return np.sin(frequency * np.arange(1, np.prod(shape) + 1)).reshape(shape)


IMAGES = waves(N, 8, 8, 2, frequency=1.7)
LABELS = np.arange(N) * 7 % K
FILTERS = 0.3 * waves(3, 3, 2, 4, frequency=2.3)  # (KH, KW, C, O)
DENSE = 0.3 * waves(3 * 3 * 4, K, frequency=3.1)  # (I, O)


def rate(step: int) -> float:
    """Down from the peak along half a cosine."""
    return LR * (1 + np.cos(np.pi * step / STEPS)) / 2


def by_hand() -> list[float]:
    """Convolve, cut off at 0, pool 2x2, multiply, softmax; and all of it backwards."""
    w, c, v, d = FILTERS.copy(), np.zeros(4), DENSE.copy(), np.zeros(K)
    velocities = [np.zeros_like(p) for p in (w, c, v, d)]
    target = np.full((N, K), SMOOTHING / K)
    target[np.arange(N), LABELS] += 1 - SMOOTHING
    patches = sliding_window_view(IMAGES, (3, 3), axis=(1, 2))  # (N, 6, 6, C, KH, KW)
    losses = []
    for step in range(STEPS):
        z = np.einsum("nijckl,klco->nijo", patches, w) + c  # (N, 6, 6, O)
        a = np.maximum(z, 0)
        cells = a.reshape(N, 3, 2, 3, 2, 4)  # 6 -> 3 cells of 2, both ways
        pooled = cells.max(axis=(2, 4))  # (N, 3, 3, O)
        flat = pooled.reshape(N, -1)  # (N, 36)
        logits = flat @ v + d
        e = np.exp(logits - logits.max(1, keepdims=True))
        p = e / e.sum(1, keepdims=True)
        losses.append(float(-(target * np.log(p)).sum(1).mean()))

        dlogits = (p - target) / N
        dpooled = (dlogits @ v.T).reshape(pooled.shape)
        winner = cells == pooled[:, :, None, :, None, :]
        da = (winner * dpooled[:, :, None, :, None, :]).reshape(a.shape)
        dz = da * (z > 0)
        gradients = [
            np.einsum("nijckl,nijo->klco", patches, dz) + DECAY * w,  # biases do not decay
            dz.sum(axis=(0, 1, 2)),
            flat.T @ dlogits + DECAY * v,
            dlogits.sum(0),
        ]
        for value, velocity, gradient in zip((w, c, v, d), velocities, gradients, strict=True):
            velocity *= MOMENTUM
            velocity += gradient
            value -= rate(step) * velocity
    return losses


def trained() -> list[float]:
    model = nn.Sequential(
        nn.Conv2d(4, 3, pad="valid", name="conv"),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dense(K, name="dense"),
    )
    model.build((8, 8, 2))
    model.astype("float64")
    zeros = {path: np.zeros(t.shape) for path, t in model.tensors()}
    model.load_state(zeros | {"conv.w": FILTERS, "dense.w": DENSE})
    optimizer = optim.SGD(model, schedules.Cosine(LR, STEPS), momentum=MOMENTUM, weight_decay=DECAY)
    trainer = Trainer(model, optimizer, nn.CrossEntropy(smoothing=SMOOTHING))
    return [trainer.train_step(IMAGES, LABELS)[1] for _ in range(STEPS)]


def test_ten_steps_as_written_out_in_numpy():
    assert trained() == pytest.approx(by_hand(), rel=1e-12)


def test_ten_steps_as_ever():
    assert trained() == pytest.approx(PINNED, rel=1e-12)
