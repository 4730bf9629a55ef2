"""The contest's work done by PyTorch: in both layouts, eagerly or compiled, in float32 or bf16."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks import peers

from .network import Array, Network, filters_first, read, rows_by_channel

LAYOUTS = {"nchw": torch.contiguous_format, "nhwc": torch.channels_last}


def training(
    name: str, file: Path, N: int, lr: float, *, layout: str, compiled: bool = False,
    bf16: bool = False,
) -> Callable[[], float]:  # fmt: skip
    """Return a function that does one training step and returns the loss."""
    network = read(file)
    model = _model(name, network, layout).train()
    images, labels = network.batch(N)
    x, targets = _images(images, layout), torch.from_numpy(labels)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9, fused=True)

    def forward() -> Any:
        return nn.functional.cross_entropy(model(x), targets)

    if compiled:
        forward = torch.compile(forward)

    def step() -> float:
        with torch.autocast("cpu", torch.bfloat16) if bf16 else nullcontext():
            loss = forward()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


def inference(
    name: str, file: Path, N: int, *, layout: str, compiled: bool = False
) -> Callable[[], Array]:
    """Return a function that computes the logits of a batch."""
    network = read(file)
    model: Any = _model(name, network, layout).eval()
    x = _images(network.batch(N)[0], layout)
    if compiled:
        model = torch.compile(model)

    def predict() -> Array:
        with torch.inference_mode():
            return np.asarray(model(x))

    return predict


def _images(images: Array, layout: str) -> torch.Tensor:
    """(N, H, W, C) -> (N, C, H, W), laid out in memory as asked for."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(memory_format=LAYOUTS[layout])


def _model(name: str, network: Network, layout: str) -> Any:
    """Make PyTorch's form of a network with the weights and dropout rates of the file."""
    model: Any = getattr(peers, name)()
    kinds = {"Conv2d": nn.Conv2d, "BatchNorm2d": nn.BatchNorm2d, "Dense": nn.Linear}
    weights = network.weights
    own: list[Any] = [m for m in model.modules() if isinstance(m, (*kinds.values(), nn.Dropout))]
    steps = [step for step in network.flat() if step.kind in (*kinds, "Dropout")]
    channels = network.input_shape[2]
    for module, step in zip(own, steps, strict=True):
        if isinstance(module, nn.Dropout):
            module.p = step.settings["rate"]
            continue
        assert isinstance(module, kinds[step.kind]), f"{step.path} is a {type(module).__name__}"
        if isinstance(module, nn.BatchNorm2d):
            values = {
                "weight": weights[f"{step.path}.gamma"],
                "bias": weights[f"{step.path}.beta"],
                "running_mean": weights[f"{step.path}.running_mean"],
                "running_var": weights[f"{step.path}.running_var"],
            }
        else:
            w, b = weights[f"{step.path}.w"], weights.get(f"{step.path}.b")
            w_there = filters_first(w) if step.kind == "Conv2d" else rows_by_channel(w, channels)
            values = {"weight": w_there} | ({} if b is None else {"bias": b})
            channels = w.shape[-1]
        module.load_state_dict({k: torch.from_numpy(v) for k, v in values.items()}, strict=False)
    return model.to(memory_format=LAYOUTS[layout])
