"""Ops that move elements without changing them: reshape, transpose, index, join, pad."""

from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

from tinyvision_kernels.contract import Pair, Shape, ShapeError

from ..backend import Array, Kernels
from .op import Grads, Op, Saved


@dataclass(frozen=True)
class Move(Op):
    """Base of the ops in this file: they compute nothing."""

    def flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return 0


@dataclass(frozen=True)
class Reshape(Move):
    """y = the elements of x in C order in another ``shape``; one length may be -1."""

    recordable: ClassVar[bool] = True

    shape: Shape

    def forward(self, k: Kernels, x: Array) -> tuple[Array, Saved]:
        return x.reshape(self.shape), x.shape

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        return (dy.reshape(saved),)


@dataclass(frozen=True)
class PadShortcut(Move):
    """y[n,i,j,before + c] = x[n, i*sh, j*sw, c]: fewer pixels, more channels, those others zero.

    Input: x (N, H, W, C); ``channels`` = (before, after) of zeros.
    """

    stride: Pair
    channels: Pair

    recordable: ClassVar[bool] = True

    def forward(self, k: Kernels, x: Array) -> tuple[Array, Saved]:
        return k.pad_shortcut(x, self.stride, self.channels), x.shape[1:3]

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        return (k.pad_shortcut_dx(dy, saved, self.stride, self.channels),)


@dataclass(frozen=True)
class Transpose(Move):
    """Axis i of y is axis ``axes[i]`` of x."""

    axes: tuple[int, ...]

    def forward(self, k: Kernels, x: Array) -> tuple[Array, Saved]:
        return k.xp.transpose(x, self.axes), None

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        axes = [axis % dy.ndim for axis in self.axes]
        back = [axes.index(i) for i in range(dy.ndim)]  # where each axis of x went
        return (k.xp.transpose(dy, back),)


@dataclass(frozen=True)
class GetItem(Move):
    """y = x[index], with numbers, slices, ``...``, None, and integer or boolean arrays."""

    index: Any

    def forward(self, k: Kernels, x: Array) -> tuple[Array, Saved]:
        return x[self.index], x.shape

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        xp, size = k.xp, prod(saved)
        if not self._may_repeat():
            dx = xp.zeros(saved, dtype=dy.dtype)
            dx[self.index] = dy
            return (dx,)
        # An element picked twice gets both gradients. Indexing the places 0 .. size-1 tells where
        # each came from; bincount adds up what belongs to the same place, in float64.
        places = xp.arange(size).reshape(saved)[self.index].reshape(-1)
        shares = dy.reshape(-1).astype("float64")
        dx = xp.bincount(places, weights=shares, minlength=size)
        return (dx.astype(dy.dtype).reshape(saved),)

    def _may_repeat(self) -> bool:
        """Whether an array of integers may name an element twice; slices and masks cannot."""
        parts = self.index if isinstance(self.index, tuple) else (self.index,)
        return any(hasattr(p, "dtype") and p.ndim and p.dtype.kind in "iu" for p in parts)


@dataclass(frozen=True)
class Concat(Move):
    """y = the inputs one after the other along ``axis``; the other axes are equal."""

    axis: int = -1

    def forward(self, k: Kernels, *xs: Array) -> tuple[Array, Saved]:
        shapes = [tuple(x.shape) for x in xs]
        rest = {shape[: self.axis] + shape[self.axis :][1:] for shape in shapes}
        if len(rest) > 1:
            raise ShapeError(
                f"Concat: {' and '.join(map(str, shapes))} differ beyond axis {self.axis}; crop, "
                "pad or pool them to one size first"
            )
        return k.xp.concatenate(xs, axis=self.axis), [x.shape[self.axis] for x in xs]

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        axis, start, parts = self.axis % dy.ndim, 0, []
        for length in saved:
            parts.append(dy[(slice(None),) * axis + (slice(start, start + length),)])
            start += length
        return tuple(parts)


@dataclass(frozen=True)
class Pad(Move):
    """y = x with ``(before, after)`` cells of ``value`` added along each axis."""

    widths: tuple[tuple[int, int], ...]
    value: float = 0.0

    def __post_init__(self) -> None:
        if any(n < 0 for pair in self.widths for n in pair):
            raise ValueError(f"pad: widths {self.widths} must not be negative; slice to crop")

    def forward(self, k: Kernels, x: Array) -> tuple[Array, Saved]:
        if len(self.widths) != x.ndim:
            raise ShapeError(
                f"Pad: {len(self.widths)} pairs of widths for {x.ndim} axes; x is {tuple(x.shape)}"
            )
        inner = tuple(slice(b, b + n) for n, (b, _) in zip(x.shape, self.widths, strict=True))
        shape = [b + n + a for n, (b, a) in zip(x.shape, self.widths, strict=True)]
        y = k.xp.full(shape, self.value, dtype=x.dtype)
        y[inner] = x
        return y, inner

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        return (dy[saved],)
