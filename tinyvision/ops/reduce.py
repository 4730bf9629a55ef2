"""Reductions: many elements become one."""

from dataclasses import dataclass
from math import prod

from tinyvision_kernels.contract import Shape

from ..backend import Array, Kernels
from .op import Grads, Op, Saved

Axis = int | tuple[int, ...] | None


def kept(shape: Shape, axis: Axis) -> Shape:
    """Return ``shape`` with 1 for each reduced axis: how a result lines up with what it came from.

    Raises nothing of its own: the reduction has refused a wrong axis before.
    """
    if axis is None:
        return (1,) * len(shape)
    axes = {a % len(shape) for a in (axis if isinstance(axis, tuple) else (axis,))}
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


@dataclass(frozen=True)
class Sum(Op):
    """y = the sum over ``axis`` (an axis, several, or None for all)."""

    axis: Axis = None
    keepdims: bool = False

    def forward(self, k: Kernels, x: Array) -> tuple[Array, Saved]:
        return k.xp.sum(x, axis=self.axis, keepdims=self.keepdims), x.shape

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        return (k.xp.broadcast_to(dy.reshape(kept(saved, self.axis)), saved),)

    def flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return prod(shapes[0])


@dataclass(frozen=True)
class Mean(Op):
    """y = the mean over ``axis`` (an axis, several, or None for all)."""

    axis: Axis = None
    keepdims: bool = False

    def forward(self, k: Kernels, x: Array) -> tuple[Array, Saved]:
        return k.xp.mean(x, axis=self.axis, keepdims=self.keepdims), x.shape

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        one = kept(saved, self.axis)
        count = prod(n for n, left in zip(saved, one, strict=True) if left != n)
        return (k.xp.broadcast_to(dy.reshape(one) / count, saved),)

    def flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return prod(shapes[0])


@dataclass(frozen=True)
class Max(Op):
    """y = the maximum over ``axis``; NaN where there is one. Ties share the gradient equally."""

    axis: Axis = None
    keepdims: bool = False

    def forward(self, k: Kernels, x: Array) -> tuple[Array, Saved]:
        y = k.xp.max(x, axis=self.axis, keepdims=self.keepdims)
        return y, (x, y)

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        x, y = saved
        one = kept(x.shape, self.axis)
        wins = (x == y.reshape(one)) | k.xp.isnan(x)  # NaN is unequal to itself, but it wins
        wins = wins.astype(dy.dtype)
        count = k.xp.sum(wins, axis=self.axis, keepdims=True)
        return (wins * (dy.reshape(one) / count),)

    def flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return prod(shapes[0])
