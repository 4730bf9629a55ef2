"""Put one op in the place of several, wherever a kernel computes them in one pass.

A *rule* names ops that follow one another and the op that replaces them. It applies where nobody
else needs what lies in between: forward could hand that out only by writing it to memory after all.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from tinyvision_kernels.contract.fused_conv import POOL

from ..ops.activation import ReLU
from ..ops.conv import Conv2d
from ..ops.dense import Dense
from ..ops.elementwise import Add
from ..ops.fused import (
    AddReLU,
    AddSame,
    BatchNormAddReLU,
    BatchNormInferReLU,
    BatchNormReLU,
    BatchNormReLUMaxPool,
    Conv2dReLU,
    Conv2dReLUMaxPool,
    DenseReLU,
)
from ..ops.loss import SoftmaxCrossEntropy, SoftmaxCrossEntropyOfRows
from ..ops.norm import BatchNorm, BatchNormInfer
from ..ops.op import Op
from ..ops.pool import MaxPool2d
from .graph import Graph, Node, Value

Test = Callable[[Node], bool]


@dataclass(frozen=True)
class Rule:
    """Ops that follow one another, and what replaces them; the longest that applies is taken."""

    ops: tuple[Test, ...]
    replacement: type[Op]


def _is(kind: type[Op]) -> Test:
    return lambda node: type(node.op) is kind


def _pools(node: Node) -> bool:
    """Whether a node is a max-pooling by windows of 2x2 that tile the image."""
    op = node.op
    return type(op) is MaxPool2d and (op.window, op.stride, op.pad) == POOL


def _adds(node: Node) -> bool:
    """Whether a node adds two values of one shape and type, and broadcasts neither."""
    if type(node.op) is not Add:
        return False
    a, b = node.inputs
    return a.shape == b.shape == node.output.shape and a.dtype == b.dtype


RULES = (
    Rule((_is(Conv2d), _is(ReLU), _pools), Conv2dReLUMaxPool),
    Rule((_is(Conv2d), _is(ReLU)), Conv2dReLU),
    Rule((_is(Dense), _is(ReLU)), DenseReLU),
    Rule((_is(BatchNorm), _is(ReLU), _pools), BatchNormReLUMaxPool),
    Rule((_is(BatchNorm), _is(ReLU)), BatchNormReLU),
    Rule((_is(BatchNorm), _adds, _is(ReLU)), BatchNormAddReLU),
    Rule((_is(BatchNormInfer), _is(ReLU)), BatchNormInferReLU),
    Rule((_adds, _is(ReLU)), AddReLU),
    Rule((_adds,), AddSame),
)


def fuse(graph: Graph) -> None:
    """Replace nodes of the graph, in place, by fused ones."""
    merged: set[Node] = set()
    nodes: list[Node] = []
    readers = _readers(graph)
    for node in graph.nodes:
        if node in merged:
            continue
        found = _find(node, readers, merged)
        if found is None:
            nodes.append(node)
            continue
        rule, chain = found
        merged.update(chain)
        nodes.append(_merge(rule, chain))
    graph.nodes = _ordered(graph, nodes)
    graph.index()
    _split_mean(graph)


def _readers(graph: Graph) -> dict[Value, list[Node | None]]:
    """List who reads each value; None stands for whoever runs the plan."""
    readers: dict[Value, list[Node | None]] = {}
    for node in graph.nodes:
        for value in node.inputs:
            readers.setdefault(value, []).append(node)
    ends = [*graph.outputs, *([graph.root] if graph.root is not None else [])]
    for value in ends:
        readers.setdefault(value, []).append(None)
    return readers


def _find(
    node: Node, readers: dict[Value, list[Node | None]], merged: set[Node]
) -> tuple[Rule, list[Node]] | None:
    """Return the first rule that applies from this node on, and the nodes it replaces."""
    for rule in RULES:
        chain = [node]
        if not rule.ops[0](node):
            continue
        for test in rule.ops[1:]:
            users = readers.get(chain[-1].output, [])
            if len(users) != 1 or users[0] is None:
                node.apart = f"{len(users)} others read it" if len(users) > 1 else "it is an output"
                break
            if users[0] in merged or not test(users[0]):
                break
            chain.append(users[0])
        else:
            return rule, chain
    return None


def _merge(rule: Rule, chain: list[Node]) -> Node:
    """Return the node that stands for a chain; it reads what the chain reads from elsewhere."""
    first = chain[0]
    x, *rest = first.inputs
    inside = {node.output for node in chain}
    others = [value for node in chain[1:] for value in node.inputs if value not in inside]
    settings = {f.name: getattr(first.op, f.name) for f in fields(first.op)}
    wanted = {f.name for f in fields(rule.replacement)}
    op: Any = rule.replacement(**{k: v for k, v in settings.items() if k in wanted})
    return Node(
        op=op,
        inputs=(x, *others, *rest),
        output=chain[-1].output,
        paths=tuple(path for node in chain for path in node.paths),
        fused=tuple(op for node in chain for op in node.fused),
    )


def _ordered(graph: Graph, nodes: list[Node]) -> list[Node]:
    """Put nodes into an order in which each comes behind those it reads from.

    A merged node stands where its first op stood, but may read what was computed after that.
    """
    producers = {node.output: node for node in nodes}
    done: set[Node] = set()
    order: list[Node] = []
    for last in nodes:
        stack = [last]
        while stack:
            node = stack[-1]
            waits = [
                producers[value]
                for value in node.inputs
                if value in producers and producers[value] not in done
            ]
            if waits:
                stack.append(waits[0])
                continue
            stack.pop()
            if node not in done:
                done.add(node)
                order.append(node)
    return order


def _split_mean(graph: Graph) -> None:
    """Let a cross-entropy at the end give one loss a row, of which the plan takes the mean."""
    node = graph.producers.get(graph.root) if graph.root is not None else None
    if node is None or type(node.op) is not SoftmaxCrossEntropy:
        return
    if len(node.inputs) != 2 or len(node.inputs[0].shape) != 2:
        return
    if graph.uses()[node.output] > 1:  # somebody else wants the mean itself
        return
    _, labels = node.inputs
    losses = replace(node.output, shape=labels.shape)
    rows = Node(
        SoftmaxCrossEntropyOfRows(node.op.smoothing), node.inputs, losses, node.paths, node.fused
    )
    graph.nodes[graph.nodes.index(node)] = rows
    graph.outputs = [losses if value is node.output else value for value in graph.outputs]
    graph.root, graph.mean = losses, True
    graph.index()
