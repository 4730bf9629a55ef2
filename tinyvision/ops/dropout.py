"""Dropout."""

from dataclasses import dataclass
from typing import ClassVar

from tinyvision_kernels.contract.random import stream_words

from ..backend import Array, Kernels
from .op import Grads, Op, Saved


@dataclass(frozen=True)
class Dropout(Op):
    """y = x / (1 - rate) or, for a share ``rate`` of the elements, 0.

    Which ones is a pure function of (seed, purpose, step): backward draws them again, so no mask is
    kept.
    """

    recordable: ClassVar[bool] = True

    rate: float
    seed: int
    purpose: int
    step: int

    def forward(self, k: Kernels, x: Array) -> tuple[Array, Saved]:
        stream = k.xp.asarray(stream_words(self.seed, self.purpose, self.step), dtype="uint64")
        return k.dropout(x, stream, self.rate), stream

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        return (k.dropout(dy, saved, self.rate),)
