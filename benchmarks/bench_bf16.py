"""Convolution and dense kernels in bfloat16 against PyTorch's bfloat16 and our own float32.

Forward and dx read and write bfloat16; dw and biases are float32, as an optimiser wants them. The
column ``float32 / cpu`` says what bfloat16 gains over float32: memory everywhere, arithmetic where
the processor multiplies pairs of bfloat16 and Winograd's method does not apply.
"""

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from benchmarks.bench_kernels import CONVS, CPU, Conv, formats, random
from benchmarks.contest import hold, torch_or_none

torch = torch_or_none()
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
DIRECTIONS = ("forward", "dx", "dw")
TOLERANCE = 0.02  # of the largest value: float32 starts from other inputs, bfloat16 has 8 bits

Work = Callable[[], Any]


def narrow(*arrays: Any) -> list[Any]:
    return [array.astype(BFLOAT16) for array in arrays]


def to_torch(array: Any) -> Any:
    """A tensor on the same memory: neither library knows the other's bfloat16."""
    return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)


def to_numpy(tensor: Any) -> Any:
    """The other way, for comparing results; costs nothing."""
    return tensor.view(torch.int16).numpy().view(BFLOAT16)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("conv", [c for c in CONVS if c.C >= 16], ids=lambda conv: conv.label)
def bench_conv2d(benchmark: Any, conv: Conv, direction: str) -> None:
    x, w = (
        random(conv.N, conv.H, conv.H, conv.C),
        random(conv.k, conv.k, conv.C // conv.groups, conv.O),
    )
    how = ((conv.stride, conv.stride), (conv.pad,) * 4, (1, 1), conv.groups)
    dy = random(*CPU.conv2d(x, w, None, *how).shape)

    def ours(x: Any, w: Any, dy: Any) -> Work:
        return {
            "forward": lambda: CPU.conv2d(x, w, None, *how),
            "dx": lambda: CPU.conv2d_dx(dy, w, x.shape[1:3], *how),
            "dw": lambda: CPU.conv2d_dw(x, dy, w.shape[:2], *how),
        }[direction]

    narrow_x, narrow_w, narrow_dy = narrow(x, w, dy)
    contestants = {"cpu": ours(narrow_x, narrow_w, narrow_dy), "float32": ours(x, w, dy)}
    if torch:
        for name, form in formats().items():
            images = [
                to_torch(a).permute(0, 3, 1, 2).contiguous(memory_format=form)
                for a in (narrow_x, narrow_dy)
            ]
            # (KH, KW, C, O) -> (O, C, KH, KW)
            filters = to_torch(narrow_w).permute(3, 2, 0, 1).contiguous(memory_format=form)
            contestants[name] = _torch_conv(direction, conv, images[0], filters, images[1])
    hold(
        benchmark, f"bf16 conv2d {direction}", conv.label, contestants,
        flops=conv.flops, tolerance=TOLERANCE,
    )  # fmt: skip


def _torch_conv(direction: str, conv: Conv, x: Any, w: Any, dy: Any) -> Work:
    settings = {"stride": conv.stride, "padding": conv.pad, "groups": conv.groups}

    def forward() -> Any:
        with torch.no_grad():
            return torch.nn.functional.conv2d(x, w, None, **settings)

    def backward() -> Any:
        return torch.ops.aten.convolution_backward(
            dy, x, w, None, [conv.stride] * 2, [conv.pad] * 2, [1, 1], False, [0, 0], conv.groups,
            [direction == "dx", direction == "dw", False],
        )[direction == "dw"]  # fmt: skip

    def work() -> Any:
        result = forward() if direction == "forward" else backward()
        axes = (2, 3, 1, 0) if direction == "dw" else (0, 2, 3, 1)
        return to_numpy(result).transpose(axes)

    return work


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("sizes", [(128, 784, 512), (128, 9216, 128), (1024, 1024, 1024)], ids=str)
def bench_dense(benchmark: Any, sizes: tuple[int, int, int], direction: str) -> None:
    N, I, O = sizes
    x, w, b, dy = random(N, I), random(I, O), random(O), random(N, O)

    def ours(x: Any, w: Any, dy: Any) -> Work:
        return {
            "forward": lambda: CPU.dense(x, w, b),
            "dx": lambda: CPU.dense_dx(dy, w),
            "dw": lambda: CPU.dense_dw(x, dy),
        }[direction]

    narrow_x, narrow_w, narrow_dy = narrow(x, w, dy)
    contestants = {"cpu": ours(narrow_x, narrow_w, narrow_dy), "float32": ours(x, w, dy)}
    if torch:
        # PyTorch keeps dense weights as (O, I)
        tx, tw, tdy = map(to_torch, (narrow_x, np.ascontiguousarray(narrow_w.T), narrow_dy))
        tb = torch.from_numpy(b).bfloat16()
        contestants["torch"] = {
            "forward": lambda: to_numpy(torch.nn.functional.linear(tx, tw, tb)),
            "dx": lambda: to_numpy(tdy @ tw),
            "dw": lambda: to_numpy(tdy.T @ tx).T,
        }[direction]
    label = f"{N} x {I} -> {O}"
    hold(
        benchmark, f"bf16 dense {direction}", label, contestants,
        flops=2 * N * I * O, tolerance=TOLERANCE,
    )  # fmt: skip
