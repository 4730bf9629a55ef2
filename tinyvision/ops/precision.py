"""Between float32 and bfloat16, for networks that compute in both."""

from dataclasses import dataclass
from typing import ClassVar

from tinyvision_kernels.contract import Shape

from ..backend import BFLOAT16, Array, Kernels
from .op import Grads, Op, Saved


@dataclass(frozen=True)
class ToBfloat16(Op):
    """y = x, rounded to bfloat16.

    The gradients of weights are float32 whatever the weights are (they are sums over a batch), and
    are passed on as they come.
    """

    converts: ClassVar[bool] = True
    recordable: ClassVar[bool] = True

    def forward(self, k: Kernels, x: Array) -> tuple[Array, Saved]:
        return k.narrow(x), None

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        return (k.widen(dy) if dy.dtype == BFLOAT16 else dy,)

    def flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return 0


@dataclass(frozen=True)
class ToFloat32(Op):
    """y = x, of bfloat16, exactly."""

    converts: ClassVar[bool] = True
    recordable: ClassVar[bool] = True

    def forward(self, k: Kernels, x: Array) -> tuple[Array, Saved]:
        return k.widen(x), None

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        return (k.narrow(dy),)

    def flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return 0
