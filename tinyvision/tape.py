"""The tape: the chain rule, walked from the loss back to the leaves.

Each op applied to a tensor that wants a gradient leaves a :class:`Node` behind: the op, its inputs,
and what its backward needs. :func:`walk_back` visits these nodes. Two of its lines every learner
asks about:

**Why does a gradient accumulate (+=)?** A tensor that is used twice influences the loss along two
paths, and the total derivative is the sum over all paths (the multivariate chain rule).

**Why in reverse topological order?** A node may run backward only once its own ``dy`` is complete,
that is, after *every* node that used its output has added its share. Reverse topological order is
exactly an order in which users come before what they used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from .backend import Array, Backend, using
from .ops.op import Op, Saved

if TYPE_CHECKING:
    from .tensor import Tensor

    Listener = Callable[[Op, tuple[Tensor, ...], Tensor], None]

_recording: ContextVar[bool] = ContextVar("tinyvision_recording", default=True)
_listeners: ContextVar[tuple[Listener, ...]] = ContextVar("tinyvision_listeners", default=())


class Node:
    """One step of the tape: ``output = op(inputs)`` on a backend, with what backward needs."""

    __slots__ = ("backend", "inputs", "op", "saved", "spent", "versions")

    def __init__(self, op: Op, inputs: tuple[Tensor, ...], saved: Saved, backend: Backend) -> None:
        self.op, self.inputs, self.saved, self.backend = op, inputs, saved, backend
        self.spent = False
        self.versions = [tensor.version for tensor in inputs]


@contextmanager
def no_grad() -> Iterator[None]:
    """Compute without a tape inside the ``with`` block: faster, and nothing is kept."""
    token = _recording.set(False)
    try:
        yield
    finally:
        _recording.reset(token)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Call ``listener(op, inputs, output)`` after each op inside the ``with`` block."""
    token = _listeners.set((*_listeners.get(), listener))
    try:
        yield
    finally:
        _listeners.reset(token)


def notify(op: Op, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    """Tell the listeners that an op has run."""
    for listener in _listeners.get():
        listener(op, inputs, output)


def recording() -> bool:
    """Whether ops leave nodes on the tape here."""
    return _recording.get()


def walk_back(root: Tensor, gradient: Array, retain: bool) -> None:
    """Add d(root)/d(leaf) * gradient to ``grad`` of every leaf behind ``root``."""
    if root.node is None:
        _leave(root, gradient)
        return
    gradients: dict[int, Array] = {id(root): gradient}
    for tensor in _reverse_topological(root):
        node = tensor.node
        assert node is not None  # the order holds computed tensors only
        dy = gradients.pop(id(tensor))
        needs = tuple(source.requires_grad for source in node.inputs)
        with using(node.backend):
            shares = node.op.backward(node.backend.kernels, dy, node.saved, needs)
        for source, share in zip(node.inputs, shares, strict=True):
            if not source.requires_grad or share is None:
                continue
            if not isinstance(share, node.backend.xp.ndarray):  # NumPy turns 0-d into a number
                share = node.backend.xp.asarray(share)
            _check_share(node.op, source, share)
            if source.node is None:
                _leave(source, share)
            elif id(source) in gradients:
                # not in place: `share` may be an array that another input received too
                gradients[id(source)] = gradients[id(source)] + share
            else:
                gradients[id(source)] = share
        if not retain:
            node.spent, node.saved, node.inputs = True, None, ()


def _check_share(op: Op, source: Tensor, share: Array) -> None:
    if share.shape != source.data.shape or share.dtype != source.data.dtype:
        raise ValueError(
            f"{op.name}.backward returned a gradient of shape {tuple(share.shape)}, "
            f"{share.dtype} for an input of shape {source.shape}, {source.dtype}"
        )


def _leave(leaf: Tensor, gradient: Array) -> None:
    """Add to a leaf's gradient; in place, because an optimiser may own the memory behind it."""
    if leaf.grad is None:
        leaf.grad = gradient.copy()
    else:
        leaf.grad += gradient


def _reverse_topological(root: Tensor) -> list[Tensor]:
    """List the computed tensors behind ``root``, each before everything it was computed from.

    A depth-first search that lists a tensor after all of its inputs gives a topological order;
    turned round, users come first. The stack is explicit, as deep networks would exhaust Python's
    recursion.
    """
    order: list[Tensor] = []
    seen = {id(root)}
    stack: list[tuple[Tensor, Iterator[Tensor]]] = [(root, iter(_sources(root)))]
    while stack:
        tensor, sources = stack[-1]
        for source in sources:
            if source.requires_grad and source.node is not None and id(source) not in seen:
                seen.add(id(source))
                stack.append((source, iter(_sources(source))))
                break
        else:
            order.append(tensor)
            stack.pop()
    return order[::-1]


def _sources(tensor: Tensor) -> tuple[Tensor, ...]:
    node = tensor.node
    if node is None:
        return ()
    if node.spent:
        raise RuntimeError(
            f"backward: the graph behind {node.op.name} has been walked already and its saved "
            "arrays are gone; run the forward pass again, or pass retain=True to the first backward"
        )
    for source, version in zip(node.inputs, node.versions, strict=True):
        if source.version != version:
            raise RuntimeError(
                f"backward: an optimiser has changed {source.name or 'an input'!r} of "
                f"{node.op.name} since the forward pass, so its gradients would be wrong; run the "
                "forward pass again, or step after the last backward"
            )
    return node.inputs
