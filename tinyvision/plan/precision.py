"""Mixed precision: activations and factors in bfloat16, weights and sums in float32.

A bfloat16 takes half the memory of a float32, so that what waits for memory takes half the time,
and some processors multiply two of them in the time of one float32. Two to three digits are enough
for what layers hand to each other; they are not for weights, which change by less than that at a
step. So the weights stay float32 (*master weights*), and are rounded anew at each step for the
products that they take part in; sums, losses and all that has one number a channel are float32.
Source: Micikevicius et al. 2018, "Mixed precision training"; Kalamkar et al. 2019 for bfloat16,
whose range is that of float32, so that losses need no scaling.
"""

from dataclasses import replace

import numpy as np

from ..backend import BFLOAT16
from ..ops.activation import GELU, LeakyReLU, ReLU, Sigmoid, SiLU, Tanh
from ..ops.conv import Conv2d
from ..ops.dense import Dense
from ..ops.dropout import Dropout
from ..ops.fused import AddReLU, AddSame, BatchNormAddReLU
from ..ops.norm import BatchNorm, BatchNormInfer, GroupNorm, LayerNorm
from ..ops.op import Op
from ..ops.pool import AvgPool2d, GlobalAvgPool2d, MaxPool2d, Upsample2d
from ..ops.precision import ToBfloat16, ToFloat32
from ..ops.shape import PadShortcut, Reshape
from .graph import Graph, Node, Value

# How many of an op's inputs, from the first on, may be bfloat16; the ops derived from these alike.
NARROW_INPUTS: dict[type[Op], int] = {
    **dict.fromkeys((Conv2d, Dense, AddSame, AddReLU, BatchNormAddReLU), 2),
    **dict.fromkeys((BatchNorm, BatchNormInfer, GroupNorm, LayerNorm), 1),
    **dict.fromkeys((ReLU, LeakyReLU, GELU, SiLU, Sigmoid, Tanh, Dropout), 1),
    **dict.fromkeys((MaxPool2d, AvgPool2d, GlobalAvgPool2d, Upsample2d, PadShortcut, Reshape), 1),
}


def compute_in_bfloat16(graph: Graph) -> None:
    """Let what can be bfloat16 be so, in place; the model's outputs and losses stay float32."""
    nodes: list[Node] = []
    converted: dict[Value, Value] = {}  # either way

    def convert(value: Value, node: Node, *, narrow: bool) -> Value:
        if value.dtype.name != ("float32" if narrow else "bfloat16"):
            return value
        if value not in converted:
            dtype = BFLOAT16 if narrow else np.dtype(np.float32)
            other = replace(value, dtype=dtype, tensor=None)
            op = ToBfloat16() if narrow else ToFloat32()
            nodes.append(Node(op, (value,), other, node.paths, (op,)))
            converted[value] = other
        return converted[value]

    for node in graph.nodes:
        count = narrow_inputs(node.op)
        node.inputs = tuple(
            convert(value, node, narrow=i < count) for i, value in enumerate(node.inputs)
        )
        if count and node.inputs[0].dtype == BFLOAT16:
            node.output.dtype = BFLOAT16
        nodes.append(node)
    last = nodes[-1]
    graph.outputs = [convert(value, last, narrow=False) for value in graph.outputs]
    if graph.root is not None:
        graph.root = convert(graph.root, last, narrow=False)
    graph.nodes = nodes
    graph.index()


def narrow_inputs(op: Op) -> int:
    """Count the inputs of an op that may be bfloat16."""
    return next((NARROW_INPUTS[kind] for kind in type(op).__mro__ if kind in NARROW_INPUTS), 0)
