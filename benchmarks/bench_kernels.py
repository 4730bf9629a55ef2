"""Convolution and dense kernels against the reference backend and PyTorch: forward, dx, dw."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from benchmarks.contest import hold, torch_or_none
from tinyvision import backend

torch = torch_or_none()
CPU, REFERENCE = backend.get("cpu").kernels, backend.get("reference").kernels


class Conv(NamedTuple):
    """A convolution: images N of H x H x C, O filters of k x k."""

    N: int
    C: int
    H: int
    O: int
    k: int
    stride: int = 1
    pad: int = 0
    groups: int = 1

    @property
    def label(self) -> str:
        """One line for the table."""
        more = ", depthwise" if self.groups > 1 else ""
        images, filters = f"{self.N} x {self.H}x{self.H}x{self.C}", f"{self.k}x{self.k}"
        return f"{images} -> {self.O}, {filters}/{self.stride}{more}"

    @property
    def out(self) -> int:
        """Pixels along each side of the output."""
        return (self.H + 2 * self.pad - self.k) // self.stride + 1

    @property
    def flops(self) -> int:
        """Multiply-adds of the direct method, counted as two."""
        return 2 * self.N * self.out**2 * self.O * self.k**2 * self.C // self.groups

    @property
    def bytes(self) -> int:
        """Of the images, the weights and the outputs, or of their gradients."""
        images, outputs = self.N * self.H**2 * self.C, self.N * self.out**2 * self.O
        return 4 * (images + self.k**2 * self.C // self.groups * self.O + outputs)


# The convolutions of small_cnn, lenet5, resnet20 and vgg_small, a 1x1 and a depthwise one.
CONVS = [
    Conv(64, 1, 28, 32, 3),
    Conv(64, 32, 26, 64, 3),
    Conv(64, 1, 28, 6, 5, pad=2),
    Conv(64, 6, 14, 16, 5),
    Conv(128, 3, 32, 16, 3, pad=1),
    Conv(128, 16, 32, 16, 3, pad=1),
    Conv(128, 16, 32, 32, 3, stride=2, pad=1),
    Conv(128, 32, 16, 32, 3, pad=1),
    Conv(128, 64, 8, 64, 3, pad=1),
    Conv(128, 3, 32, 64, 3, pad=1),
    Conv(128, 64, 32, 64, 3, pad=1),
    Conv(128, 64, 16, 128, 3, pad=1),
    Conv(128, 128, 16, 128, 3, pad=1),
    Conv(128, 256, 8, 256, 3, pad=1),
    Conv(32, 256, 14, 64, 1),
    Conv(32, 64, 112, 64, 3, pad=1, groups=64),
]


_rng = np.random.default_rng(0)


def random(*shape: int) -> Any:
    """Draw numbers unlike all before: a gradient that equals its input would hide errors."""
    return _rng.standard_normal(shape, np.float32)


def nchw(array: Any, memory_format: Any) -> Any:
    """(N, H, W, C) NumPy -> (N, C, H, W) torch in the given memory format."""
    tensor = torch.from_numpy(np.ascontiguousarray(array.transpose(0, 3, 1, 2)))
    return tensor.to(memory_format=memory_format)


def formats() -> dict[str, Any]:
    """PyTorch's two layouts of images; the better one counts."""
    return {"torch nchw": torch.contiguous_format, "torch nhwc": torch.channels_last}


@pytest.mark.parametrize("direction", ["forward", "dx", "dw"])
@pytest.mark.parametrize("conv", CONVS, ids=lambda c: c.label)
def bench_conv2d(benchmark: Any, conv: Conv, direction: str) -> None:
    x, w = (
        random(conv.N, conv.H, conv.H, conv.C),
        random(conv.k, conv.k, conv.C // conv.groups, conv.O),
    )
    b = random(conv.O)
    pad = (conv.pad,) * 4
    geometry = ((conv.stride, conv.stride), pad, (1, 1), conv.groups)
    dy = random(*CPU.conv2d(x, w, b, *geometry).shape)

    def ours(k: Any) -> Callable[[], Any]:
        if direction == "forward":
            return lambda: k.conv2d(x, w, b, *geometry)
        if direction == "dx":
            return lambda: k.conv2d_dx(dy, w, x.shape[1:3], *geometry)
        return lambda: k.conv2d_dw(x, dy, w.shape[:2], *geometry)

    contestants = {"cpu": ours(CPU), "reference": ours(REFERENCE)}
    if torch:
        weight = torch.from_numpy(np.ascontiguousarray(w.transpose(3, 2, 0, 1)))
        bias = torch.from_numpy(b)
        for name, form in formats().items():
            contestants[name] = _torch_conv(
                direction, nchw(x, form), weight.to(memory_format=form), bias, nchw(dy, form), conv
            )
    group = f"conv2d {direction}"
    hold(benchmark, group, conv.label, contestants, flops=conv.flops, bytes=conv.bytes)


def _torch_conv(direction: str, x: Any, w: Any, b: Any, dy: Any, conv: Conv) -> Callable[[], Any]:
    settings = {"stride": conv.stride, "padding": conv.pad, "groups": conv.groups}

    def forward() -> Any:
        with torch.no_grad():
            return torch.nn.functional.conv2d(x, w, b, **settings).permute(0, 2, 3, 1).numpy()

    def backward() -> Any:
        wanted = [direction == "dx", direction == "dw", False]
        dx, dw, _ = torch.ops.aten.convolution_backward(
            dy, x, w, None, [conv.stride] * 2, [conv.pad] * 2, [1, 1], False, [0, 0], conv.groups,
            wanted,
        )  # fmt: skip
        # to our layouts: (N, C, H, W) -> (N, H, W, C); (O, C, KH, KW) -> (KH, KW, C, O)
        return (
            dx.permute(0, 2, 3, 1).numpy() if direction == "dx" else dw.permute(2, 3, 1, 0).numpy()
        )

    return forward if direction == "forward" else backward


@pytest.mark.parametrize("direction", ["forward", "dx", "dw"])
@pytest.mark.parametrize("sizes", [(128, 784, 512), (128, 9216, 128), (1024, 1024, 1024)], ids=str)
def bench_dense(benchmark: Any, sizes: tuple[int, int, int], direction: str) -> None:
    N, I, O = sizes
    x, w, b, dy = random(N, I), random(I, O), random(O), random(N, O)
    work = {
        "forward": lambda k: k.dense(x, w, b),
        "dx": lambda k: k.dense_dx(dy, w),
        "dw": lambda k: k.dense_dw(x, dy),
    }[direction]
    contestants = {"cpu": lambda: work(CPU), "reference": lambda: work(REFERENCE)}
    if torch:
        # PyTorch keeps dense weights as (O, I)
        tx, tw, tb, tdy = map(torch.from_numpy, (x, np.ascontiguousarray(w.T), b, dy))
        contestants["torch"] = {
            "forward": lambda: torch.nn.functional.linear(tx, tw, tb).numpy(),
            "dx": lambda: (tdy @ tw).numpy(),
            "dw": lambda: (tdy.T @ tx).numpy().T,
        }[direction]
    label = f"{N} x {I} -> {O}"
    flops, bytes = 2 * N * I * O, 4 * (N * I + I * O + N * O)
    hold(benchmark, f"dense {direction}", label, contestants, flops=flops, bytes=bytes)
