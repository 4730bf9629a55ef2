"""Turn a graph into a list of steps: which kernel runs when, on which buffers.

Each op runs forward, and later backward, as eager has it, but with kernels that note what they are
asked for and hand out *places* instead of results: arrays that nobody ever reads or writes, known
by their addresses. So whatever an op is made of, the plan knows it down to its kernels, and each
derivative is still written only once, in the op.

An op that computes by other means than kernels (:attr:`Op.recordable`) becomes a step that calls it
as eager does.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from tinyvision_kernels.contract import Shape

from ..backend import Array, Kernels
from ..errors import PlanError
from ..ops.dropout import Dropout
from .graph import Graph, Node, Value
from .host import HostOp, copied


@dataclass(eq=False)
class Buffer:
    """Memory that steps read and write.

    Attributes
    ----------
    nbytes : int
    value : Value or None
        The leaf that it holds; such memory exists and is not the plan's.
    array : array or None
        Of a constant: its content.
    gradient : Value or None
        The parameter whose gradient it is.
    first, last : int
        The steps between which its content counts; set by :mod:`.layout`.
    """

    nbytes: int
    value: Value | None = None
    array: Array | None = None
    gradient: Value | None = None
    first: int = -1
    last: int = -1

    @property
    def planned(self) -> bool:
        """Whether the plan has to find memory for it."""
        return self.value is None and self.array is None and self.gradient is None


@dataclass(frozen=True)
class View:
    """A contiguous array in a buffer, from byte ``start`` on."""

    buffer: Buffer
    start: int
    shape: Shape
    dtype: np.dtype[Any]

    @property
    def nbytes(self) -> int:
        """Its size in bytes."""
        return prod(self.shape) * self.dtype.itemsize

    @property
    def whole(self) -> bool:
        """Whether it is all of its buffer."""
        return self.start == 0 and self.nbytes == self.buffer.nbytes


@dataclass(eq=False)
class Step:
    """One thing to do, of a node.

    A kernel's outputs, updates and inputs are those of its contract. A step without a kernel is
    Python's: ``host(reads, writes)``.
    """

    kernel: str
    writes: tuple[View, ...]
    reads: tuple[View | None, ...]
    settings: tuple[Any, ...] = ()
    updates: tuple[View, ...] = ()
    node: Node | None = None
    backward: bool = False
    host: Callable[[list[Any], list[Any]], None] | None = None
    keeps: tuple[View, ...] = ()  # what must stay as it is until here, though it is not read

    def views(self) -> list[View]:
        """List all that it touches."""
        return [*self.writes, *self.updates, *(v for v in self.reads if v is not None), *self.keeps]


@dataclass
class Record:
    """The steps of a graph.

    Attributes
    ----------
    steps : list of Step
        Forward, then backward.
    forward : int
        How many belong to forward.
    inputs, outputs : list of View
        Of the graph's.
    root, seed : View or None
        The value that backward begins from, and its gradient, to be set from outside.
    gradients : dict of Value -> Buffer
        Of each parameter.
    streams : list of (int, array)
        The constants that name the draws of each dropout, and their places in the order of draws.
    """

    steps: list[Step] = field(default_factory=list)
    forward: int = 0
    inputs: list[View] = field(default_factory=list)
    outputs: list[View] = field(default_factory=list)
    root: View | None = None
    seed: View | None = None
    gradients: dict[Value, Buffer] = field(default_factory=dict)
    streams: list[tuple[int, Array]] = field(default_factory=list)


def record(graph: Graph, kernels: Kernels) -> Record:
    """Run the graph's ops with kernels that only note what they are asked for."""
    return _Recorder(graph, kernels).run()


class _RecordingKernels:
    """What an op takes for its kernels."""

    def __init__(self, recorder: _Recorder, kernels: Kernels) -> None:
        self._recorder, self._kernels, self.xp = recorder, kernels, kernels.xp

    def __getattr__(self, name: str) -> Callable[..., Any]:
        kernel = getattr(self._kernels, name)
        return lambda *arguments, dtype=None: self._recorder.call(kernel, arguments, dtype)


