"""Fused kernels against PyTorch, and against our own plain kernels one after another.

The contestant "unfused" is the second: what fusing gains is the distance from that one. It works on
copies of the arrays, so as not to find them in the cache where the fused kernel has left them.
"""

from collections.abc import Callable
from copy import deepcopy
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pytest

from benchmarks.bench_kernels import CPU, formats, nchw, random
from benchmarks.bench_layers import WINDOW, nhwc
from benchmarks.contest import hold, torch_or_none
from tinyvision import memory

torch = torch_or_none()
aten = torch.ops.aten if torch else None
GROUP = "fused kernels"
SHAPES = [(128, 32, 32, 64), (128, 16, 16, 128), (128, 32, 32, 16), (128, 8, 8, 64)]
EPS, MOMENTUM = 1e-5, 0.1

of_each_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
of_large_shapes = pytest.mark.parametrize("shape", SHAPES[:2], ids=str)


def contest(
    benchmark: Any,
    what: str,
    ours: Callable[..., Any],
    unfused: Callable[..., Any],
    theirs: Callable[..., Any],
    given: Any,
    images: dict[str, Any],
) -> None:
    """Hold ``ours(given)``, ``unfused(a copy of it)`` and ``theirs(**tensors of the images)``."""
    contestants: dict[str, Callable[[], Any]] = {
        "cpu": partial(ours, given),
        "unfused": partial(unfused, deepcopy(given)),
    }
    for name, form in formats().items() if torch else ():
        tensors = {image: nchw(array, form) for image, array in images.items()}
        contestants[name] = partial(_as_nhwc, partial(theirs, **tensors))
    hold(benchmark, GROUP, what, contestants, rounds=(10, 40))


def _as_nhwc(run: Callable[[], Any]) -> Any:
    return nhwc(run())


