"""The plan: what a user holds, runs and prints."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from tinyvision_kernels.contract import Shape
from tinyvision_kernels.contract.random import WORD

from .. import backend as _backend
from .. import functional, random
from ..backend import Array
from ..errors import PlanError
from ..files import write_atomically
from ..nn.layer import Layer
from ..nn.losses import CrossEntropy, Focal
from ..tensor import Tensor
from .draw import draw
from .engine import Engine
from .fold import Folded, fold
from .fuse import fuse
from .graph import Graph
from .layout import ALIGNMENT, lay_out
from .precision import compute_in_bfloat16
from .profile import Profile, profile
from .record import record
from .table import table
from .trace import Spec, trace

PRECISIONS = ("float32", "bf16")
MOST_SHAPES = 8  # of inputs that a plan is kept ready for

Model = Layer | Callable[..., Tensor | Sequence[Tensor]]


class Plan:
    """A model's work, compiled: fused kernels over memory that is found once, run in one go.

    Made by :func:`compile`. It computes what the model itself computes (eager), on the backend that
    was in force when it was made. Inputs of another shape, such as a last short batch, are planned
    for when they first come.

    Attributes
    ----------
    train : bool
    outputs : list of array
        What the last run returned, in the plan's own memory: the next run writes over it.
    """

    def __init__(
        self,
        model: Model,
        *,
        train: bool,
        loss: Any = None,
        precision: str = "float32",
        native: bool = True,
    ) -> None:
        if precision not in PRECISIONS:
            raise PlanError(f"there is no precision {precision!r}: try {' or '.join(PRECISIONS)}")
        self.model, self.train, self.loss, self.precision = model, train, loss, precision
        self.backend = _backend.current()
        self._native = native
        self._ready: OrderedDict[tuple[Spec, ...], _Ready] = OrderedDict()
        self._last: _Ready | None = None
        self._memory: Any = None
        self._lock = Lock()  # a run has the memory for itself

    # --- running --------------------------------------------------------------------------------

    def __call__(self, *inputs: Any) -> Any:
        """Run forward; return the outputs as arrays of their own, one or a tuple.

        A plan that trains with a loss runs by :meth:`step` instead.
        """
        if self.loss is not None:
            raise PlanError("a plan with a loss runs by plan.step(x, labels), which computes both")
        with self._lock:
            ready = self._prepare(inputs)
            ready.engine.run(0, ready.engine.record.forward)
            results = [array.copy() for array in ready.engine.outputs]
        return results[0] if len(results) == 1 else tuple(results)

    def backward(self, dy: Any) -> None:
        """Find the gradients of all parameters behind the last run's output.

        They replace what ``parameter.grad`` held, where eager adds to it.

        Parameters
        ----------
        dy : array, the shape of the output
            dloss/doutput.
        """
        if not self.train or self.loss is not None or self._last is None:
            raise PlanError(
                "backward(dy) belongs to a plan made with train=True and no loss, after it has run"
            )
        with self._lock:
            self._last.backward(self.backend.asarray(dy))

    def step(self, *inputs: Any) -> float:
        """Run forward, loss and backward; return the loss.

        The gradients replace what ``parameter.grad`` held; ``optimizer.step()`` comes next, and no
        ``zero_grad()`` is needed.

        Parameters
        ----------
        *inputs : arrays
            What the model takes, then what the loss compares its output with: ``step(x, labels)``.
        """
        if self.loss is None:
            raise PlanError("step(x, labels) needs a loss: tv.compile(..., train=True, loss=...)")
        with self._lock:
            ready = self._prepare(inputs)
            ready.engine.run()
            return ready.loss()

    @property
    def outputs(self) -> list[Array]:
        """What the last run returned, in the plan's own memory."""
        if self._last is None:
            raise PlanError("the plan has not run yet, so it has no outputs")
        return self._last.engine.outputs

    def refresh(self) -> None:
        """Take in weights and running statistics that were changed in place.

        Optimisers and ``load_state`` say so themselves. What else writes into a tensor's data does
        not, and a plan for inference, which keeps weights multiplied by those of batch norms, has
        to be told.
        """
        with self._lock:
            for ready in self._ready.values():
                ready.refresh(always=True)

    def profile(self) -> Profile:
        """Time each step of the plan for the inputs that came last, on what they held.

        Takes some seconds; gradients and running statistics are those of some runs more afterwards.
        """
        with self._lock:
            self._newest()
            ready = next(reversed(self._ready.values()))
            if ready is not self._last:  # it has not run, and labels must not be garbage
                for place in ready.engine.inputs:
                    place[...] = 0
                ready.begin()
                ready.refresh()
            return profile(ready.engine)

    def draw(self, path: str | Path) -> None:
        """Write a picture of the plan for the inputs that came last, as SVG."""
        write_atomically(Path(path), draw(*self._newest()).encode())

    def __str__(self) -> str:
        """Return a table of the steps for the inputs that came last, and what became of layers."""
        if not self._ready:
            return "a plan without steps yet: they are found when the first inputs come"
        return table(*self._newest())

    def _newest(self) -> tuple[Graph, Engine, str]:
        """Return the graph and the engine for the inputs that came last, and words for them."""
        if not self._ready:
            raise PlanError("the plan has no steps yet: run it once, or compile it for a shape")
        specs, ready = next(reversed(self._ready.items()))
        sizes = " and ".join("x".join(map(str, spec.shape)) for spec in specs)
        purpose = "training" if self.train else "inference"
        return ready.graph, ready.engine, f"{purpose} on {sizes}, backend {self.backend.name}"

    # --- getting ready --------------------------------------------------------------------------

    def ready(self, *specs: Spec) -> _Ready:
        """Return what runs on inputs of these shapes, planned for now if it is not yet."""
        ready = self._ready.get(specs)
        if ready is None or ready.engine.stale():
            ready = self._plan(specs)
            self._ready[specs] = ready
        self._ready.move_to_end(specs)
        while len(self._ready) > MOST_SHAPES:
            self._ready.popitem(last=False)
        return ready

    def _prepare(self, inputs: Sequence[Any]) -> _Ready:
        arrays = [self.backend.asarray(x.data if isinstance(x, Tensor) else x) for x in inputs]
        if self.loss is not None:
            arrays[-1] = _target(arrays[-1], arrays[0])
        ready = self.ready(*(Spec(tuple(a.shape), a.dtype) for a in arrays))
        ready.check(arrays)
        for place, array in zip(ready.engine.inputs, arrays, strict=True):
            place[...] = array
        ready.begin()
        ready.refresh()
        self._last = ready
        return ready

    def _plan(self, specs: tuple[Spec, ...]) -> _Ready:
        if self.backend.xp is not np:
            raise PlanError(
                f"plans are for backends whose arrays are NumPy's, and those of "
                f"{self.backend.name!r} are not: use the model as it is (eager)"
            )
        graph = self._trace(specs)
        folded = [] if self.train else fold(graph, self.backend)
        fuse(graph)
        if self.precision == "bf16":
            compute_in_bfloat16(graph)
        noted = record(graph, self.backend.kernels)
        layout = lay_out(noted)
        if self._memory is None or self._memory.size < layout.size:
            self._memory = _aligned_memory(layout.size)
        engine = Engine(noted, layout, self.backend, self._memory, self._native)
        return _Ready(graph, engine, folded)

    def _trace(self, specs: tuple[Spec, ...]) -> Graph:
        model, loss = self.model, self.loss
        with _mode(model, self.train):
            if loss is None:
                return trace(model, specs, train=self.train)
            return trace(_with_loss(model, loss), specs, train=True, losses=1)


