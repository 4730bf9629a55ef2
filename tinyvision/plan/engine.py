"""A record bound to memory and to a backend's kernels: what a run of a plan runs.

On the cpu backend the compiled functions that the kernels' launchers call are recorded, too, with
their arguments: a run is then one native call for all steps in a row that are kernels, and Python
has no part in it. Other backends' kernels are called one after another.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import compress, groupby
from typing import Any

from ..backend import Array, Backend
from .layout import Layout
from .record import Buffer, Record, Step, View
from .work import is_small

Call = Callable[[], None]


class Engine:
    """The steps of one record, ready to run.

    Parameters
    ----------
    record : Record
    layout : Layout
        Of the record's buffers.
    backend : Backend
        Whose kernels run, and on whose arrays.
    memory : array of uint8
        Where the planned buffers lie; at least ``layout.size`` bytes.
    native : bool
        Whether kernels of the cpu backend may be recorded; else Python calls them.

    Attributes
    ----------
    inputs, outputs : list of array
        The graph's, in the plan's memory.
    root, seed : array or None
        See :class:`Record`.
    singly : list of callable
        What runs each step by itself.
    scratch : int
        Bytes of the kernels' working memory, as far as it is the engine's own.
    """

    def __init__(
        self, record: Record, layout: Layout, backend: Backend, memory: Array, native: bool
    ) -> None:
        self.record, self.layout, self.backend = record, layout, backend
        self._memory = memory
        self._arrays: dict[View, Array] = {}
        self.leaves = [
            (buffer.value.tensor, buffer.value.tensor.data)
            for buffer in _buffers(record)
            if buffer.value is not None and buffer.value.tensor is not None
        ]
        self.gradients = [
            (value.tensor, _gradient(value.tensor, backend))
            for value in record.gradients
            if value.tensor is not None
        ]
        self.inputs = [self.array(view) for view in record.inputs]
        self.outputs = [self.array(view) for view in record.outputs]
        self.root = None if record.root is None else self.array(record.root)
        self.seed = None if record.seed is None else self.array(record.seed)
        self.scratch = 0
        self.singly = [self._python_call(step) for step in record.steps]
        self.calls, self.starts = self.singly, list(range(len(record.steps)))
        if native and backend.name == "cpu":
            self._go_native()

    def array(self, view: View) -> Array:
        """Return the array that a view stands for."""
        if view not in self._arrays:
            flat = self._bytes(view.buffer)[view.start : view.start + view.nbytes]
            # (bytes,) -> the view's dtype and shape, the same memory
            self._arrays[view] = flat.view(view.dtype).reshape(view.shape)
        return self._arrays[view]

    def _bytes(self, buffer: Buffer) -> Array:
        """Return a buffer's memory, byte by byte."""
        if buffer.planned:
            start = self.layout.starts[buffer]
            return self._memory[start : start + buffer.nbytes]
        if buffer.array is not None:
            whole = buffer.array
        elif buffer.gradient is not None and buffer.gradient.tensor is not None:
            whole = buffer.gradient.tensor.grad
        else:
            assert buffer.value is not None  # what else could it be
            assert buffer.value.tensor is not None
            whole = buffer.value.tensor.data
        return whole.reshape(-1).view("uint8")  # a contiguous array's, which shares its memory

    @property
    def pieces(self) -> int:
        """How many calls a run takes."""
        return len(self.calls)

    @property
    def weights_nbytes(self) -> int:
        """Bytes of the model's tensors."""
        return sum(int(data.nbytes) for _, data in self.leaves)

    @property
    def gradients_nbytes(self) -> int:
        """Bytes of their gradients."""
        return sum(int(grad.nbytes) for _, grad in self.gradients)

    @property
    def nbytes(self) -> int:
        """Bytes of all that a run reads and writes; an optimiser's own vectors come on top."""
        planned = self.layout.size + self.scratch
        return planned + self.weights_nbytes + self.gradients_nbytes

    def stale(self) -> bool:
        """Whether a tensor lives elsewhere by now, so that this engine would miss it."""
        return any(tensor.data is not data for tensor, data in self.leaves) or any(
            tensor.grad is not grad for tensor, grad in self.gradients
        )

    def run(self, start: int = 0, stop: int | None = None) -> None:
        """Run the steps from ``start`` up to ``stop``."""
        stop = len(self.record.steps) if stop is None else stop
        first = self.starts.index(start)
        for at, call in zip(self.starts[first:], self.calls[first:], strict=True):
            if at >= stop:
                break
            call()

    def _python_call(self, step: Step) -> Call:
        """Return a call of one step by Python."""
        writes = [self.array(view) for view in step.writes]
        reads = [None if view is None else self.array(view) for view in step.reads]
        if step.host is not None:
            host = step.host
            return lambda: host(reads, writes)
        into = getattr(self.backend.kernels, step.kernel).into
        arguments = (*writes, *(self.array(v) for v in step.updates), *reads, *step.settings)
        return lambda: into(*arguments)

    def _go_native(self) -> None:
        """Let one call replay all kernels in a row, forward and backward apart."""
        from tinyvision_kernels.cpu.program import Program

        program, steps, python = Program(), self.record.steps, self.singly
        native = [step.host is None for step in steps]
        with program.measuring():
            for call in compress(python, native):
                call()
        marks = [0]  # how many compiled functions the steps up to here call
        with program.recording():
            for call, recorded in zip(python, native, strict=True):
                if recorded:
                    call()
                marks.append(program.mark())
        for i, step in enumerate(steps):
            if is_small(step):
                program.threads(marks[i], marks[i + 1], 1)

        def stretch(i: int) -> tuple[bool, bool]:
            return native[i], steps[i].backward

        self.scratch = program.scratch_bytes
        self.singly = [
            partial(program.run, marks[i], marks[i + 1]) if native[i] else python[i]
            for i in range(len(steps))
        ]
        self.calls, self.starts = [], []
        for (recorded, _), group in groupby(range(len(steps)), stretch):
            numbers = list(group)
            if recorded:
                self.starts.append(numbers[0])
                self.calls.append(partial(program.run, marks[numbers[0]], marks[numbers[-1] + 1]))
            else:
                self.starts += numbers
                self.calls += [python[i] for i in numbers]


def _buffers(record: Record) -> list[Buffer]:
    return list({view.buffer: None for step in record.steps for view in step.views()})


def _gradient(tensor: Any, backend: Backend) -> Array:
    """Return where a parameter keeps its gradient; if it has none yet, make it."""
    if tensor.grad is None:
        tensor.grad = backend.xp.zeros(tensor.shape, tensor.dtype)
    return tensor.grad
