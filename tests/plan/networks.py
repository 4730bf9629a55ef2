"""Networks of every shape that a plan has to follow, small enough to run all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyvision import functional, nn
from tinyvision.ops.op import Grads, Op, Saved
from tinyvision.tensor import Tensor, apply


@dataclass(frozen=True)
class Cube(Op):
    """A user's own op, which computes by plain array arithmetic."""

    def forward(self, k: Any, x: Any) -> tuple[Any, Saved]:
        return x * x * x, x

    def backward(self, k: Any, dy: Any, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        return (3 * dy * saved * saved,)


@dataclass(eq=False)
class CubeLayer(nn.Layer):
    def forward(self, x: Tensor) -> Tensor:
        return apply(Cube(), x)


@dataclass(eq=False)
class Twice(nn.Layer):
    """A layer that runs twice, so that its weights get two gradients, and its input three."""

    inner: nn.Layer

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(self.inner(x)) + x


@dataclass(eq=False)
class Gain(nn.Layer):
    """Weights that are used by elementary ops, with broadcasting."""

    def setup(self, x_shape: Any) -> None:
        self.s = self.parameter("s", (x_shape[-1],), nn.init.constant(0.5))

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.s + 0.25).exp().mean(axis=-1, keepdims=True) * x


def _block(filters: int, stride: int = 1) -> nn.Layer:
    body = nn.Sequential(
        nn.Conv2d(filters, 3, stride, pad=1, bias=False),
        nn.BatchNorm2d(),
        nn.ReLU(),
        nn.Conv2d(filters, 3, pad=1, bias=False),
        nn.BatchNorm2d(),
    )
    shortcut = nn.PadShortcut(filters, stride) if stride > 1 else None
    return nn.Sequential(nn.Residual(body, shortcut), nn.ReLU())


NETWORKS: dict[str, Callable[[], nn.Layer]] = {
    "conv relu pool": lambda: nn.Sequential(
        nn.Conv2d(6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dense(5)
    ),
    "conv relu": lambda: nn.Sequential(
        nn.Conv2d(6, 3, pad=1), nn.ReLU(), nn.Conv2d(4, 3, bias=False), nn.ReLU(),
        nn.GlobalAvgPool2d(), nn.Dense(5, bias=False),
    ),
    "pool of another size": lambda: nn.Sequential(
        nn.Conv2d(6, 3), nn.ReLU(), nn.MaxPool2d(3, 2), nn.AvgPool2d(2), nn.Flatten(), nn.Dense(5)
    ),
    "batch norm": lambda: nn.Sequential(
        nn.Conv2d(6, 3, bias=False), nn.BatchNorm2d(), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 3), nn.BatchNorm2d(), nn.ReLU(), nn.Conv2d(4, 1), nn.BatchNorm2d(),
        nn.Flatten(), nn.Dense(5),
    ),
    "residual": lambda: nn.Sequential(
        nn.Conv2d(4, 3, pad=1, bias=False), nn.BatchNorm2d(), nn.ReLU(), _block(4),
        _block(8, 2), nn.GlobalAvgPool2d(), nn.Dense(5),
    ),
    "sum of two norms": lambda: nn.Sequential(
        nn.Residual(
            nn.Sequential(nn.Conv2d(4, 3, pad=1), nn.BatchNorm2d()),
            nn.Sequential(nn.Conv2d(4, 1), nn.BatchNorm2d()),
        ),
        nn.ReLU(), nn.Flatten(), nn.Dense(5),
    ),
    "sum alone": lambda: nn.Sequential(
        nn.Residual(nn.Conv2d(3, 3, pad=1)), nn.Residual(nn.Conv2d(3, 3, pad=1)), nn.ReLU(),
        nn.Flatten(), nn.Dense(5),
    ),
    "branches": lambda: nn.Sequential(
        nn.Concat(
            nn.Conv2d(4, 3, pad=1), nn.Sequential(nn.Conv2d(2, 1), nn.ReLU()), nn.Sequential()
        ),
        nn.ReLU(), nn.Flatten(), nn.Dense(5),
    ),
    "shared": lambda: nn.Sequential(
        Twice(nn.Conv2d(3, 3, pad=1)), nn.ReLU(), nn.Flatten(), nn.Dense(5)
    ),
    "own op": lambda: nn.Sequential(
        nn.Conv2d(4, 3), CubeLayer(), nn.ReLU(), nn.Flatten(), nn.Dense(5)
    ),
    "own weights": lambda: nn.Sequential(
        nn.Conv2d(4, 3), Gain(), nn.ReLU(), nn.Flatten(), nn.Dense(5)
    ),
    "dropout": lambda: nn.Sequential(
        nn.Flatten(), nn.Dense(20), nn.ReLU(), nn.Dropout(0.3), nn.Dense(9), nn.Dropout(0.5),
        nn.ReLU(), nn.Dense(5),
    ),
    "other norms and bends": lambda: nn.Sequential(
        nn.Conv2d(4, 3), nn.GroupNorm(2), nn.SiLU(), nn.Upsample2d(2), nn.Conv2d(3, 2, 2),
        nn.GELU(), nn.Flatten(), nn.LayerNorm(), nn.Dense(8), nn.Tanh(), nn.Dense(5),
    ),
    "transposed": lambda: nn.Sequential(
        nn.ConvTranspose2d(4, 3, 2), nn.LeakyReLU(), nn.DepthwiseConv2d(3), nn.Sigmoid(),
        nn.Flatten(), nn.Dense(5),
    ),
}  # fmt: skip


def images(seed: int = 0, count: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 9, 8, 3))


def labels(seed: int = 0, count: int = 6) -> np.ndarray:
    return np.random.default_rng([seed, 1]).integers(0, 5, count)


class TwoOutputs:
    """A function of two inputs, with two outputs and shared weights."""

    def __init__(self) -> None:
        self.body = nn.Sequential(nn.Conv2d(4, 3), nn.ReLU(), nn.Flatten(), nn.Dense(5))
        self.body.build((9, 8, 3), seed=2)

    def __call__(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        left, right = self.body(a), self.body(b)
        return left - right, functional.relu(left)
