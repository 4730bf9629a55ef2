"""For inference, take a batch norm into the weights of the convolution or dense layer before it.

With fixed statistics, batch norm multiplies each channel by a number and adds another one. So does
the product before it, if its weights are multiplied and its bias shifted, once::

    scale = gamma / sqrt(var + eps)
    (x @ w + b - mean) * scale + beta  =  x @ (w * scale) + (b - mean) * scale + beta

That rounds elsewhere than eager does: results differ in the last digits.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from ..backend import Array, Backend
from ..ops.conv import Conv2d
from ..ops.dense import Dense
from ..ops.norm import BatchNormInfer
from ..tensor import Tensor
from .graph import Graph, Node, Value


@dataclass(eq=False)
class Folded:
    """Weights and bias that follow from those of two layers.

    Attributes
    ----------
    sources : tuple of Tensor
        (w, b or none, gamma, beta, mean, var).
    """

    w: Tensor
    b: Tensor
    sources: tuple[Tensor, ...]
    compute: Callable[[], tuple[Array, Array]]
    seen: int = field(default=-1)

    def refresh(self) -> None:
        """Compute weights and bias anew."""
        self.seen = self.version()
        self.w.data[...], self.b.data[...] = self.compute()

    def version(self) -> int:
        """Count the changes of the sources that were announced."""
        return sum(tensor.version for tensor in self.sources)


def fold(graph: Graph, backend: Backend) -> list[Folded]:
    """Fold what can be folded, in place; return the new weights, not computed yet."""
    uses = graph.uses()
    folded: list[Folded] = []
    removed: set[Node] = set()
    for node in graph.nodes:
        first = graph.producers.get(node.inputs[0]) if node.inputs else None
        if type(node.op) is not BatchNormInfer or first is None or first in removed:
            continue
        leaves = [*first.inputs[1:], *node.inputs[1:]]
        if (
            type(first.op) not in (Conv2d, Dense)
            or uses[first.output] > 1
            or any(value.tensor is None for value in leaves)
        ):
            continue
        new = _fold(first, node, backend)
        folded.append(new)
        removed.add(node)
        first.inputs = (first.inputs[0], _leaf(new.w), _leaf(new.b))
        first.output = node.output
        first.fused += node.fused
        first.paths += node.paths
    graph.nodes = [node for node in graph.nodes if node not in removed]
    graph.index()
    return folded


def _fold(first: Node, norm: Node, backend: Backend) -> Folded:
    sources = tuple(_tensor(value) for value in (*first.inputs[1:], *norm.inputs[1:]))
    w, *bias, gamma, beta, mean, var = sources
    xp, eps = backend.xp, norm.op.eps  # type: ignore[attr-defined]  # of a BatchNormInfer

    def compute() -> tuple[Array, Array]:
        scale = gamma.data / xp.sqrt(var.data + var.data.dtype.type(eps))
        offset = (bias[0].data if bias else 0) - mean.data
        return w.data * scale, offset * scale + beta.data  # (..., O) * (O,)

    return Folded(
        w=Tensor(xp.empty_like(w.data), name=f"{w.name} folded"),
        b=Tensor(xp.empty_like(beta.data), name=f"{beta.name} folded"),
        sources=sources,
        compute=compute,
    )


def _tensor(value: Value) -> Tensor:
    assert value.tensor is not None  # fold() has seen to it
    return value.tensor


def _leaf(tensor: Tensor) -> Value:
    return Value(tensor.shape, tensor.dtype, tensor, name=tensor.name)
