"""Whole training steps: forward, loss, backward, SGD with momentum."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from benchmarks.contest import hold, torch_or_none
from benchmarks.networks.nets import NETS
from tinyvision import backend, models, nn, optim
from tinyvision.nn.summary import summarize
from tinyvision.tensor import Tensor

torch = torch_or_none()

SLOW_ON_REFERENCE = {"vgg_small", "resnet20"}  # half a minute a step says nothing new


def ours(name: str, backend_name: str, x: Any, labels: Any) -> Callable[[], Any]:
    """Return a function that does one step on a backend and returns the loss."""
    with backend.using(backend_name):
        model = models.create(name, x.shape[1:], 10)
        optimizer = optim.SGD(model, lr=1e-3, momentum=0.9)
    criterion = nn.CrossEntropy()

    def step() -> float:
        with backend.using(backend_name):
            loss = criterion(model(Tensor(x)), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss.item()

    return step


def peer(name: str, memory_format: Any, x: Any, labels: Any) -> tuple[Callable[[], Any], int]:
    """Return the same step written with PyTorch, and the network's parameter count."""
    from benchmarks import peers

    model = getattr(peers, name)().to(memory_format=memory_format)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, fused=True)
    images = torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
    images, targets = images.to(memory_format=memory_format), torch.from_numpy(labels)

    def step() -> float:
        loss = torch.nn.functional.cross_entropy(model(images), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step, sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("name", NETS)
def bench_training_step(benchmark: Any, name: str) -> None:
    N, shape = NETS[name]
    rng = np.random.default_rng(0)
    x = rng.standard_normal((N, *shape), np.float32)
    labels = rng.integers(0, 10, N)
    summary = summarize(models.create(name, shape, 10), shape)
    contestants = {"cpu": ours(name, "cpu", x, labels)}
    if name not in SLOW_ON_REFERENCE:
        contestants["reference"] = ours(name, "reference", x, labels)
    if torch:
        layouts = {"torch nchw": torch.contiguous_format, "torch nhwc": torch.channels_last}
        for label, memory_format in layouts.items():
            contestants[label], parameters = peer(name, memory_format, x, labels)
            assert parameters == summary.total_parameters, f"{name}: the peer is another network"
    # backward costs about two forwards: one product for dx and one for dw
    flops = 3 * N * summary.total_flops
    hold(benchmark, "training step", f"{name}, batch {N}", contestants, flops=flops, tolerance=None)
