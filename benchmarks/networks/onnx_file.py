"""A network as an ONNX file: for ONNX Runtime and for OpenCV."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from .network import Array, Network, Step, filters_first, rows_by_channel

OPSET = 17


def write(network: Network, N: int, path: Path) -> Path:
    """Write a network for inference on batches (N, C, H, W), as ONNX lays images out."""
    H, W, C = network.input_shape
    graph = _Graph(network, C)
    out = graph.add_steps("x", network.steps)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "network",
            [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, (N, C, H, W))],
            [helper.make_tensor_value_info(out, onnx.TensorProto.FLOAT, (N, 10))],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=8,
    )
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return path


class _Graph:
    """Nodes and constants as they come together."""

    def __init__(self, network: Network, C: int) -> None:
        self.weights, self.C = network.weights, C
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, value: Array) -> str:
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def node(self, op: str, inputs: list[str], path: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, inputs, [path], path, **attributes))
        return path

    def add_steps(self, x: str, steps: list[Step]) -> str:
        """Add the steps behind the value x; return the name of the last one's output."""
        for step in steps:
            x = self.add(x, step)
        return x

    def add(self, x: str, step: Step) -> str:
        path, settings = step.path, step.settings
        match step.kind:
            case "Conv2d":
                w = filters_first(self.weights[f"{path}.w"])
                self.C = w.shape[0]
                return self.node(
                    "Conv",
                    [x, self.constant(f"{path}.w", w), *self.own(path, "b")],
                    path,
                    kernel_shape=w.shape[2:],
                    strides=[settings["stride"]] * 2,
                    pads=[settings["pad"]] * 4,
                )
            case "Dense":
                w = self.weights[f"{path}.w"]
                there = self.constant(f"{path}.w", rows_by_channel(w, self.C))
                self.C = w.shape[1]
                return self.node("Gemm", [x, there, *self.own(path, "b")], path, transB=1)
            case "BatchNorm2d":
                names = ("gamma", "beta", "running_mean", "running_var")
                own = self.own(path, *names)
                return self.node("BatchNormalization", [x, *own], path, epsilon=1e-5)
            case "MaxPool2d":
                window = [settings["window"]] * 2
                return self.node("MaxPool", [x], path, kernel_shape=window, strides=window)
            case "GlobalAvgPool2d":
                pooled = self.node("GlobalAveragePool", [x], f"{path}.pooled")
                return self.node("Flatten", [pooled], path)  # (N, C, 1, 1) -> (N, C)
            case "ReLU":
                return self.node("Relu", [x], path)
            case "Flatten":
                return self.node("Flatten", [x], path)  # (N, C, H, W) -> (N, C*H*W)
            case "Residual":
                C = self.C
                shortcut = self.add_shortcut(x, step.shortcut, C)
                return self.node("Add", [self.add_steps(x, step.body), shortcut], path)
            case "Dropout":
                return x
        raise ValueError(f"no ONNX is written for {step.kind!r}")

    def add_shortcut(self, x: str, steps: list[Step], C: int) -> str:
        """Add a residual's shortcut: x itself, or thinned and with channels of zeros around."""
        for step in steps:
            path, stride = step.path, step.settings["stride"]
            slices = {
                "starts": [0, 0],
                "ends": [1 << 30] * 2,
                "axes": [2, 3],
                "steps": [stride] * 2,
            }
            x = self.node(
                "Slice",
                [x, *(self.constant(f"{path}.{k}", np.array(v)) for k, v in slices.items())],
                f"{path}.thinned",
            )
            missing = step.settings["filters"] - C
            around = np.zeros((2, 4), np.int64)  # before and after each of N, C, H, W
            around[:, 1] = missing // 2, missing - missing // 2
            x = self.node("Pad", [x, self.constant(f"{path}.pads", around.reshape(-1))], path)
        return x

    def own(self, path: str, *names: str) -> list[str]:
        """Add those of a layer's weights that it has, as they are."""
        return [
            self.constant(f"{path}.{name}", self.weights[f"{path}.{name}"])
            for name in names
            if f"{path}.{name}" in self.weights
        ]
