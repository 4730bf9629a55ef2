"""Pooling, batch norm, loss and optimiser kernels against the reference backend and PyTorch."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from benchmarks.bench_kernels import CPU, REFERENCE, formats, nchw, random
from benchmarks.contest import hold, torch_or_none

torch = torch_or_none()
GROUP = "pooling, norms, losses, updates"
WINDOW = ((2, 2), (2, 2), (0, 0, 0, 0))  # size, stride, padding
IMAGES = (128, 32, 32, 64)
NUMBERS = 128 * 32 * 32 * 64  # in them


def nhwc(tensor: Any) -> Any:
    """(N, C, H, W) torch -> (N, H, W, C) NumPy."""
    return tensor.permute(0, 2, 3, 1).numpy()


def bench_max_pool(benchmark: Any) -> None:
    x = random(*IMAGES)

    def ours(k: Any) -> Any:
        return k.max_pool2d(x, *WINDOW)[0]

    def theirs(image: Any) -> Any:
        return nhwc(torch.nn.functional.max_pool2d(image, 2))

    contestants = {"cpu": partial(ours, CPU), "reference": partial(ours, REFERENCE)}
    if torch:
        for name, form in formats().items():
            contestants[name] = partial(theirs, nchw(x, form))
    # of four pixels each: three comparisons; four read, one written, and which one it was
    work = {"flops": 3 * NUMBERS // 4, "bytes": (4 * 4 + 4 + 1) * NUMBERS // 4}
    hold(benchmark, GROUP, "max_pool2d 2x2, 128 x 32x32x64", contestants, **work)


def bench_max_pool_dx(benchmark: Any) -> None:
    x, dy = random(*IMAGES), random(128, 16, 16, 64)
    _, argmax = CPU.max_pool2d(x, *WINDOW)

    def ours(k: Any) -> Any:
        return k.max_pool2d_dx(dy, argmax, (32, 32), *WINDOW)

    def theirs(tdy: Any, image: Any, where: Any) -> Any:
        backward = torch.ops.aten.max_pool2d_with_indices_backward
        return nhwc(backward(tdy, image, [2, 2], [2, 2], [0, 0], [1, 1], False, where))

    contestants = {"cpu": partial(ours, CPU), "reference": partial(ours, REFERENCE)}
    if torch:
        for name, form in formats().items():
            image = nchw(x, form)
            _, where = torch.nn.functional.max_pool2d(image, 2, return_indices=True)
            contestants[name] = partial(theirs, nchw(dy, form), image, where)
    work = {"flops": NUMBERS // 4, "bytes": (4 * 4 + 4 + 1) * NUMBERS // 4}
    hold(benchmark, GROUP, "max_pool2d dx, 128 x 32x32x64", contestants, **work)


@pytest.mark.parametrize("direction", ["forward", "backward"])
def bench_batch_norm(benchmark: Any, direction: str) -> None:
    x, dy, gamma, beta = random(*IMAGES), random(*IMAGES), random(64), random(64)
    mean, var = np.zeros(64, np.float32), np.ones(64, np.float32)
    saved = CPU.batch_norm(mean, var, x, gamma, beta, 1e-5, 0.1)[1:]

    def ours(k: Any) -> Any:
        if direction == "forward":
            return k.batch_norm(mean, var, x, gamma, beta, 1e-5, 0.1)[0]
        return k.batch_norm_grad(dy, x, gamma, *saved)[0]

    contestants = {"cpu": partial(ours, CPU), "reference": partial(ours, REFERENCE)}
    if torch:
        for name, form in formats().items():
            contestants[name] = _torch_batch_norm(
                direction, nchw(x, form), nchw(dy, form), gamma, beta
            )
    # forward: two sums, then a product and a sum; backward: two sums of products, then three steps
    flops, arrays = (6, 2) if direction == "forward" else (11, 3)
    work = {"flops": flops * NUMBERS, "bytes": 4 * arrays * NUMBERS}
    hold(benchmark, GROUP, f"batch_norm {direction}, 128 x 32x32x64", contestants, **work)


def _torch_batch_norm(direction: str, x: Any, dy: Any, gamma: Any, beta: Any) -> Callable[[], Any]:
    aten = torch.ops.aten
    weight, bias = torch.from_numpy(gamma), torch.from_numpy(beta)
    running = torch.zeros(64), torch.ones(64)
    forward = partial(aten.native_batch_norm, x, weight, bias, *running, True, 0.1, 1e-5)
    if direction == "forward":
        return lambda: nhwc(forward()[0])
    saved = forward()[1:]
    backward = partial(
        aten.native_batch_norm_backward,
        dy, x, weight, *running, *saved, True, 1e-5, [True, True, True],
    )  # fmt: skip
    return lambda: nhwc(backward()[0])


@pytest.mark.parametrize("shape", [(128, 10), (1024, 1000)], ids=str)
def bench_softmax_cross_entropy(benchmark: Any, shape: tuple[int, int]) -> None:
    logits = random(*shape)
    labels = np.random.default_rng(1).integers(0, shape[1], shape[0])

    def ours(k: Any) -> Any:
        return k.softmax_cross_entropy(logits, labels, None, 0.0)[0]

    def theirs(scores: Any, targets: Any) -> Any:
        return torch.nn.functional.cross_entropy(scores, targets, reduction="none").numpy()

    contestants = {"cpu": partial(ours, CPU), "reference": partial(ours, REFERENCE)}
    if torch:
        contestants["torch"] = partial(theirs, torch.from_numpy(logits), torch.from_numpy(labels))
    numbers = shape[0] * shape[1]  # of each: largest, difference, exponential, sum, quotient
    work = {"flops": 5 * numbers, "bytes": 2 * 4 * numbers}
    label = f"softmax_cross_entropy, {shape[0]} x {shape[1]}"
    hold(benchmark, GROUP, label, contestants, **work)


SIZE = 5_000_000  # parameters of an update


@pytest.mark.parametrize("which", ["sgd", "adam"])
def bench_update(benchmark: Any, which: str) -> None:
    g, weights = random(SIZE), random(SIZE)
    contestants = {
        "cpu": _our_update(which, CPU, weights, g),
        "reference": _our_update(which, REFERENCE, weights, g),
    }
    if torch:
        contestants["torch"] = _torch_update(which, weights, g)
    # the vectors that are read, and but for the gradient written again
    flops, vectors = (7, 5) if which == "sgd" else (14, 7)
    work = {"flops": flops * SIZE, "bytes": 4 * vectors * SIZE}
    hold(benchmark, GROUP, f"{which}_step, 5 M", contestants, **work)


def _our_update(which: str, k: Any, weights: Any, g: Any) -> Callable[[], Any]:
    w = weights.copy()
    m, v = np.zeros(SIZE, np.float32), np.zeros(SIZE, np.float32)

    def run() -> Any:
        if which == "sgd":
            k.sgd_step(w, m, None, g, 0.01, 0.9, False, 1e-4, 1.0, 0.0)
        else:
            k.adam_step(w, m, v, None, g, 1e-3, 0.9, 0.999, 1e-8, 1e-4, True, 1, 1.0, 0.0)
        return w

    return run


def _torch_update(which: str, weights: Any, g: Any) -> Callable[[], Any]:
    p = torch.from_numpy(weights.copy()).requires_grad_()
    p.grad = torch.from_numpy(g)
    # of a single long vector "fused" is the faster of the two
    if which == "sgd":
        optimizer = torch.optim.SGD([p], 0.01, 0.9, weight_decay=1e-4, fused=True)
    else:
        optimizer = torch.optim.AdamW([p], 1e-3, weight_decay=1e-4, fused=True)

    def run() -> Any:
        optimizer.step()
        return p.detach().numpy()

    return run
