"""A network as every contestant gets it: read from a model file, without tinyvision.

The file holds the architecture as data and the weights by path (``docs/model-file.md``). What is
read here is the part of the format that the benchmark's networks use.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Weights = dict[str, Array]


@dataclass(frozen=True)
class Step:
    """One layer: its kind, its settings, and the paths of its weights.

    Attributes
    ----------
    kind : str
        The name of tinyvision's layer class.
    path : str
        Its weights are ``path.w``, ``path.b``, ``path.gamma`` ... in the network's weights.
    settings : dict
        ``stride`` and ``pad`` (pixels on each side), ``window``, ``rate`` or ``filters``.
    body, shortcut : list of Step
        What a ``Residual`` adds up; an empty shortcut is the input itself.
    """

    kind: str
    path: str
    settings: dict[str, Any] = field(default_factory=dict)
    body: list["Step"] = field(default_factory=list)
    shortcut: list["Step"] = field(default_factory=list)


@dataclass(frozen=True)
class Network:
    """Steps in order, and the weights: convolutions (KH, KW, C, O), dense layers (I, O)."""

    input_shape: tuple[int, int, int]
    steps: list[Step]
    weights: Weights

    def flat(self) -> list[Step]:
        """List the steps with a body's in the place of its residual, as weights are ordered."""
        return [
            inner for step in self.steps for inner in (step.body if step.body else [step])
        ]  # shortcuts have no weights here

    def batch(self, N: int) -> tuple[Array, Array]:
        """Make the random images (N, H, W, C) and labels (N,) that everybody works on."""
        rng = np.random.default_rng(N)
        images = rng.standard_normal((N, *self.input_shape), np.float32)
        return images, rng.integers(0, 10, N)


def read(path: Path) -> Network:
    """Read a model file."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        header = json.loads(file.metadata()["tinyvision"])
        weights = {name.removeprefix("model/"): file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    height, width, channels = header["input_shape"]
    return Network((height, width, channels), _steps(header["architecture"], ""), weights)


def _steps(layer: dict[str, Any], path: str) -> list[Step]:
    """Turn a layer's description into steps; a Sequential disappears."""
    kind = layer["layer"]

    def inner(name: str, child: dict[str, Any]) -> list[Step]:
        own = child.get("name") or name
        return _steps(child, f"{path}.{own}" if path else own)

    match kind:
        case "Sequential":
            return [step for child in layer["layers"] for step in inner("", child)]
        case "Residual":
            shortcut = inner("shortcut", layer["shortcut"]) if "shortcut" in layer else []
            return [Step(kind, path, {}, inner("body", layer["body"]), shortcut)]
        case "Conv2d":
            # settings that have their default are not in the file
            settings = {"stride": layer.get("stride", 1), "pad": _pad(layer)}
        case "MaxPool2d":
            settings = {"window": layer.get("window", 2)}
        case "Dropout":
            settings = {"rate": layer.get("rate", 0.5)}
        case "PadShortcut":
            settings = {"filters": layer["filters"], "stride": layer.get("stride", 2)}
        case "BatchNorm2d" | "Dense" | "Flatten" | "GlobalAvgPool2d" | "ReLU":
            settings = {}
        case _:
            raise ValueError(f"the contestants' programs know no layer {kind!r}")
    return [Step(kind, path, settings)]


def _pad(conv: dict[str, Any]) -> int:
    """Return how many zeros a convolution puts on each side."""
    pad = conv.get("pad", "valid")
    if pad == "same":  # with stride 1 and an odd window
        return int((conv.get("kernel_size", 3) - 1) // 2)
    return 0 if pad == "valid" else int(pad)


def filters_first(w: Array) -> Array:
    """Turn a convolution's weights (KH, KW, C, O) into PyTorch's and ONNX's (O, C, KH, KW)."""
    return np.ascontiguousarray(w.transpose(3, 2, 0, 1))


def rows_by_channel(w: Array, C: int) -> Array:
    """Turn a dense layer's weights (H*W*C, O) into (O, C*H*W), for images laid out (C, H, W)."""
    O = w.shape[1]
    return np.ascontiguousarray(w.reshape(-1, C, O).transpose(2, 1, 0).reshape(O, -1))
