"""Find memory for a plan's buffers: those that are never needed at one time share it.

A buffer lives from the step that first writes it to the last one that reads it. Largest first, each
is put at the lowest place that is free all that time (the greedy-by-size rule of Pisarchyk and Lee
2020, "Efficient memory management for deep neural net inference"). What is computed element by
element may take the place of what it is computed from.
"""

from dataclasses import dataclass

from tinyvision_kernels.contract import KERNELS

from .record import Buffer, Record

ALIGNMENT = 64  # bytes: a cache line, and the widest vector register
FOREVER = 1 << 40  # the last step of what is read from outside

# Of each kernel, the outputs that may lie where an input does, as its contract says.
IN_PLACE: dict[str, dict[str, tuple[str, ...]]] = {
    "relu": {"y": ("x",)},
    "relu_dx": {"dx": ("dy", "y")},
    "relu_bias_grad": {"dz": ("dy", "y")},
    "add": {"y": ("x", "residual")},
    "add_relu": {"y": ("x", "residual")},
    "dropout": {"y": ("x",)},
    "batch_norm_apply_add_relu": {"y": ("residual",)},
    "batch_norm_relu_grad": {"dx": ("dy", "x")},
    "batch_norm_add_relu_grad": {"dx": ("x",), "dresidual": ("dy", "y")},
    "batch_norm_infer_relu": {"y": ("x",)},
}


@dataclass(frozen=True)
class Layout:
    """Where each planned buffer lies in one block of memory.

    Attributes
    ----------
    starts : dict of Buffer -> int
        First byte.
    size : int
        Bytes of the block.
    apart : int
        Bytes that the buffers would take if none shared memory.
    """

    starts: dict[Buffer, int]
    size: int
    apart: int


def lay_out(record: Record) -> Layout:
    """Find a place for every planned buffer."""
    buffers = _live(record)
    homes = _in_place(record)
    groups: dict[Buffer, list[Buffer]] = {}
    for buffer in buffers:
        groups.setdefault(_home(buffer, homes), []).append(buffer)
    starts: dict[Buffer, int] = {}
    placed: list[_Place] = []
    for group in sorted(groups.values(), key=lambda group: -group[0].nbytes):
        first, last = min(b.first for b in group), max(b.last for b in group)
        size = _aligned(group[0].nbytes)
        start = _lowest(placed, first, last, size)
        placed.append(_Place(start, size, first, last))
        starts |= dict.fromkeys(group, start)
    size = max((place.start + place.size for place in placed), default=0)
    return Layout(starts, size, sum(_aligned(buffer.nbytes) for buffer in buffers))


def _live(record: Record) -> list[Buffer]:
    """Note between which steps each buffer's content counts; return the planned ones."""
    seen: dict[Buffer, None] = {}
    for i, step in enumerate(record.steps):
        for view in step.views():
            buffer = view.buffer
            if buffer not in seen:
                seen[buffer] = None
                buffer.first = i
            buffer.last = i
    # What comes from outside stays as it is, so that a run can be repeated: labels are places in
    # memory to the kernels that read them, and anything else in theirs would lead anywhere.
    for view in (*record.inputs, *([record.seed] if record.seed else [])):
        seen.setdefault(view.buffer)
        view.buffer.first, view.buffer.last = -1, FOREVER
    for view in (*record.outputs, *([record.root] if record.root else [])):
        seen.setdefault(view.buffer)
        view.buffer.last = FOREVER
    return [buffer for buffer in seen if buffer.planned]


def _in_place(record: Record) -> dict[Buffer, Buffer]:
    """Say of buffers which other one's place they take, because that ends where they begin."""
    homes: dict[Buffer, Buffer] = {}
    for i, step in enumerate(record.steps):
        taken: set[Buffer] = set()
        for output, names in IN_PLACE.get(step.kernel, {}).items():
            contract = KERNELS[step.kernel]
            target = step.writes[contract.outputs.index(output)]
            for name in names:
                source = step.reads[contract.inputs.index(name)]
                if source is None or not (source.whole and target.whole):
                    continue
                a, b = source.buffer, target.buffer
                others = [v for v in step.reads if v is not None and v is not source]
                if (
                    a.planned
                    and b.planned
                    and a.last == i
                    and b.first == i
                    and source.nbytes == target.nbytes
                    and a not in taken
                    and all(view.buffer is not a for view in others)
                ):
                    homes[b] = a
                    taken.add(a)
                    break
    return homes


def _home(buffer: Buffer, homes: dict[Buffer, Buffer]) -> Buffer:
    while buffer in homes:
        buffer = homes[buffer]
    return buffer


@dataclass(frozen=True)
class _Place:
    start: int
    size: int
    first: int
    last: int


def _lowest(placed: list[_Place], first: int, last: int, size: int) -> int:
    """Return the lowest byte from which ``size`` bytes are free from step first to last."""
    at = 0
    busy = [p for p in placed if p.first <= last and first <= p.last]
    for place in sorted(busy, key=lambda place: place.start):
        if at + size <= place.start:
            break
        at = max(at, place.start + place.size)
    return at


def _aligned(nbytes: int) -> int:
    return -(-max(nbytes, 1) // ALIGNMENT) * ALIGNMENT
