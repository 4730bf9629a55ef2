"""Arithmetic element by element, with NumPy's broadcasting.

Where forward broadcasts an input, each of its elements took part in several outputs, so its
gradient is the *sum* over them: :func:`unbroadcast`.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from tinyvision_kernels.contract import Shape

from ..backend import Array, Kernels
from .op import Grads, Op, Saved


def unbroadcast(xp: Any, gradient: Array, shape: Shape) -> Array:
    """Sum ``gradient`` over the axes along which an input of ``shape`` was repeated."""
    if gradient.shape == shape:
        return gradient
    extra = gradient.ndim - len(shape)  # axes that the input lacked on the left
    stretched = tuple(extra + i for i, n in enumerate(shape) if n == 1)
    axes = (*range(extra), *stretched)
    return xp.sum(gradient, axis=axes, keepdims=True).reshape(shape)


# --- of two numbers -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Add(Op):
    """y = a + b."""

    def forward(self, k: Kernels, a: Array, b: Array) -> tuple[Array, Saved]:
        return a + b, (a.shape, b.shape)

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        a, b = saved
        return (
            unbroadcast(k.xp, dy, a) if needs[0] else None,
            unbroadcast(k.xp, dy, b) if needs[1] else None,
        )


@dataclass(frozen=True)
class Sub(Op):
    """y = a - b."""

    def forward(self, k: Kernels, a: Array, b: Array) -> tuple[Array, Saved]:
        return a - b, (a.shape, b.shape)

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        a, b = saved
        return (
            unbroadcast(k.xp, dy, a) if needs[0] else None,
            unbroadcast(k.xp, -dy, b) if needs[1] else None,
        )


@dataclass(frozen=True)
class Mul(Op):
    """y = a * b."""

    def forward(self, k: Kernels, a: Array, b: Array) -> tuple[Array, Saved]:
        return a * b, (a, b)

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        a, b = saved
        return (
            unbroadcast(k.xp, dy * b, a.shape) if needs[0] else None,
            unbroadcast(k.xp, dy * a, b.shape) if needs[1] else None,
        )


@dataclass(frozen=True)
class Div(Op):
    """y = a / b."""

    def forward(self, k: Kernels, a: Array, b: Array) -> tuple[Array, Saved]:
        return a / b, (a, b)

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        a, b = saved
        da = dy / b
        return (
            unbroadcast(k.xp, da, a.shape) if needs[0] else None,
            unbroadcast(k.xp, -da * a / b, b.shape) if needs[1] else None,
        )


@dataclass(frozen=True)
class Pow(Op):
    """y = a ** b; b is often a constant, but need not be."""

    def forward(self, k: Kernels, a: Array, b: Array) -> tuple[Array, Saved]:
        y = a**b
        return y, (a, b, y)

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        a, b, y = saved
        da = db = None
        if needs[0]:
            # b a^(b-1); for b = 0 that is 0 even at a = 0, where 0 * 0^-1 would be NaN
            exponent = k.xp.where(b == 0, 1, b) - 1
            da = unbroadcast(k.xp, dy * b * a**exponent, a.shape)
        if needs[1]:
            # y log a; at a = 0 the limit 0, not 0 * -inf
            db = unbroadcast(k.xp, dy * y * k.xp.log(k.xp.where(a == 0, 1, a)), b.shape)
        return da, db


@dataclass(frozen=True)
class Maximum(Op):
    """y = the larger of a and b; NaN if either is. Equal values share the gradient."""

    def forward(self, k: Kernels, a: Array, b: Array) -> tuple[Array, Saved]:
        return k.xp.maximum(a, b), (a, b)

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        a, b = saved
        return _shared_by_winner(k, dy, a > b, a == b, a.shape, b.shape)


@dataclass(frozen=True)
class Minimum(Op):
    """y = the smaller of a and b; NaN if either is. Equal values share the gradient."""

    def forward(self, k: Kernels, a: Array, b: Array) -> tuple[Array, Saved]:
        return k.xp.minimum(a, b), (a, b)

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        a, b = saved
        return _shared_by_winner(k, dy, a < b, a == b, a.shape, b.shape)


def _shared_by_winner(
    k: Kernels, dy: Array, a_wins: Array, tie: Array, a_shape: Shape, b_shape: Shape
) -> Grads:
    half = k.xp.where(tie, dy / 2, 0)
    da = k.xp.where(a_wins, dy, half)
    return unbroadcast(k.xp, da, a_shape), unbroadcast(k.xp, dy - da, b_shape)


@dataclass(frozen=True)
class Where(Op):
    """y = a where the condition holds, else b. Inputs: condition (bool), a, b."""

    def forward(self, k: Kernels, condition: Array, a: Array, b: Array) -> tuple[Array, Saved]:
        return k.xp.where(condition, a, b), (condition, a.shape, b.shape)

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        condition, a, b = saved
        return (
            None,
            unbroadcast(k.xp, k.xp.where(condition, dy, 0), a) if needs[1] else None,
            unbroadcast(k.xp, k.xp.where(condition, 0, dy), b) if needs[2] else None,
        )


# --- of one number --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Neg(Op):
    """y = -x."""

    def forward(self, k: Kernels, x: Array) -> tuple[Array, Saved]:
        return -x, None

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        return (-dy,)


@dataclass(frozen=True)
class Exp(Op):
    """y = e^x, which is its own derivative."""

    def forward(self, k: Kernels, x: Array) -> tuple[Array, Saved]:
        y = k.xp.exp(x)
        return y, y

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        return (dy * saved,)


@dataclass(frozen=True)
class Log(Op):
    """y = ln x."""

    def forward(self, k: Kernels, x: Array) -> tuple[Array, Saved]:
        return k.xp.log(x), x

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        return (dy / saved,)


@dataclass(frozen=True)
class Sqrt(Op):
    """y = sqrt(x), dx = dy / 2y."""

    def forward(self, k: Kernels, x: Array) -> tuple[Array, Saved]:
        y = k.xp.sqrt(x)
        return y, y

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        return (dy / (2 * saved),)


@dataclass(frozen=True)
class Abs(Op):
    """y = |x|; the gradient at 0 is 0, the middle of what it may be."""

    def forward(self, k: Kernels, x: Array) -> tuple[Array, Saved]:
        return k.xp.abs(x), x

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        return (dy * k.xp.sign(saved),)


@dataclass(frozen=True)
class Clip(Op):
    """y = x limited to [low, high], either of which may be None; NaN stays NaN.

    The gradient passes inside, bounds included, and is 0 outside.
    """

    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"clip: low={self.low} lies above high={self.high}")

    def forward(self, k: Kernels, x: Array) -> tuple[Array, Saved]:
        y = x
        if self.low is not None:
            y = k.xp.maximum(y, self.low)
        if self.high is not None:
            y = k.xp.minimum(y, self.high)
        return y, y == x  # changed cells are those outside

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        return (k.xp.where(saved, dy, 0),)


@dataclass(frozen=True)
class AsType(Op):
    """y = x in another dtype, the one op that changes it; the gradient is converted back."""

    converts: ClassVar[bool] = True

    dtype: str

    def forward(self, k: Kernels, x: Array) -> tuple[Array, Saved]:
        return x.astype(self.dtype), x.dtype

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        return (dy.astype(saved),)

    def flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return 0
