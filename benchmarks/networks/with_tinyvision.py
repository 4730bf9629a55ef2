"""The contest's work done by tinyvision: as a plan, or eagerly, one kernel after the other."""

from collections.abc import Callable
from pathlib import Path

import tinyvision as tv
from tinyvision import nn, optim

from .network import Array, read

tv.use("cpu")


def training(
    name: str, file: Path, N: int, lr: float, *, plan: bool, bf16: bool = False
) -> Callable[[], float]:
    """Return a function that does one training step and returns the loss."""
    model = tv.load(file).model.train()
    images, labels = read(file).batch(N)
    optimizer = optim.SGD(model, lr=lr, momentum=0.9)
    criterion = nn.CrossEntropy()
    if plan:
        precision = "bf16" if bf16 else "float32"
        planned = tv.compile(model, images.shape, train=True, loss=criterion, precision=precision)

        def planned_step() -> float:
            loss: float = planned.step(images, labels)
            optimizer.step()
            return loss

        return planned_step
    x = tv.Tensor(images)

    def step() -> float:
        loss = criterion(model(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def inference(name: str, file: Path, N: int, *, plan: bool) -> Callable[[], Array]:
    """Return a function that computes the logits of a batch."""
    model = tv.load(file).model.eval()
    images, _ = read(file).batch(N)
    if plan:
        planned = tv.compile(model, images.shape)
        return lambda: planned(images)

    def predict() -> Array:
        with tv.no_grad():
            return model(tv.Tensor(images)).numpy()

    return predict
