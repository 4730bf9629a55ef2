"""Model files for tests: one written long ago, and small new ones."""

import json
from pathlib import Path
from typing import Any

from safetensors import safe_open

import tinyvision as tv
from tinyvision import nn

GOLDEN = Path(__file__).parent / "golden" / "v1.safetensors"  # written by 0.1.0, never rewritten


def small_file(seed: int = 0) -> tv.ModelFile:
    model = nn.Sequential(nn.Conv2d(4, 3), nn.ReLU(), nn.Flatten(), nn.Dense(2))
    model.build((5, 4, 1), seed=seed)
    prepare = tv.data.Preprocess((5, 4), 1, mean=(0.3,), std=(0.2,))
    return tv.ModelFile(model, (5, 4, 1), ("cat", "dog"), prepare)


def header_of(path: Path) -> dict[str, Any]:
    with safe_open(path, framework="numpy") as file:
        header: dict[str, Any] = json.loads(file.metadata()["tinyvision"])
    return header
