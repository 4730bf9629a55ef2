"""Whole optimiser steps over the parameters that real models have, against PyTorch's.

What a user waits for: the list of a model's parameters, large ones and very many small ones, and in
the second half of the lines all that a training recipe asks of a step: clipping of the gradient's
norm, weight decay apart from it, and a running average of the weights. PyTorch takes part with
``foreach`` and with ``fused`` optimisers, and the better one counts.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import tinyvision as tv
from benchmarks.contest import assert_close, hold, torch_or_none
from tinyvision import models, optim

torch = torch_or_none()
GROUP = "optimiser steps over a model's parameters"
SHAPES = {"small_cnn": (28, 28, 1), "resnet20": (32, 32, 3), "vgg_small": (32, 32, 3)}
DECAY, CLIP, AVERAGE = 1e-4, 1.0, 0.999


@pytest.mark.parametrize("recipe", [False, True], ids=["plain", "recipe"])
@pytest.mark.parametrize("which", ["sgd", "adamw"])
@pytest.mark.parametrize("model", SHAPES)
def bench_step(benchmark: Any, model: str, which: str, recipe: bool) -> None:
    rng = np.random.default_rng(0)
    built = models.create(model, SHAPES[model], 10, seed=0)
    values = [np.array(p.numpy()) for p in built.parameters()]
    gradients = [rng.standard_normal(w.shape).astype(np.float32) for w in values]
    contestants = {
        name: Ours(name, which, recipe, values, gradients) for name in ("cpu", "reference")
    }
    if torch:
        for way in ("foreach", "fused"):
            contestants[f"torch {way}"] = Theirs(way, which, recipe, values, gradients)
    for contestant in contestants.values():
        contestant.step()
        contestant.step()
    for kind in ("weights", "averages") if recipe else ("weights",):
        results = {who: getattr(c, kind)() for who, c in contestants.items()}
        assert_close(results, 1e-5)
    size = sum(w.size for w in values)
    # what a step reads, and but for the gradient writes: weights, running vectors, average
    flops, vectors = (7, 5) if which == "sgd" else (14, 7)
    work = {
        "flops": (flops + 5 * recipe) * size,
        "bytes": 4 * (vectors + 3 * recipe) * size,  # clipping reads the gradient before
    }
    what = " with clipping and average" if recipe else ""
    label = f"{which}{what}, {model}: {len(values)} parameters, {size / 1e6:.2g} M numbers"
    steps: dict[str, Callable[[], Any]] = {who: c.step for who, c in contestants.items()}
    hold(benchmark, GROUP, label, steps, tolerance=None, **work)


class Ours:
    """An optimiser of ours on a backend."""

    def __init__(
        self,
        backend: str,
        which: str,
        recipe: bool,
        values: Sequence[Any],
        gradients: Sequence[Any],
    ) -> None:
        self.parameters = [tv.nn.Parameter(w.copy()) for w in values]
        more: dict[str, Any] = {"clip_norm": CLIP, "average": AVERAGE} if recipe else {}
        with tv.using(backend):
            if which == "sgd":
                settings = {"lr": 0.01, "momentum": 0.9, "weight_decay": DECAY, **more}
                self.optimizer: optim.Optimizer = optim.SGD(self.parameters, **settings)
            else:
                self.optimizer = optim.AdamW(self.parameters, 1e-3, weight_decay=DECAY, **more)
        for p, g in zip(self.parameters, gradients, strict=True):
            p.grad[...] = g
        self.step = self.optimizer.step

    def weights(self) -> Any:
        return np.concatenate([p.numpy().reshape(-1) for p in self.parameters])

    def averages(self) -> Any:
        with self.optimizer.averaged():
            return self.weights()


class Theirs:
    """PyTorch's, with what goes along with it."""

    def __init__(
        self, way: str, which: str, recipe: bool, values: Sequence[Any], gradients: Sequence[Any]
    ) -> None:
        self.parameters = [torch.nn.Parameter(torch.from_numpy(w.copy())) for w in values]
        for p, g in zip(self.parameters, gradients, strict=True):
            p.grad = torch.from_numpy(g.copy())
        settings = {"weight_decay": DECAY, way: True}
        if which == "sgd":
            self.optimizer = torch.optim.SGD(self.parameters, 0.01, 0.9, **settings)
        else:
            self.optimizer = torch.optim.AdamW(self.parameters, 1e-3, **settings)
        self.plain = [p.detach() for p in self.parameters]  # the same memory
        self.means = [p.clone() for p in self.plain]
        self.count = 0
        self.step = self.whole_step if recipe else self.optimizer.step

    def whole_step(self) -> None:
        # it scales the gradients where they lie: from the second step on there is nothing to cut
        # off, but the work is the same, and so is the gradient that each step follows
        torch.nn.utils.clip_grad_norm_(self.parameters, CLIP, foreach=True)
        self.optimizer.step()
        self.count += 1
        decay = min(AVERAGE, (1 + self.count) / (10 + self.count))
        torch._foreach_lerp_(self.means, self.plain, 1 - decay)

    def weights(self) -> Any:
        return torch.cat([p.reshape(-1) for p in self.plain]).numpy()

    def averages(self) -> Any:
        return torch.cat([p.reshape(-1) for p in self.means]).numpy()