class Norm:
    """The arrays of a batch norm."""

    def __init__(self, shape: tuple[int, ...], pooled: bool = False) -> None:
        N, H, W, C = shape
        self.x, self.residual = random(*shape), random(*shape)
        self.dy = random(N, H // 2, W // 2, C) if pooled else random(*shape)
        self.gamma, self.beta = random(C), random(C)
        self.running = np.zeros(C, np.float32), np.ones(C, np.float32)
        self.mean, self.inv_std = CPU.batch_norm_statistics(*self.running, self.x, EPS, MOMENTUM)
        self.y, self.argmax = self.x, None  # replaced by a backward benchmark

    def statistics(self) -> Any:
        return CPU.batch_norm_statistics(*self.running, self.x, EPS, MOMENTUM)

    def forward(self) -> Any:
        return CPU.batch_norm(*self.running, self.x, self.gamma, self.beta, EPS, MOMENTUM)[0]

    def apply(self, kernel: Any, *more: Any) -> Any:
        return kernel(self.x, *more, self.gamma, self.beta, self.mean, self.inv_std)

    def backward(self, dz: Any) -> Any:
        return CPU.batch_norm_grad(dz, self.x, self.gamma, self.mean, self.inv_std)[0]

    def torch_forward(self, x: Any) -> Any:
        weight, bias = torch.from_numpy(self.gamma), torch.from_numpy(self.beta)
        running = [torch.from_numpy(a) for a in self.running]
        return aten.native_batch_norm(x, weight, bias, *running, True, MOMENTUM, EPS)[0]

    def torch_backward(self, dz: Any, x: Any) -> Any:
        saved = torch.from_numpy(self.mean), torch.from_numpy(self.inv_std)
        return aten.native_batch_norm_backward(
            dz, x, torch.from_numpy(self.gamma), None, None, *saved, True, EPS, [True] * 3
        )[0]


# --- batch norm + ReLU ---------------------------------------------------------------------------


@of_each_shape
def bench_batch_norm_relu(benchmark: Any, shape: tuple[int, ...]) -> None:
    def ours(n: Norm) -> Any:
        return CPU.batch_norm_relu(*n.running, n.x, n.gamma, n.beta, EPS, MOMENTUM)[0]

    def unfused(n: Norm) -> Any:
        y = n.forward()
        CPU.relu.into(y, y)
        return y

    def theirs(x: Any) -> Any:
        return n.torch_forward(x).relu_()

    n = Norm(shape)
    contest(benchmark, f"batch_norm_relu, {shape}", ours, unfused, theirs, n, {"x": n.x})


@of_each_shape
def bench_batch_norm_relu_grad(benchmark: Any, shape: tuple[int, ...]) -> None:
    def ours(n: Norm) -> Any:
        vectors = n.gamma, n.beta, n.mean, n.inv_std
        return CPU.batch_norm_relu_grad(n.dy, n.x, *vectors)[0]

    def unfused(n: Norm) -> Any:
        return n.backward(CPU.relu_dx(n.dy, n.y))

    def theirs(dy: Any, y: Any, x: Any) -> Any:
        return n.torch_backward(aten.threshold_backward(dy, y, 0), x)

    n = Norm(shape)
    n.y = n.apply(CPU.batch_norm_apply_relu)
    images = {"dy": n.dy, "y": n.y, "x": n.x}
    contest(benchmark, f"batch_norm_relu_grad, {shape}", ours, unfused, theirs, n, images)


@of_large_shapes
def bench_batch_norm_relu_max_pool(benchmark: Any, shape: tuple[int, ...]) -> None:
    def ours(n: Norm) -> Any:
        statistics = n.statistics()
        return CPU.batch_norm_apply_relu_max_pool(n.x, n.gamma, n.beta, *statistics)[0]

    def unfused(n: Norm) -> Any:
        y = n.forward()
        CPU.relu.into(y, y)
        return CPU.max_pool2d(y, *WINDOW)[0]

    def theirs(x: Any) -> Any:
        y = n.torch_forward(x).relu_()
        return torch.nn.functional.max_pool2d(y, 2, return_indices=True)[0]

    n = Norm(shape)
    what = f"batch norm + ReLU + max-pool, {shape}"
    contest(benchmark, what, ours, unfused, theirs, n, {"x": n.x})


@of_large_shapes
def bench_batch_norm_relu_max_pool_grad(benchmark: Any, shape: tuple[int, ...]) -> None:
    def ours(n: Norm) -> Any:
        vectors = n.gamma, n.mean, n.inv_std
        return CPU.batch_norm_relu_max_pool_grad(n.dy, argmax, n.x, *vectors)[0]

    def unfused(n: Norm) -> Any:
        dz = CPU.max_pool2d_dx(n.dy, winners, shape[1:3], *WINDOW)
        CPU.relu_dx.into(dz, dz, n.y)
        return n.backward(dz)

    def theirs(dy: Any, y: Any, x: Any) -> Any:
        return n.torch_backward(_torch_unpool_relu(dy, y), x)

    n = Norm(shape, pooled=True)
    n.y = n.apply(CPU.batch_norm_apply_relu)
    _, winners = CPU.max_pool2d(n.y, *WINDOW)
    _, argmax = n.apply(CPU.batch_norm_apply_relu_max_pool)
    images = {"dy": n.dy, "y": n.y, "x": n.x}
    contest(benchmark, f"batch_norm_relu_max_pool_grad, {shape}", ours, unfused, theirs, n, images)


def _torch_unpool_relu(dy: Any, y: Any) -> Any:
    """The gradient of max_pool2d(relu(z)) by z, from y = relu(z)."""
    window = [2, 2], [2, 2], [0, 0], [1, 1], False  # size, stride, padding, dilation, ceil_mode
    dz = aten.max_pool2d_with_indices_backward(dy, y, *window, _winners(y))
    return aten.threshold_backward(dz, y, 0)


@lru_cache(maxsize=2)
def _winners(y: Any) -> Any:
    return torch.nn.functional.max_pool2d(y, 2, return_indices=True)[1]


# --- the end of a residual block -----------------------------------------------------------------


@of_each_shape
def bench_batch_norm_add_relu(benchmark: Any, shape: tuple[int, ...]) -> None:
    def ours(n: Norm) -> Any:
        statistics = n.statistics()
        return CPU.batch_norm_apply_add_relu(n.x, n.residual, n.gamma, n.beta, *statistics)

    def unfused(n: Norm) -> Any:
        y = n.forward()
        y += n.residual
        CPU.relu.into(y, y)
        return y

    def theirs(x: Any, residual: Any) -> Any:
        return n.torch_forward(x).add_(residual).relu_()

    n = Norm(shape)
    images = {"x": n.x, "residual": n.residual}
    contest(benchmark, f"batch norm + add + ReLU, {shape}", ours, unfused, theirs, n, images)


@of_each_shape
def bench_batch_norm_add_relu_grad(benchmark: Any, shape: tuple[int, ...]) -> None:
    def ours(n: Norm) -> Any:
        vectors = n.gamma, n.mean, n.inv_std
        return CPU.batch_norm_add_relu_grad(n.dy, n.y, n.x, *vectors)[0]

    def unfused(n: Norm) -> Any:
        return n.backward(CPU.relu_dx(n.dy, n.y))

    def theirs(dy: Any, y: Any, x: Any) -> Any:
        return n.torch_backward(aten.threshold_backward(dy, y, 0), x)

    n = Norm(shape)
    n.y = n.apply(CPU.batch_norm_apply_add_relu, n.residual)
    images = {"dy": n.dy, "y": n.y, "x": n.x}
    contest(benchmark, f"batch_norm_add_relu_grad, {shape}", ours, unfused, theirs, n, images)


@of_each_shape
def bench_add_relu(benchmark: Any, shape: tuple[int, ...]) -> None:
    def ours(pair: Any) -> Any:
        return CPU.add_relu(*pair)

    def unfused(pair: Any) -> Any:
        y = memory.empty(shape, np.float32)
        np.add(*pair, out=y)
        CPU.relu.into(y, y)
        return y

    def theirs(a: Any, b: Any) -> Any:
        return (a + b).relu_()

    pair = random(*shape), random(*shape)
    images = dict(zip("ab", pair, strict=True))
    contest(benchmark, f"add_relu, {shape}", ours, unfused, theirs, pair, images)


# --- bias and ReLU -------------------------------------------------------------------------------


@of_each_shape
def bench_relu_bias_grad(benchmark: Any, shape: tuple[int, ...]) -> None:
    def ours(pair: Any) -> Any:
        return CPU.relu_bias_grad(*pair)[0]

    def unfused(pair: Any) -> Any:
        dz = CPU.relu_dx(*pair)
        CPU.bias_grad(dz)
        return dz

    def theirs(dy: Any, y: Any) -> Any:
        dz = aten.threshold_backward(dy, y, 0)
        dz.sum((0, 2, 3))
        return dz

    dy, y = random(*shape), np.maximum(random(*shape), 0)
    images = {"dy": dy, "y": y}
    contest(benchmark, f"relu_bias_grad, {shape}", ours, unfused, theirs, (dy, y), images)


@pytest.mark.parametrize("shape", [(64, 24, 24, 64), (64, 28, 28, 6)], ids=str)
def bench_relu_max_pool_bias_grad(benchmark: Any, shape: tuple[int, ...]) -> None:
    N, H, W, C = shape

    def ours(given: Any) -> Any:
        dy, _, _, argmax = given
        return CPU.relu_max_pool_bias_grad(dy, argmax, (H, W))[0]

    def unfused(given: Any) -> Any:
        dy, y, winners, _ = given
        dz = CPU.max_pool2d_dx(dy, winners, (H, W), *WINDOW)
        CPU.relu_dx.into(dz, dz, y)
        CPU.bias_grad(dz)
        return dz

    def theirs(dy: Any, y: Any) -> Any:
        dz = _torch_unpool_relu(dy, y)
        dz.sum((0, 2, 3))
        return dz

    y, dy = np.maximum(random(*shape), 0), random(N, H // 2, W // 2, C)
    pooled, winners = CPU.max_pool2d(y, *WINDOW)
    given = dy, y, winners, np.where(pooled > 0, winners, np.uint8(4))
    images = {"dy": dy, "y": y}
    contest(benchmark, f"relu_max_pool_bias_grad, {shape}", ours, unfused, theirs, given, images)