def _with_loss(model: Model, loss: Any) -> Callable[..., tuple[Tensor, ...]]:
    """Return what runs a model and then its loss, whose targets come last."""

    def run(*tensors: Tensor) -> tuple[Tensor, ...]:
        *inputs, targets = tensors
        y = model(*inputs)
        outputs = (y,) if isinstance(y, Tensor) else tuple(y)
        return *outputs, loss(*outputs, targets)

    return run


@contextmanager
def _mode(model: Model, train: bool) -> Iterator[None]:
    """Switch a model to training or inference inside the block; what is frozen stays so."""
    if not isinstance(model, Layer):
        yield
        return
    modes = [(layer, layer.training) for layer in model.layers()]
    model.train(train)
    try:
        yield
    finally:
        for layer, mode in modes:
            layer.training = mode


class _Ready:
    """A graph and its engine: one shape of inputs, ready to run."""

    def __init__(self, graph: Graph, engine: Engine, folded: list[Folded]) -> None:
        self.graph, self.engine, self.folded = graph, engine, folded
        # in the order in which eager draws
        self._streams = [array for _, array in sorted(engine.record.streams, key=itemgetter(0))]
        self._labels = _labels(graph)

    def check(self, arrays: Sequence[Array]) -> None:
        """Refuse labels that are no class."""
        for i, logits in self._labels:
            functional.as_labels(arrays[i], logits)

    def refresh(self, always: bool = False) -> None:
        """Compute the folded weights anew whose sources have changed."""
        for folded in self.folded:
            if always or folded.seen != folded.version():
                folded.refresh()

    def begin(self) -> None:
        """Let each dropout draw anew, and backward begin from the loss."""
        seed = self.engine.seed
        if seed is not None:  # dloss/dloss, or the share that a row has in the mean
            xp = self.engine.backend.xp
            seed[...] = xp.ones((), seed.dtype) / seed.size if self.graph.mean else 1
        for stream in self._streams:
            seed, step = random.next_step()
            stream[0], stream[1], stream[2] = seed & WORD, seed >> 32, step & WORD

    def loss(self) -> float:
        """Return the loss of the last run."""
        root = self.engine.root
        assert root is not None  # a plan with a loss has one
        if self.graph.mean:
            return float(self.engine.backend.xp.sum(root) / root.size)
        return float(root)

    def backward(self, dy: Array) -> None:
        """Run backward from dy."""
        seed = self.engine.seed
        if seed is None:
            raise PlanError("nothing in this model is trained, so there is nothing to find")
        if dy.shape != seed.shape:
            raise PlanError(f"dy has shape {tuple(dy.shape)}, the output {tuple(seed.shape)}")
        seed[...] = dy
        self.engine.run(self.engine.record.forward)


