"""Pooling and its opposite: images (N, H, W, C) made smaller or larger."""

from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

from tinyvision_kernels.contract import Pads, Pair, Shape

from ..backend import Array, Kernels
from .op import Grads, Op, Saved


@dataclass(frozen=True)
class MaxPool2d(Op):
    """y = the largest cell of each window of each channel; backward sends dy to that cell."""

    recordable: ClassVar[bool] = True

    window: Pair
    stride: Pair
    pad: Pads = (0, 0, 0, 0)

    def forward(self, k: Kernels, x: Array) -> tuple[Array, Saved]:
        y, argmax = k.max_pool2d(x, self.window, self.stride, self.pad)
        return y, (argmax, x.shape[1:3])

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        argmax, size = saved
        return (k.max_pool2d_dx(dy, argmax, size, self.window, self.stride, self.pad),)

    def flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return prod(output) * prod(self.window)


@dataclass(frozen=True)
class AvgPool2d(Op):
    """y = the mean of each window of each channel; padding is not counted."""

    recordable: ClassVar[bool] = True

    window: Pair
    stride: Pair
    pad: Pads = (0, 0, 0, 0)

    def forward(self, k: Kernels, x: Array) -> tuple[Array, Saved]:
        return k.avg_pool2d(x, self.window, self.stride, self.pad), x.shape[1:3]

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        return (k.avg_pool2d_dx(dy, saved, self.window, self.stride, self.pad),)

    def flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return prod(output) * prod(self.window)


@dataclass(frozen=True)
class GlobalAvgPool2d(Op):
    """y[n,c] = the mean of channel c over the whole image n: (N, H, W, C) -> (N, C)."""

    recordable: ClassVar[bool] = True

    def forward(self, k: Kernels, x: Array) -> tuple[Array, Saved]:
        return k.global_avg_pool2d(x), x.shape[1:3]

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        return (k.global_avg_pool2d_dx(dy, saved),)

    def flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return prod(shapes[0])


@dataclass(frozen=True)
class Upsample2d(Op):
    """y[n,i,j,c] = x[n, i // fh, j // fw, c]: each pixel becomes fh x fw equal ones."""

    recordable: ClassVar[bool] = True

    factor: Pair

    def forward(self, k: Kernels, x: Array) -> tuple[Array, Saved]:
        return k.upsample2d(x, self.factor), None

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        return (k.upsample2d_dx(dy, self.factor),)

    def flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return 0


@dataclass(frozen=True)
class Resize2d(Op):
    """Bilinear interpolation to ``size`` = (OH, OW), the centres of corner pixels aligned by half.

    Rows and columns are interpolated one after the other, each by a small matrix:
    y[n,:,:,c] = R_h x[n,:,:,c] R_w^T, so backward is R_h^T dy R_w. As ``align_corners=False`` does
    elsewhere, output pixel i lies at (i + 1/2) * H / OH - 1/2 of the input.
    """

    size: Pair

    def forward(self, k: Kernels, x: Array) -> tuple[Array, Saved]:
        H, W = x.shape[1:3]
        rows = _interpolation(k.xp, H, self.size[0], x.dtype)  # (OH, H)
        columns = _interpolation(k.xp, W, self.size[1], x.dtype)  # (OW, W)
        return _both_ways(k.xp, rows, columns, x), (rows, columns)

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        rows, columns = saved
        return (_both_ways(k.xp, rows.T, columns.T, dy),)

    def flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return 8 * prod(output)  # four neighbours, a multiply-add each: what must be computed


def _interpolation(xp: Any, size: int, wanted: int, dtype: Any) -> Array:
    """Return the matrix (wanted, size) whose row i holds the weights of the pixels around i."""
    centre = (xp.arange(wanted, dtype="float64") + 0.5) * (size / wanted) - 0.5
    centre = xp.clip(centre, 0, size - 1)  # beyond the outermost centres their value goes on
    distance = xp.abs(centre[:, None] - xp.arange(size, dtype="float64"))  # (wanted, size)
    return xp.maximum(1 - distance, 0).astype(dtype)  # 1 on a pixel, falling to 0 at the next


def _both_ways(xp: Any, rows: Array, columns: Array, x: Array) -> Array:
    """Return rows x columns^T for each image and channel: (N, H, W, C) -> (N, OH, OW, C)."""
    N, H, W, C = x.shape
    (OH, _), (OW, _) = rows.shape, columns.shape
    y = xp.matmul(rows, x.reshape(N, H, W * C))  # (N, OH, W * C)
    y = xp.matmul(columns, y.reshape(N * OH, W, C))  # (N * OH, OW, C)
    return y.reshape(N, OH, OW, C)