class _Recorder:
    def __init__(self, graph: Graph, kernels: Kernels) -> None:
        self.graph, self.kernels = graph, kernels
        self.k: Any = _RecordingKernels(self, kernels)
        self.result = Record()
        self.node: Node | None = None
        self.backward = False
        self.starts: list[int] = []  # addresses of places, sorted, with the buffers beside
        self.buffers: list[tuple[Any, Buffer]] = []
        self.constants: dict[int, Buffer] = {}
        self.places: dict[Value, Any] = {}

    def run(self) -> Record:
        graph, result = self.graph, self.result
        for value in graph.inputs:
            self.places[value] = self.place(value.shape, value.dtype)
        for value in graph.leaves():
            buffer = Buffer(value.nbytes, value=value)
            self.places[value] = self.place(value.shape, value.dtype, buffer)
        saved = {node: self._forward(node) for node in graph.nodes}
        result.forward = len(result.steps)
        result.inputs = [self.view(self.places[value]) for value in graph.inputs]
        result.outputs = [self.view(self.places[value]) for value in graph.outputs]
        if graph.root is not None:
            result.root = self.view(self.places[graph.root])
            self._walk_back(graph.root, saved)
        return result

    # --- forward --------------------------------------------------------------------------------

    def _forward(self, node: Node) -> Any:
        self.node = node
        inputs = [self.places[value] for value in node.inputs]
        if node.op.recordable:
            y, saved = node.op.forward(self.k, *inputs)
            self.places[node.output] = y
            return saved
        y = self.place(node.output.shape, node.output.dtype)
        self.places[node.output] = y
        call = HostOp(node.op, self.kernels)
        self._host(call.forward, inputs, [y])
        return call

    # --- backward -------------------------------------------------------------------------------

    def _walk_back(self, root: Value, saved: dict[Node, Any]) -> None:
        """As :func:`tinyvision.tape.walk_back` does, a gradient for each value."""
        self.backward = True
        seed = self.place(root.shape, root.dtype)
        self.result.seed = self.view(seed)
        gradients: dict[Value, Any] = {root: seed}
        for node in self.graph.backward_order():
            self.node = node
            dy = gradients.pop(node.output)
            needs = tuple(value.needs_grad for value in node.inputs)
            shares = self._shares(node, dy, saved[node], needs)
            for value, share in zip(node.inputs, shares, strict=True):
                if not value.needs_grad or share is None:
                    continue
                if value in gradients:
                    share = self.k.add(gradients[value], share)
                gradients[value] = share
        for value, share in gradients.items():
            self._leave(value, share)

    def _shares(
        self, node: Node, dy: Any, saved: Any, needs: tuple[bool, ...]
    ) -> tuple[Any | None, ...]:
        if not isinstance(saved, HostOp):
            return node.op.backward(self.k, dy, saved, needs)
        shares = [
            self.place(value.shape, value.dtype) if need else None
            for value, need in zip(node.inputs, needs, strict=True)
        ]
        wanted = [share for share in shares if share is not None]
        kept = [*(self.places[value] for value in node.inputs), self.places[node.output]]
        self._host(saved.backward(needs), [dy], wanted, kept)
        return tuple(shares)

    def _leave(self, value: Value, share: Any) -> None:
        """Let a parameter's gradient be computed where the parameter keeps it."""
        view = self.view(share)
        buffer = view.buffer
        steps = self.result.steps
        readers = [step for step in steps for read in step.reads if read and read.buffer is buffer]
        # what is read later on is memory of the plan's, as is what several parameters get
        if not (buffer.planned and view.whole) or readers or view == self.result.seed:
            copy = self.place(value.shape, value.dtype)
            self._host(copied, [share], [copy])
            buffer = self.view(copy).buffer
        buffer.gradient = value
        self.result.gradients[value] = buffer

    # --- notes ----------------------------------------------------------------------------------

    def call(self, kernel: Any, arguments: tuple[Any, ...], dtype: Any) -> Any:
        """Note the call of a kernel, and return places for its outputs."""
        contract = kernel.contract
        changed, count = len(contract.updates), len(contract.updates) + len(contract.inputs)
        arrays, settings = list(arguments[:count]), arguments[count:]
        outputs = [self.place(*like) for like in kernel.outputs_of(arrays, settings, dtype)]
        views = [None if a is None else self.view(a) for a in arrays]
        self._note(
            Step(
                kernel=contract.name,
                writes=tuple(self.view(y) for y in outputs),
                updates=tuple(v for v in views[:changed] if v is not None),
                reads=tuple(views[changed:]),
                settings=settings,
            )
        )
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def _host(
        self, run: Callable[..., None], reads: list[Any], writes: list[Any], keeps: Any = ()
    ) -> None:
        self._note(
            Step(
                kernel="",
                writes=tuple(map(self.view, writes)),
                reads=tuple(map(self.view, reads)),
                keeps=tuple(map(self.view, keeps)),
                host=run,
            )
        )

    def _note(self, step: Step) -> None:
        step.node, step.backward = self.node, self.backward
        self.result.steps.append(step)

    # --- places ---------------------------------------------------------------------------------

    def place(self, shape: Shape, dtype: Any, buffer: Buffer | None = None) -> Any:
        """Return an array of this shape that stands for memory to be found."""
        kind = np.dtype(dtype)
        nbytes = prod(shape) * kind.itemsize
        raw = np.empty(max(nbytes, 1), np.uint8)  # an address of its own, also without elements
        at = bisect_right(self.starts, raw.ctypes.data)
        self.starts.insert(at, raw.ctypes.data)
        self.buffers.insert(at, (raw, buffer or Buffer(nbytes)))
        return np.ndarray(shape, kind, raw)

    def view(self, array: Any) -> View:
        """Return what part of which buffer an array stands for."""
        if not array.flags.c_contiguous:
            name = self.node.op.name if self.node else "the model"
            raise PlanError(
                f"op {name} hands a strided view {tuple(array.shape)} to a kernel, which a plan "
                "cannot follow: declare it recordable = False"
            )
        if isinstance(array, np.ndarray):
            address = array.ctypes.data
            at = bisect_right(self.starts, address) - 1
            if at >= 0:
                raw, buffer = self.buffers[at]
                if address < self.starts[at] + raw.nbytes:
                    start = address - self.starts[at]
                    return View(buffer, start, tuple(array.shape), array.dtype)
        return self._constant(array)

    def _constant(self, array: Any) -> View:
        """Note an array that an op has made: its content stays what it is."""
        if id(array) not in self.constants:
            self.constants[id(array)] = Buffer(int(array.nbytes), array=array)
            if self.node is not None and isinstance(self.node.op, Dropout):
                self.result.streams.append((self.node.op.step, array))
        return View(self.constants[id(array)], 0, tuple(array.shape), array.dtype)
