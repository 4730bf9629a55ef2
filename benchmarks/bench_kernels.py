"""Each kernel against the reference backend and PyTorch, forward and backward."""

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
    def flops(self) -> int:
        """Multiply-adds of the direct method, counted as two."""
        out = (self.H + 2 * self.pad - self.k) // self.stride + 1
        return 2 * self.N * out**2 * self.O * self.k**2 * self.C // self.groups


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
    hold(benchmark, f"conv2d {direction}", conv.label, contestants, flops=conv.flops)


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
    hold(benchmark, f"dense {direction}", label, contestants, flops=2 * N * I * O)


def bench_max_pool(benchmark: Any) -> None:
    x = random(128, 32, 32, 64)
    contestants = {
        "cpu": lambda: CPU.max_pool2d(x, (2, 2), (2, 2), (0,) * 4)[0],
        "reference": lambda: REFERENCE.max_pool2d(x, (2, 2), (2, 2), (0,) * 4)[0],
    }
    if torch:
        for name, form in formats().items():
            tx = nchw(x, form)
            contestants[name] = lambda tx=tx: (
                torch.nn.functional.max_pool2d(tx, 2).permute(0, 2, 3, 1).numpy()
            )
    hold(
        benchmark, "pooling, norms, losses, updates", "max_pool2d 2x2, 128 x 32x32x64", contestants
    )


def bench_max_pool_dx(benchmark: Any) -> None:
    x, dy = random(128, 32, 32, 64), random(128, 16, 16, 64)
    _, argmax = CPU.max_pool2d(x, (2, 2), (2, 2), (0,) * 4)
    work = lambda k: k.max_pool2d_dx(dy, argmax, (32, 32), (2, 2), (2, 2), (0,) * 4)  # noqa: E731
    contestants = {"cpu": lambda: work(CPU), "reference": lambda: work(REFERENCE)}
    if torch:
        for name, form in formats().items():
            tx = nchw(x, form)
            _, where = torch.nn.functional.max_pool2d(tx, 2, return_indices=True)
            tdy = nchw(dy, form)
            contestants[name] = lambda tx=tx, where=where, tdy=tdy: (
                torch.ops.aten.max_pool2d_with_indices_backward(
                    tdy, tx, [2, 2], [2, 2], [0, 0], [1, 1], False, where
                )
                .permute(0, 2, 3, 1)
                .numpy()
            )
    hold(benchmark, "pooling, norms, losses, updates", "max_pool2d dx, 128 x 32x32x64", contestants)


@pytest.mark.parametrize("direction", ["forward", "backward"])
def bench_batch_norm(benchmark: Any, direction: str) -> None:
    x, dy = random(128, 32, 32, 64), random(128, 32, 32, 64)
    gamma, beta = random(64), random(64)
    mean, var = np.zeros(64, np.float32), np.ones(64, np.float32)
    saved = CPU.batch_norm(mean, var, x, gamma, beta, 1e-5, 0.1)[1:]

    def ours(k: Any) -> Callable[[], Any]:
        if direction == "forward":
            return lambda: k.batch_norm(mean, var, x, gamma, beta, 1e-5, 0.1)[0]
        return lambda: k.batch_norm_grad(dy, x, gamma, *saved)[0]

    contestants = {"cpu": ours(CPU), "reference": ours(REFERENCE)}
    if torch:
        norm = torch.ops.aten
        for name, form in formats().items():
            tx, tdy = nchw(x, form), nchw(dy, form)
            tg, tb, tm, tv = map(torch.from_numpy, (gamma, beta, mean.copy(), var.copy()))
            _, sm, si = norm.native_batch_norm(tx, tg, tb, tm, tv, True, 0.1, 1e-5)
            forward = lambda tx=tx, tg=tg, tb=tb, tm=tm, tv=tv: (  # noqa: E731
                norm.native_batch_norm(tx, tg, tb, tm, tv, True, 0.1, 1e-5)[0]
                .permute(0, 2, 3, 1)
                .numpy()
            )
            back = lambda tx=tx, tdy=tdy, tg=tg, tm=tm, tv=tv, sm=sm, si=si: (  # noqa: E731
                norm.native_batch_norm_backward(
                    tdy, tx, tg, tm, tv, sm, si, True, 1e-5, [True] * 3
                )[0]
                .permute(0, 2, 3, 1)
                .numpy()
            )
            contestants[name] = forward if direction == "forward" else back
    hold(
        benchmark,
        "pooling, norms, losses, updates",
        f"batch_norm {direction}, 128 x 32x32x64",
        contestants,
    )


@pytest.mark.parametrize("shape", [(128, 10), (1024, 1000)], ids=str)
def bench_softmax_cross_entropy(benchmark: Any, shape: tuple[int, int]) -> None:
    logits = random(*shape)
    labels = np.random.default_rng(1).integers(0, shape[1], shape[0])
    contestants = {
        "cpu": lambda: CPU.softmax_cross_entropy(logits, labels, None, 0.0)[0],
        "reference": lambda: REFERENCE.softmax_cross_entropy(logits, labels, None, 0.0)[0],
    }
    if torch:
        tl, ty = torch.from_numpy(logits), torch.from_numpy(labels)
        contestants["torch"] = lambda: torch.nn.functional.cross_entropy(
            tl, ty, reduction="none"
        ).numpy()
    hold(
        benchmark,
        "pooling, norms, losses, updates",
        f"softmax_cross_entropy, {shape[0]} x {shape[1]}",
        contestants,
    )


@pytest.mark.parametrize("which", ["sgd", "adam"])
def bench_update(benchmark: Any, which: str) -> None:
    size = 5_000_000
    g, weights = random(size), random(size)

    def ours(k: Any) -> Callable[[], Any]:
        w = weights.copy()
        m, v = np.zeros(size, np.float32), np.zeros(size, np.float32)
        if which == "sgd":
            step = lambda: k.sgd_step(w, m, g, 0.01, 0.9, False, 1e-4, 1.0)  # noqa: E731
        else:
            step = lambda: k.adam_step(  # noqa: E731
                w, m, v, g, 1e-3, 0.9, 0.999, 1e-8, 1e-4, True, 1, 1.0
            )

        def run() -> Any:
            step()
            return w

        return run

    contestants = {"cpu": ours(CPU), "reference": ours(REFERENCE)}
    if torch:
        p = torch.from_numpy(weights.copy()).requires_grad_()
        p.grad = torch.from_numpy(g)
        if which == "sgd":
            optimizer = torch.optim.SGD([p], 0.01, 0.9, weight_decay=1e-4, fused=True)
        else:
            optimizer = torch.optim.AdamW([p], 1e-3, weight_decay=1e-4, fused=True)

        def run_torch() -> Any:
            optimizer.step()
            return p.detach().numpy()

        contestants["torch"] = run_torch
    hold(benchmark, "pooling, norms, losses, updates", f"{which}_step, 5 M", contestants)
