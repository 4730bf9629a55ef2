"""Several ops in one: what a plan puts in the place of ops that follow one another.

Each equals its ops one after another and is built from their derivatives: backward undoes what came
last and goes on as the first op does. What is gained is that large arrays are not written and read
once more in between; see ``kernels/tinyvision_kernels/contract/fused_conv.py`` and ``fused_norm``.
"""

from dataclasses import dataclass
from typing import ClassVar

from tinyvision_kernels.contract import Pair, Shape, windows

from ..backend import Array, Kernels
from .conv import Conv2d
from .dense import Dense, rows
from .norm import BatchNorm, BatchNormInfer
from .op import Grads, Op, Saved

# ----------------------------------------------------------------------------
# Products with what follows them
# ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Conv2dReLU(Conv2d):
    """y = max(conv2d(x, w, b), 0). Inputs as of :class:`Conv2d`."""

    recordable: ClassVar[bool] = True

    def forward(
        self, k: Kernels, x: Array, w: Array, b: Array | None = None
    ) -> tuple[Array, Saved]:
        y = k.conv2d_relu(x, w, b, *self.settings)
        return y, (x, w, b is not None, y)

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        x, w, has_bias, y = saved
        if not has_bias:
            return self.products(k, k.relu_dx(dy, y), x, w, needs)
        dz, db = k.relu_bias_grad(dy, y)
        return *self.products(k, dz, x, w, needs), db


@dataclass(frozen=True)
class Conv2dReLUMaxPool(Conv2d):
    """y = the largest of each 2x2 cells of max(conv2d(x, w, b), 0). Inputs as of Conv2d."""

    recordable: ClassVar[bool] = True

    def forward(
        self, k: Kernels, x: Array, w: Array, b: Array | None = None
    ) -> tuple[Array, Saved]:
        y, argmax = k.conv2d_relu_max_pool(x, w, b, *self.settings)
        return y, (x, w, b is not None, argmax)

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        x, w, has_bias, argmax = saved
        dz, db = k.relu_max_pool_bias_grad(dy, argmax, self._size(x.shape, w.shape))
        dx, dw = self.products(k, dz, x, w, needs)
        return (dx, dw, db) if has_bias else (dx, dw)

    def _size(self, x: Shape, w: Shape) -> Pair:
        """Return (OH, OW) of the convolution, before its pooling."""
        return windows(x[1:3], w[:2], self.stride, self.pad, self.dilation)


@dataclass(frozen=True)
class DenseReLU(Dense):
    """y = max(x @ w + b, 0). Inputs as of :class:`Dense`."""

    recordable: ClassVar[bool] = True

    def forward(
        self, k: Kernels, x: Array, w: Array, b: Array | None = None
    ) -> tuple[Array, Saved]:
        y = k.dense_relu(rows(x), w, b)  # (M, O)
        return y.reshape(*x.shape[:-1], w.shape[1]), (x, w, b is not None, y)

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        x, w, has_bias, y = saved
        dy = rows(dy)  # (..., O) -> (M, O)
        if not has_bias:
            return self.products(k, k.relu_dx(dy, y), x, w, needs)
        dz, db = k.relu_bias_grad(dy, y)
        return *self.products(k, dz, x, w, needs), db


# ----------------------------------------------------------------------------
# Batch norm with what follows it
# ----------------------------------------------------------------------------


@dataclass(frozen=True)
class BatchNormReLU(BatchNorm):
    """y = max(batch_norm(x), 0). Inputs as of :class:`BatchNorm`."""

    recordable: ClassVar[bool] = True

    def forward(
        self,
        k: Kernels,
        x: Array,
        gamma: Array,
        beta: Array,
        running_mean: Array,
        running_var: Array,
    ) -> tuple[Array, Saved]:
        y, mean, inv_std = k.batch_norm_relu(
            running_mean, running_var, x, gamma, beta, self.eps, self.momentum
        )
        return y, (x, gamma, beta, mean, inv_std)

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        dx, dgamma, dbeta = k.batch_norm_relu_grad(dy, *saved)
        return dx, dgamma, dbeta, None, None


@dataclass(frozen=True)
class BatchNormReLUMaxPool(BatchNorm):
    """y = the largest of each 2x2 cells of max(batch_norm(x), 0). Inputs as of BatchNorm."""

    recordable: ClassVar[bool] = True

    def forward(
        self,
        k: Kernels,
        x: Array,
        gamma: Array,
        beta: Array,
        running_mean: Array,
        running_var: Array,
    ) -> tuple[Array, Saved]:
        mean, inv_std = k.batch_norm_statistics(
            running_mean, running_var, x, self.eps, self.momentum
        )
        y, argmax = k.batch_norm_apply_relu_max_pool(x, gamma, beta, mean, inv_std)
        return y, (argmax, x, gamma, mean, inv_std)

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        dx, dgamma, dbeta = k.batch_norm_relu_max_pool_grad(dy, *saved)
        return dx, dgamma, dbeta, None, None


@dataclass(frozen=True)
class BatchNormAddReLU(BatchNorm):
    """y = max(batch_norm(x) + residual, 0), as a residual block ends.

    Inputs: x; residual, of x's shape; gamma, beta, running_mean, running_var (C,).
    """

    recordable: ClassVar[bool] = True

    def forward(  # type: ignore[override]  # one input more
        self,
        k: Kernels,
        x: Array,
        residual: Array,
        gamma: Array,
        beta: Array,
        running_mean: Array,
        running_var: Array,
    ) -> tuple[Array, Saved]:
        mean, inv_std = k.batch_norm_statistics(
            running_mean, running_var, x, self.eps, self.momentum
        )
        y = k.batch_norm_apply_add_relu(x, residual, gamma, beta, mean, inv_std)
        return y, (y, x, gamma, mean, inv_std)

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        dx, dresidual, dgamma, dbeta = k.batch_norm_add_relu_grad(dy, *saved)
        return dx, dresidual, dgamma, dbeta, None, None


@dataclass(frozen=True)
class BatchNormInferReLU(BatchNormInfer):
    """y = max(batch_norm(x), 0) by given statistics. Inputs as of :class:`BatchNormInfer`."""

    recordable: ClassVar[bool] = True

    def forward(
        self, k: Kernels, x: Array, gamma: Array, beta: Array, mean: Array, var: Array
    ) -> tuple[Array, Saved]:
        y = k.batch_norm_infer_relu(x, gamma, beta, mean, var, self.eps)
        return y, (y, x, gamma, mean, var)

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        y, *rest = saved
        dx, dgamma, dbeta = k.batch_norm_infer_grad(k.relu_dx(dy, y), *rest, self.eps)
        return dx, dgamma, dbeta, None, None


# ----------------------------------------------------------------------------
# Sums
# ----------------------------------------------------------------------------


@dataclass(frozen=True)
class AddSame(Op):
    """y = a + b of one shape: nothing is broadcast, so both gradients are dy itself."""

    recordable: ClassVar[bool] = True

    def forward(self, k: Kernels, a: Array, b: Array) -> tuple[Array, Saved]:
        return k.add(a, b), None

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        return dy, dy


@dataclass(frozen=True)
class AddReLU(Op):
    """y = max(a + b, 0) of one shape."""

    recordable: ClassVar[bool] = True

    def forward(self, k: Kernels, a: Array, b: Array) -> tuple[Array, Saved]:
        y = k.add_relu(a, b)
        return y, y

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        dx = k.relu_dx(dy, saved)
        return dx, dx
