"""The dense layer's product: one weighted sum an output."""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from tinyvision_kernels.contract import Shape, ShapeError

from ..backend import Array, Kernels
from .op import Grads, Op, Saved


def rows(x: Array) -> Array:
    """View x (..., D) as (M, D): kernels that work row by row take any number of axes so."""
    if not x.ndim:
        raise ShapeError("x must have at least one axis, (..., D); it is a single number")
    return x.reshape(prod(x.shape[:-1]), x.shape[-1])


@dataclass(frozen=True)
class Dense(Op):
    """y[..., o] = b[o] + sum_i x[..., i] * w[i, o].

    Inputs: x (..., I); w (I, O); optionally b (O,). Output (..., O).
    """

    recordable: ClassVar[bool] = True

    def forward(
        self, k: Kernels, x: Array, w: Array, b: Array | None = None
    ) -> tuple[Array, Saved]:
        y = k.dense(rows(x), w, b)  # (M, O)
        return y.reshape(*x.shape[:-1], w.shape[1]), (x, w, b is not None)

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        x, w, has_bias = saved
        dy = rows(dy)  # (..., O) -> (M, O)
        dx, dw = self.products(k, dy, x, w, needs)
        if not has_bias:
            return dx, dw
        return dx, dw, k.bias_grad(dy) if needs[2] else None

    def products(self, k: Kernels, dy: Array, x: Array, w: Array, needs: tuple[bool, ...]) -> Grads:
        """Return dx and dw of dy (M, O), those that ``needs`` asks for."""
        dx = k.dense_dx(dy, w).reshape(x.shape) if needs[0] else None  # (M, I) -> (..., I)
        dw = k.dense_dw(rows(x), dy) if needs[1] else None
        return dx, dw

    def flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return 2 * prod(output) * shapes[1][0]
