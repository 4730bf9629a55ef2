"""A plan as a picture: what runs, forward and backward, and who lies where in memory.

On the left, a row for each fused op: forward is read downwards, backward upwards, and the kernels
of both stand beside what they belong to. On the right, the memory: a rectangle is a value, as wide
as the time from its first step to its last, as high as its size; what lies side by side on one
height shares memory.
"""

from __future__ import annotations

from html import escape

from .engine import Engine
from .graph import Graph, Node
from .record import Buffer, Step
from .table import layers_of

ROW, LINE, PAD = 46, 14, 10  # pixels
BOX, GAP = 270, 16
MAP = 560
FONT = "DejaVu Sans, Arial, sans-serif"
FORWARD, BACKWARD, PYTHON, EDGE, TEXT = "#dbe9f6", "#fbe3d0", "#e5e5e5", "#8a8f98", "#20242a"


def draw(graph: Graph, engine: Engine, title: str) -> str:
    """Return the picture as SVG."""
    rows = _rows(graph, engine)
    heights = [max(ROW, LINE * (1 + max(len(row.forward), len(row.backward))) + 8) for row in rows]
    top = 64
    height = top + sum(heights) + PAD
    map_height = max(height - top - 40, 320)
    left = 2 * BOX + 3 * GAP + 2 * PAD
    width = left + MAP + 2 * PAD
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {max(height, top + 400)}" '
        f'width="{width}" font-family="{FONT}" font-size="11" fill="{TEXT}">',
        '<rect width="100%" height="100%" fill="white"/>',
        _text(PAD, 24, title, size=15, bold=True),
    ]
    parts.append(_text(PAD, 48, "forward \u2193", bold=True))
    if engine.record.seed is not None:
        parts.append(_text(PAD + BOX + GAP, 48, "backward \u2191", bold=True))
    y = top
    for row, tall in zip(rows, heights, strict=True):
        parts += _draw_row(row, y, tall)
        y += tall
    parts.append(_text(left, 48, "memory: each value from its first step to its last", bold=True))
    parts += _memory(engine, left, top, MAP, map_height)
    return "\n".join([*parts, "</svg>", ""])


class _Row:
    """A node with the steps that it takes."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.forward: list[str] = []
        self.backward: list[str] = []
        self.python = False


def _rows(graph: Graph, engine: Engine) -> list[_Row]:
    rows = {node: _Row(node) for node in graph.nodes}
    for i, step in enumerate(engine.record.steps):
        if step.node is None:
            continue
        row = rows[step.node]
        row.python |= step.host is not None
        (row.backward if step.backward else row.forward).append(f"{i}  {_name(step)}")
    return list(rows.values())


def _name(step: Step) -> str:
    return step.kernel or "Python"


def _draw_row(row: _Row, y: int, tall: int) -> list[str]:
    node = row.node
    shape = "\u00d7".join(map(str, node.output.shape))
    names = " + ".join(op.name for op in node.fused)
    parts = [
        _box(PAD, y, BOX, tall - 8, PYTHON if row.python else FORWARD),
        _text(PAD + 8, y + LINE + 2, _short(layers_of(node) or names, 40), bold=True),
        _text(PAD + BOX - 8, y + LINE + 2, shape, anchor="end"),
        f"<title>{escape(names)}</title>",
    ]
    parts += [_text(PAD + 8, y + LINE * (2 + i) + 2, text) for i, text in enumerate(row.forward)]
    if row.backward:
        x = PAD + BOX + GAP
        parts.append(_box(x, y, BOX, tall - 8, PYTHON if row.python else BACKWARD))
        parts += [
            _text(x + 8, y + LINE * (1 + i) + 2, text)
            for i, text in enumerate(reversed(row.backward))
        ]
    return ["<g>", *parts, "</g>"]


def _memory(engine: Engine, left: int, top: int, width: int, height: int) -> list[str]:
    steps, layout = engine.record.steps, engine.layout
    across, down = width / max(len(steps), 1), height / max(layout.size, 1)
    names = _names(engine)
    parts = [
        f'<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="none" '
        f'stroke="{EDGE}"/>'
    ]
    for buffer, start in layout.starts.items():
        first, last = max(buffer.first, 0), min(buffer.last, len(steps) - 1)
        x, y = left + first * across, top + start * down
        w, h = max((last - first + 1) * across, 1), max(buffer.nbytes * down, 0.5)
        colour = BACKWARD if first >= engine.record.forward else FORWARD
        name, size = names.get(buffer, ""), f"{buffer.nbytes / 2**20:.2f} MiB"
        parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" fill="{colour}" '
            f'stroke="{EDGE}" stroke-width="0.6"><title>{escape(name)}, {size}, steps {first} to '
            f"{last}</title></rect>"
        )
        if h > LINE and w > 60:
            parts.append(_text(x + 3, y + 11, _short(name, int(w / 6)), size=9))
    if 0 < engine.record.forward < len(steps):
        x = left + engine.record.forward * across
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{top + height}" stroke="{EDGE}" '
            'stroke-dasharray="4 3"/>'
        )
    saved = (layout.apart - layout.size) / 2**20
    parts.append(
        _text(
            left,
            top + height + 16,
            f"{layout.size / 2**20:.2f} MiB, {saved:.2f} MiB saved by sharing; "
            f"steps 0 to {len(steps) - 1} from left to right",
        )
    )
    return parts


def _names(engine: Engine) -> dict[Buffer, str]:
    """Name each buffer by what is first computed there."""
    names = {view.buffer: "input" for view in engine.record.inputs}
    for step in engine.record.steps:
        for view in step.writes:
            layer = layers_of(step.node)
            prefix = "d " if step.backward else ""
            names.setdefault(view.buffer, f"{prefix}{layer or _name(step)}")
    return names


def _box(x: float, y: float, width: float, height: float, colour: str) -> str:
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="5" fill="{colour}" '
        f'stroke="{EDGE}" stroke-width="0.8"/>'
    )


def _text(
    x: float, y: float, text: str, *, size: int = 11, bold: bool = False, anchor: str = "start"
) -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"{weight}>'
        f"{escape(text)}</text>"
    )


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else f"...{text[3 - length :]}" if length > 4 else ""
