"""The networks of :mod:`tinyvision.models` written with PyTorch, to be timed against."""

from typing import Any

import torch
from torch import nn


class _Residual(nn.Module):
    """Two 3x3 convolutions with batch norm and a shortcut that pads channels with zeros."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.stride, self.more = stride, outputs - inputs

    def forward(self, x: Any) -> Any:
        shortcut = x
        if self.more or self.stride > 1:
            half = self.more // 2
            shortcut = nn.functional.pad(
                x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, half, self.more - half)
            )
        return torch.relu(self.body(x) + shortcut)


def mlp() -> nn.Module:
    """The dense network, for 28 x 28 x 1."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Dropout(0.2),
        nn.Linear(512, 256), nn.ReLU(), nn.Dropout(0.2), nn.Linear(256, 10),
    )  # fmt: skip


def lenet5() -> nn.Module:
    """LeNet-5 with ReLU and max-pooling, for 28 x 28 x 1."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(),
        nn.Linear(84, 10),
    )  # fmt: skip


def small_cnn() -> nn.Module:
    """Two convolutions and two dense layers, for 28 x 28 x 1."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Dropout(0.1), nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.3),
        nn.Linear(128, 10),
    )  # fmt: skip


def vgg_small() -> nn.Module:
    """Three stages of two 3x3 convolutions with batch norm, for 32 x 32 x 3."""
    layers: list[nn.Module] = []
    inputs = 3
    for filters in (64, 128, 256):
        for _ in range(2):
            layers += [
                nn.Conv2d(inputs, filters, 3, padding=1, bias=False),
                nn.BatchNorm2d(filters),
                nn.ReLU(),
            ]
            inputs = filters
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(4096, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 10)
    )


def resnet20() -> nn.Module:
    """ResNet-20 for CIFAR, 32 x 32 x 3 (He et al. 2016)."""
    stages = [(16, 1), (32, 2), (64, 2)]
    layers: list[nn.Module] = [
        nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
    ]  # fmt: skip
    inputs = 16
    for outputs, stride in stages:
        for block in range(3):
            layers.append(_Residual(inputs, outputs, stride if block == 0 else 1))
            inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