class _Like:
    """Something of a shape: all that checking labels takes of logits."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape


def _labels(graph: Graph) -> list[tuple[int, Any]]:
    """List which inputs are labels, and the logits that they belong to."""
    found = []
    for node in graph.nodes:
        if node.op.name in ("SoftmaxCrossEntropy", "SoftmaxCrossEntropyOfRows"):
            logits, labels = node.inputs[:2]
            if labels in graph.inputs:
                found.append((graph.inputs.index(labels), _Like(logits.shape)))
    return found


def _target(targets: Array, x: Array) -> Array:
    """Return whole numbers as int64, which labels are, and fractions in the type of x."""
    wanted = x.dtype if targets.dtype.kind == "f" else np.dtype(np.int64)
    return targets if targets.dtype == wanted else targets.astype(wanted)


def _aligned_memory(size: int) -> Any:
    """Return bytes that begin at a cache line."""
    raw = np.empty(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size]


def compile(
    model: Model,
    *input_shapes: Shape,
    train: bool = False,
    loss: Any = None,
    precision: str = "float32",
    native: bool = True,
) -> Plan:
    """Compile a model for inputs of given shapes.

    Parameters
    ----------
    model : Layer, or a function of tensors
        Built.
    *input_shapes : tuples of int
        With the batch axis: ``(64, 28, 28, 1)``. Other shapes are planned for when they come.
    train : bool
        Whether the plan finds gradients, too; layers are then in training mode.
    loss : Loss or callable, optional
        ``loss(outputs, targets)``; the plan then learns from ``plan.step(x, targets)``.
    precision : str
        "float32", or "bf16" for activations and factors in bfloat16 and all else in float32
        (:mod:`.precision`).
    native : bool
        Whether runs of cpu kernels become one native call; off, Python calls them one by one.

    Raises
    ------
    PlanError
        The model does not run the same way each time.
    ShapeError
        A layer cannot take what reaches it.

    Examples
    --------
    ::

        plan = tv.compile(model, (64, 28, 28, 1), train=True, loss=nn.CrossEntropy())
        for x, labels in batches:
            loss = plan.step(x, labels)
            optimizer.step()
    """
    plan = Plan(model, train=train, loss=loss, precision=precision, native=native)
    if input_shapes and (loss is None or isinstance(loss, CrossEntropy | Focal)):
        specs = [Spec(tuple(shape), np.dtype(np.float32)) for shape in input_shapes]
        if loss is not None:  # labels, one an image
            specs.append(Spec(tuple(input_shapes[0][:1]), np.dtype(np.int64)))
        plan.ready(*specs)
    return plan
