"""What a normalisation is given besides x, gamma and beta."""

from typing import Any

import numpy as np


def around_norm(kernel: str, shape: tuple[int, ...], rng: np.random.Generator) -> dict[str, Any]:
    """What a fused batch norm is given besides."""
    given = {
        "residual": rng.standard_normal(shape),
        "y": np.maximum(rng.standard_normal(shape), 0),
    }
    if "max_pool" in kernel:
        N, H, W, C = shape
        pooled = (N, H // 2, W // 2, C)
        given["dy"] = rng.standard_normal(pooled)
        given["argmax"] = rng.integers(0, 5, pooled).astype(np.uint8)  # 4: no cell
    return given


def running_statistics(C: int, rng: np.random.Generator) -> dict[str, Any]:
    """What a batch norm of C channels has in mind, and its settings."""
    return {
        "running_mean": rng.standard_normal(C),
        "running_var": rng.random(C) + 0.1,
        "eps": 1e-5,
        "momentum": 0.1,
    }


def statistics(kernel: str, x: np.ndarray, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """The mean and 1 / sqrt(var + eps) that a forward pass would have saved."""
    axes: Any = tuple(range(x.ndim - 1))
    if kernel.startswith("layer"):
        axes = 1
    elif kernel.startswith("group"):
        N, H, W, C = x.shape
        x, axes = x.reshape(N, H * W, groups, C // groups), (1, 3)
    return x.mean(axis=axes), 1 / np.sqrt(x.var(axis=axes) + 1e-5)
