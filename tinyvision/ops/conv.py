"""Convolution and its transpose over images (N, H, W, C)."""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from tinyvision_kernels.contract import Pads, Pair, Shape, ShapeError

from ..backend import Array, Kernels
from .op import Grads, Op, Saved


@dataclass(frozen=True)
class Conv2d(Op):
    """y[n,i,j,o] = b[o] + sum_{r,s,c} x[n, i*sh + r*dh - top, j*sw + s*dw - left, c] * w[r,s,c,o].

    Inputs: x (N, H, W, C); w (KH, KW, C/groups, O); optionally b (O,). Output (N, OH, OW, O).
    ``algorithm`` is one that the backend knows, in both directions.
    """

    stride: Pair = (1, 1)
    pad: Pads = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    algorithm: str = "auto"

    recordable: ClassVar[bool] = True

    @property
    def settings(self) -> tuple[Pair, Pads, Pair, int, str]:
        """What the kernels take behind the arrays."""
        return self.stride, self.pad, self.dilation, self.groups, self.algorithm

    def forward(
        self, k: Kernels, x: Array, w: Array, b: Array | None = None
    ) -> tuple[Array, Saved]:
        y = k.conv2d(x, w, b, *self.settings)
        return y, (x, w, b is not None)

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        x, w, has_bias = saved
        dx, dw = self.products(k, dy, x, w, needs)
        if not has_bias:
            return dx, dw
        return dx, dw, k.bias_grad(dy) if needs[2] else None

    def products(self, k: Kernels, dy: Array, x: Array, w: Array, needs: tuple[bool, ...]) -> Grads:
        """Return dx and dw, those that ``needs`` asks for."""
        dx = k.conv2d_dx(dy, w, x.shape[1:3], *self.settings) if needs[0] else None
        dw = k.conv2d_dw(x, dy, w.shape[:2], *self.settings) if needs[1] else None
        return dx, dw

    def flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return 2 * prod(output) * prod(shapes[1][:3])  # KH * KW * C/groups products an output


@dataclass(frozen=True)
class ConvTranspose2d(Op):
    """The transpose of a convolution: its forward is Conv2d's dx, and its dx is Conv2d's forward.

    Inputs: x (N, H, W, C); w (KH, KW, O/groups, C), the weight of the convolution that would lead
    from the output back to x; optionally b (O,). Output (N, *size, O). Source: Dumoulin and Visin
    2016.
    """

    size: Pair
    stride: Pair = (1, 1)
    pad: Pads = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    def forward(
        self, k: Kernels, x: Array, w: Array, b: Array | None = None
    ) -> tuple[Array, Saved]:
        y = k.conv2d_dx(x, w, self.size, self.stride, self.pad, self.dilation, self.groups)
        if b is not None:
            if b.shape != y.shape[3:]:
                raise ShapeError(f"bias must be {tuple(y.shape[3:])}, it is {tuple(b.shape)}")
            y += b
        return y, (x, w, b is not None)

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        x, w, has_bias = saved
        geometry = (self.stride, self.pad, self.dilation, self.groups)
        dx = k.conv2d(dy, w, None, *geometry) if needs[0] else None
        # x plays the part of the convolution's dy, dy that of its x
        dw = k.conv2d_dw(dy, x, w.shape[:2], *geometry) if needs[1] else None
        if not has_bias:
            return dx, dw
        return dx, dw, k.bias_grad(dy) if needs[2] else None

    def flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return 2 * prod(shapes[0]) * prod(shapes[1][:3])
