"""A plan in words: its steps, what was fused and why not, and what memory it takes."""

from __future__ import annotations

from dataclasses import dataclass

from .engine import Engine
from .graph import Graph, Node
from .record import Step
from .work import flops, moved

MiB = 2**20
WIDTH = 100  # columns


@dataclass(frozen=True)
class Row:
    """A step, for people.

    Attributes
    ----------
    step : str
        The kernel, or the op that Python runs.
    layers : str
        Whose work it is.
    output : tuple of int
        Shape of what it computes.
    flops : int
        Floating-point operations; a multiply-add counts as two.
    bytes : int
        That must move: each of its arrays once.
    place : str
        Where in the plan's memory the output lies, in KiB; or whose memory it is.
    backward : bool
    """

    step: str
    layers: str
    output: tuple[int, ...]
    flops: int
    bytes: int
    place: str
    backward: bool


def rows(engine: Engine) -> list[Row]:
    """Return a row for each step."""
    return [
        Row(
            step=step.kernel or f"({step.node.op.name})" if step.node else "(copy)",
            layers=layers_of(step.node),
            output=step.writes[0].shape if step.writes else (),
            flops=flops(step),
            bytes=moved(step),
            place=_place(engine, step),
            backward=step.backward,
        )
        for step in engine.record.steps
    ]


def table(graph: Graph, engine: Engine, title: str) -> str:
    """Return the plan as text."""
    head = ("", "kernel", "layers", "output", "MFLOP", "MB", "at KiB")
    cells = [
        (
            str(i),
            row.step,
            row.layers,
            "x".join(map(str, row.output)),
            f"{row.flops / 1e6:,.1f}",
            f"{row.bytes / 1e6:,.2f}",
            row.place,
        )
        for i, row in enumerate(rows(engine))
    ]
    widths = [max(len(line[i]) for line in [head, *cells]) for i in range(len(head))]
    others = sum(widths) - widths[2] + 2 * (len(widths) - 1)
    widths[2] = max(8, min(widths[2], WIDTH - others))
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    lines = [title, "", _line(head, widths), rule]
    for i, line in enumerate(cells):
        if i == engine.record.forward:
            lines.append(f"{'':{widths[0]}}  backward")
        lines.append(_line(line, widths))
    return "\n".join([*lines, rule, *_sums(engine), *_fusions(graph)])


def _sums(engine: Engine) -> list[str]:
    """Say what it all comes to."""
    steps, layout = engine.record.steps, engine.layout
    work = sum(map(flops, steps))
    saved = layout.apart - layout.size
    lines = [
        f"{len(steps)} steps in {engine.pieces} {'call' if engine.pieces == 1 else 'calls'}, "
        f"{work / 1e9:.3f} GFLOP, {sum(map(moved, steps)) / 1e6:,.1f} MB moved at least",
        f"memory: {layout.size / MiB:.2f} MiB for all values, {layout.apart / MiB:.2f} MiB without "
        f"sharing ({saved / MiB:.2f} MiB saved)",
        f"beside them weights {engine.weights_nbytes / MiB:.2f} MiB, gradients "
        f"{engine.gradients_nbytes / MiB:.2f} MiB, working memory {engine.scratch / MiB:.2f} MiB: "
        f"{engine.nbytes / MiB:.2f} MiB in all",
    ]
    by_python = sorted({step.node.op.name for step in steps if step.host and step.node})
    if by_python:
        lines.append(f"by Python, not by kernels: {', '.join(by_python)}")
    return lines


def _fusions(graph: Graph) -> list[str]:
    """Say which layers became one, and which ones did not though they could have."""
    lines = []
    for node in graph.nodes:
        if len(node.fused) > 1:
            lines.append(f"fused: {' + '.join(op.name for op in node.fused)} ({layers_of(node)})")
        elif node.apart:
            lines.append(f"not fused: {layers_of(node)}, since {node.apart}")
    return lines


def layers_of(node: Node | None) -> str:
    """Return the layers of a node: their common path, and how they go on."""
    paths = list(dict.fromkeys(path for path in node.paths if path)) if node else []
    if not paths:
        return ""
    prefix = paths[0].rpartition(".")[0]
    if len(paths) > 1 and prefix and all(path.startswith(f"{prefix}.") for path in paths):
        return f"{prefix}.({' + '.join(path[len(prefix) + 1 :] for path in paths)})"
    return " + ".join(paths)


def _place(engine: Engine, step: Step) -> str:
    if not step.writes:
        return ""
    buffer = step.writes[0].buffer
    if buffer.gradient is not None:
        return "gradient"
    start = engine.layout.starts.get(buffer)
    return "" if start is None else f"{(start + step.writes[0].start) / 1024:,.0f}"


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    path = cells[2] if len(cells[2]) <= widths[2] else "..." + cells[2][3 - widths[2] :]
    left = [cells[0].rjust(widths[0]), cells[1].ljust(widths[1]), path.ljust(widths[2])]
    right = [cell.rjust(width) for cell, width in zip(cells[3:], widths[3:], strict=True)]
    return "  ".join(left + right).rstrip()
