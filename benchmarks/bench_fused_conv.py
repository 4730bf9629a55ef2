"""Convolutions and dense layers fused with what follows, against PyTorch and against the sequence.

"unfused" is our own plain kernels one after another, as in ``bench_fused.py``: what fusing gains.
"""

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

import numpy as np
import pytest

from benchmarks.bench_fused import EPS, GROUP, MOMENTUM, contest
from benchmarks.bench_kernels import CONVS, CPU, Conv, random
from benchmarks.bench_layers import WINDOW
from benchmarks.contest import hold, torch_or_none

torch = torch_or_none()

# those of small_cnn, lenet5, resnet20 and vgg_small
of_each_conv = pytest.mark.parametrize("conv", CONVS[:13], ids=lambda conv: conv.label)


class Layer:
    """The arrays of a convolution, a new set for each contestant that copies it."""

    def __init__(self, conv: Conv) -> None:
        self.x = random(conv.N, conv.H, conv.H, conv.C)
        self.w, self.b = random(conv.k, conv.k, conv.C, conv.O), random(conv.O)
        self.settings = (conv.stride,) * 2, (conv.pad,) * 4, (1, 1), 1
        self.gamma, self.beta = random(conv.O), random(conv.O)
        self.running = np.zeros(conv.O, np.float32), np.ones(conv.O, np.float32)

    def run(self, kernel: Any, *more: Any) -> Any:
        return kernel(self.x, self.w, self.b, *self.settings, *more)

    def torch_run(self, x: Any) -> Any:
        (stride, _), (pad, *_), *_ = self.settings
        with torch.no_grad():
            w = torch.from_numpy(self.w).permute(3, 2, 0, 1)  # (KH, KW, C, O) -> (O, C, KH, KW)
            return torch.nn.functional.conv2d(x, w, torch.from_numpy(self.b), stride, pad)


@of_each_conv
def bench_conv2d_relu(benchmark: Any, conv: Conv) -> None:
    def ours(layer: Layer) -> Any:
        return layer.run(CPU.conv2d_relu)

    def unfused(layer: Layer) -> Any:
        y = layer.run(CPU.conv2d)
        CPU.relu.into(y, y)
        return y

    def theirs(x: Any) -> Any:
        return layer.torch_run(x).relu_()

    layer = Layer(conv)
    contest(benchmark, f"conv2d_relu, {conv.label}", ours, unfused, theirs, layer, {"x": layer.x})


@of_each_conv
def bench_conv2d_relu_max_pool(benchmark: Any, conv: Conv) -> None:
    def ours(layer: Layer) -> Any:
        return layer.run(CPU.conv2d_relu_max_pool)[0]

    def unfused(layer: Layer) -> Any:
        y = layer.run(CPU.conv2d)
        CPU.relu.into(y, y)
        return CPU.max_pool2d(y, *WINDOW)[0]

    def theirs(x: Any) -> Any:
        y = layer.torch_run(x).relu_()
        return torch.nn.functional.max_pool2d(y, 2, return_indices=True)[0]

    layer = Layer(conv)
    what = f"conv2d_relu_max_pool, {conv.label}"
    contest(benchmark, what, ours, unfused, theirs, layer, {"x": layer.x})


@of_each_conv
def bench_conv2d_batch_norm_relu(benchmark: Any, conv: Conv) -> None:
    def normalised(layer: Layer, y: Any, *statistics: Any) -> Any:
        return CPU.batch_norm_apply_relu(y, layer.gamma, layer.beta, *statistics)

    def ours(layer: Layer) -> Any:
        statistics = partial(CPU.conv2d_statistics, *layer.running)
        return normalised(layer, *layer.run(statistics, EPS, MOMENTUM))

    def unfused(layer: Layer) -> Any:
        y = layer.run(CPU.conv2d)
        return normalised(layer, y, *CPU.batch_norm_statistics(*layer.running, y, EPS, MOMENTUM))

    def theirs(x: Any) -> Any:
        vectors = [torch.from_numpy(a) for a in (layer.gamma, layer.beta, *layer.running)]
        return torch.native_batch_norm(layer.torch_run(x), *vectors, True, MOMENTUM, EPS)[0].relu_()

    layer = Layer(conv)
    what = f"conv2d + batch norm + ReLU, {conv.label}"
    contest(benchmark, what, ours, unfused, theirs, layer, {"x": layer.x})


@pytest.mark.parametrize("shape", [(128, 784, 512), (128, 9216, 128), (1024, 1024, 1024)], ids=str)
def bench_dense_relu(benchmark: Any, shape: tuple[int, int, int]) -> None:
    def unfused(given: Any) -> Any:
        y = CPU.dense(*given)
        CPU.relu.into(y, y)
        return y

    def theirs() -> Any:
        with torch.no_grad():
            return torch.nn.functional.linear(*tensors).relu_().numpy()

    N, I, O = shape
    given = random(N, I), random(I, O), random(O)
    contestants: dict[str, Callable[[], Any]] = {
        "cpu": partial(CPU.dense_relu, *given),
        "unfused": partial(unfused, deepcopy(given)),
    }
    if torch:
        tensors = [torch.from_numpy(np.ascontiguousarray(a.T)) for a in given]
        tensors[0] = torch.from_numpy(given[0])  # x as it is, w turned around: (O, I)
        contestants["torch"] = theirs
    hold(benchmark, GROUP, f"dense_relu, {N} x {I} -> {O}", contestants, rounds=(10, 40))
