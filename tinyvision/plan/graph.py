"""A model's work as a graph: which op makes which value from which others.

A :class:`Value` is an array that does not exist yet: a shape and a dtype. Those without a node are
*leaves*: parameters, running statistics and constants, whose tensors exist, and the inputs of the
plan, whose arrays come with each run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinyvision_kernels.contract import Shape

from ..ops.op import Op
from ..tensor import Tensor


@dataclass(eq=False)
class Value:
    """An array to be: the output of a node, or a leaf.

    Attributes
    ----------
    tensor : Tensor or None
        Of a leaf that exists: a parameter, a running statistic, a constant.
    needs_grad : bool
        Whether backward has to find its gradient.
    name : str
        For people.
    """

    shape: Shape
    dtype: np.dtype[Any]
    tensor: Tensor | None = None
    needs_grad: bool = False
    name: str = ""

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return int(np.prod(self.shape)) * self.dtype.itemsize


@dataclass(eq=False)
class Node:
    """``output = op(inputs)``, called by the layers at ``paths`` (several, once ops are fused)."""

    op: Op
    inputs: tuple[Value, ...]
    output: Value
    paths: tuple[str, ...] = ()
    fused: tuple[Op, ...] = ()  # the ops that were made one, in their order
    apart: str = ""  # why it was not fused with what follows


@dataclass(eq=False)
class Graph:
    """Nodes in an order in which they can run.

    Attributes
    ----------
    inputs : list of Value
        What each run brings.
    outputs : list of Value
        What the model returns.
    root : Value or None
        Where backward begins: a loss, or None if nothing is trained.
    mean : bool
        Whether the loss is the mean of ``root``, which has one for each row.
    """

    inputs: list[Value]
    nodes: list[Node]
    outputs: list[Value]
    root: Value | None = None
    mean: bool = False
    producers: dict[Value, Node] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.index()

    def index(self) -> None:
        """Note which node makes which value; to be called when nodes have changed."""
        self.producers = {node.output: node for node in self.nodes}

    def uses(self) -> Counter[Value]:
        """Count how often each value is read, by nodes and by whoever wants the outputs."""
        counts = Counter(value for node in self.nodes for value in node.inputs)
        counts.update(self.outputs)
        if self.root is not None:
            counts[self.root] += 1
        return counts

    def leaves(self) -> Iterator[Value]:
        """Yield each leaf that exists, once, in the order of first use."""
        seen: set[Value] = set()
        for node in self.nodes:
            for value in node.inputs:
                if value.tensor is not None and value not in seen:
                    seen.add(value)
                    yield value

    def backward_order(self) -> list[Node]:
        """List the nodes that backward visits, users before what they used.

        The order is that of :func:`tinyvision.tape.walk_back`: where three gradients or more are
        added up, the order decides the last bit.
        """
        if self.root is None or self.root not in self.producers:
            return []
        order: list[Node] = []
        seen = {self.root}
        stack = [(self.producers[self.root], iter(self.producers[self.root].inputs))]
        while stack:
            node, sources = stack[-1]
            for source in sources:
                if source.needs_grad and source in self.producers and source not in seen:
                    seen.add(source)
                    producer = self.producers[source]
                    stack.append((producer, iter(producer.inputs)))
                    break
            else:
                order.append(node)
                stack.pop()
        return order[::-1]
