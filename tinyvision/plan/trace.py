"""Find out what a model does by running it once where nothing is computed.

The model runs forward, with all its layers and shapes, on a backend whose kernels only check shapes
and hand out memory that nobody writes to. Each op that runs is noted down. So a plan can be made of
whatever runs on the tape, as long as it runs the same way each time: what a model computes may
depend on the numbers that it is given, but not which ops it computes them with.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any

import numpy as np

from tinyvision_kernels.contract import KERNELS, Shape

from .. import random, tape
from ..backend import Backend, make_backend, using
from ..errors import PlanError
from ..nn.place import current_path
from ..ops.dropout import Dropout
from ..ops.op import Op
from ..tensor import Tensor
from .graph import Graph, Node, Value

Run = Callable[..., Tensor | Sequence[Tensor]]


@dataclass(frozen=True)
class Spec:
    """Shape and dtype of an input."""

    shape: Shape
    dtype: np.dtype[Any]


@cache
def _idle() -> Backend:
    """Return a backend on NumPy arrays whose kernels do nothing."""
    return make_backend("idle", np, dict.fromkeys(KERNELS, _nothing))


def _nothing(*_: Any) -> None:
    pass


def trace(run: Run, specs: Sequence[Spec], *, train: bool, losses: int = 0) -> Graph:
    """Return the graph of ``run(*inputs)``.

    Parameters
    ----------
    run : callable
        Takes tensors, returns one or several.
    specs : sequence of Spec
        Of the inputs.
    train : bool
        Whether backward is to begin at the last of what it returns.
    losses : int
        How many of the last ones are no outputs of the model.

    Raises
    ------
    PlanError
        Run twice, it did not do the same.
    ShapeError
        A layer cannot take what reaches it.
    """
    # not on the same numbers: what depends on these shows, such as an index made of labels
    first, second = _Notes(specs, 0), _Notes(specs, 1)
    graph = first.take(run, train, losses)
    _compare(graph, second.take(run, train, losses))
    return graph


class _Notes:
    """What is noted while a model runs."""

    def __init__(self, specs: Sequence[Spec], fill: int) -> None:
        self.kept: list[Tensor] = []  # alive, so that no two have one id
        self.values: dict[int, Value] = {}
        self.nodes: list[Node] = []
        self.inputs = [Tensor(np.full(spec.shape, fill, spec.dtype)) for spec in specs]
        for i, tensor in enumerate(self.inputs):
            self._keep(tensor, Value(tensor.shape, tensor.dtype, name=f"input {i}"))

    def take(self, run: Run, train: bool, losses: int) -> Graph:
        """Run the model and return what was noted."""
        drawn = random.state()
        quiet = np.errstate(all="ignore")  # garbage divides by zero
        try:
            with using(_idle()), tape.no_grad(), tape.listening(self._note), quiet:
                results = run(*self.inputs)
        finally:
            random.restore(drawn)
        several = [results] if isinstance(results, Tensor) else list(results)
        values = [self._value(tensor) for tensor in several]
        root = values[-1] if train and values[-1].needs_grad else None
        inputs = [self._value(tensor) for tensor in self.inputs]
        return Graph(inputs, self.nodes, values[: len(values) - losses], root)

    def _note(self, op: Op, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        sources = tuple(self._value(tensor) for tensor in inputs)
        needs_grad = output.dtype.kind == "f" and any(value.needs_grad for value in sources)
        path = current_path()
        value = Value(output.shape, output.dtype, needs_grad=needs_grad, name=path or op.name)
        self._keep(output, value)
        self.nodes.append(Node(op, sources, value, (path,), (op,)))

    def _value(self, tensor: Tensor) -> Value:
        if id(tensor) not in self.values:  # a leaf
            self._keep(
                tensor,
                Value(tensor.shape, tensor.dtype, tensor, tensor.requires_grad, tensor.name),
            )
        return self.values[id(tensor)]

    def _keep(self, tensor: Tensor, value: Value) -> None:
        self.kept.append(tensor)
        self.values[id(tensor)] = value


# ----------------------------------------------------------------------------
# Does it do the same each time?
# ----------------------------------------------------------------------------


def _compare(first: Graph, second: Graph) -> None:
    numbers = [{value: i for i, value in enumerate(_values(graph))} for graph in (first, second)]
    for one, other in zip(first.nodes, second.nodes, strict=False):
        places = [
            tuple(number[value] for value in (*node.inputs, node.output))
            for number, node in zip(numbers, (one, other), strict=True)
        ]
        if places[0] != places[1] or not _equal(_settled(one.op), _settled(other.op)):
            raise _not_static(one, f"ran {_words(one.op)}, then {_words(other.op)}")
        for a, b in zip(one.inputs, other.inputs, strict=True):
            if not _same_leaf(a.tensor, b.tensor):
                raise _not_static(one, f"took a constant into {one.op.name}, then another one")
    if len(first.nodes) != len(second.nodes):
        raise PlanError(
            f"the model does not do the same each time: it ran {len(first.nodes)} ops, then "
            f"{len(second.nodes)}, so no plan can be made of it; use it as it is (eager)"
        )


def _values(graph: Graph) -> list[Value]:
    """List all values in the order in which they turn up."""
    order = dict.fromkeys(graph.inputs)
    for node in graph.nodes:
        order |= dict.fromkeys((*node.inputs, node.output))
    return list(order)


def _settled(op: Op) -> Op:
    """Return an op without what may differ from run to run."""
    return replace(op, seed=0, step=0) if isinstance(op, Dropout) else op


def _equal(one: Op, other: Op) -> bool:
    if type(one) is not type(other):
        return False
    pairs = [(getattr(one, f.name), getattr(other, f.name)) for f in fields(one)]
    return all(_same_setting(a, b) for a, b in pairs)


def _same_setting(a: Any, b: Any) -> bool:
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(_same_setting, a, b))
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return bool(np.array_equal(a, b, equal_nan=np.asarray(a).dtype.kind == "f"))
    return bool(a == b)


def _same_leaf(a: Tensor | None, b: Tensor | None) -> bool:
    if a is b or a is None or b is None:
        return a is b
    return a.dtype == b.dtype and _same_setting(a.numpy(), b.numpy())


def _words(op: Op) -> str:
    return repr(op) if len(repr(op)) < 80 else op.name


def _not_static(node: Node, what: str) -> PlanError:
    place = f"layer {node.paths[0]!r}" if node.paths and node.paths[0] else "the model"
    return PlanError(
        f"{place} does not do the same each time: it {what}, so no plan can be made of it; use it "
        "as it is (eager)"
    )
