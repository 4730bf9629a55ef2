"""How near does each kernel come to what the machine can do? A roofline plot, as SVG and PNG.

``python -m benchmarks.roofline`` draws the results of the benchmarks under the ceilings that the
ladder has measured (Williams, Waterman and Patterson, "Roofline", Communications of the ACM 52,
2009). To the right: operations for each byte that must move, of every array once. Upwards:
operations a second. A kernel with few operations a byte cannot be faster than its bytes arrive,
hence the slanting roofs, one for each memory that its arrays may lie in; one with many cannot be
faster than the processor multiplies and adds, hence the flat one.

Needs Matplotlib: ``pip install -e '.[plot]'``.
"""

import argparse
import hashlib
import json
import re
from collections.abc import Iterable
from math import atan2, degrees, hypot
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.ceilings import Ceilings
from benchmarks.table import ROOT

RESULTS = ROOT / "benchmarks" / "results"
INK, NIGHT_INK = "#1f2328", "#e6edf3"  # of text and lines by day, and where screens are dark
# Okabe and Ito's colours, which all eyes tell apart; and shapes, for prints without colours
FAMILIES = {
    "convolution 3x3": ("#0072B2", "o"),
    "convolution, other windows": ("#CC79A7", "D"),
    "dense": ("#D55E00", "s"),
    "pooling, norms, losses, updates": ("#009E73", "^"),
}
ROOF = "#808080"  # seen on white and on black
LEAST_BYTES = 100_000  # what moves less, measures what a call costs
NOTE = "Operations are those of the direct method, so that Winograd's may pass the roof."


class Point(NamedTuple):
    """A kernel in the plot."""

    label: str
    family: str
    intensity: float  # operations a byte
    ours: float  # GFLOP/s
    theirs: float | None  # PyTorch's


def points(results: dict[str, Any], direction: str = "forward") -> list[Point]:
    """Return the points of one direction, forward, dx or dw; of what moves next to nothing none."""
    found = []
    for line in results["contests"]:
        named = _name(line["group"], line["name"], direction)
        if named is None or line.get("bytes", 0) < LEAST_BYTES:
            continue
        label, family = named
        torch = [ms for who, ms in line["ms"].items() if who.startswith("torch")]
        speed = line["flops"] / 1e6
        found.append(
            Point(
                label,
                family,
                line["flops"] / line["bytes"],
                speed / line["ms"]["cpu"],
                speed / min(torch) if torch else None,
            )
        )
    return found


def _name(group: str, name: str, direction: str) -> tuple[str, str] | None:
    """Return a short label and the family; None for what belongs to another plot."""
    conv = re.fullmatch(r"\d+ x (\d+)x\d+x(\d+) -> (\d+), (\d)x\d/(\d)(, depthwise)?", name)
    if conv and group == f"conv2d {direction}":
        H, C, O, k, stride, depthwise = conv.groups()
        label = f"{H}²·{C}" if depthwise else f"{H}²·{C} → {O}"
        label += f" {k}x{k}" * (k != "3") + " /2" * (stride != "1") + " depthwise" * bool(depthwise)
        plain = k == "3" and not depthwise
        return label, "convolution 3x3" if plain else "convolution, other windows"
    dense = re.fullmatch(r"(\d+) x (\d+) -> (\d+)", name)
    if dense and group == f"dense {direction}":
        return f"{dense[1]}·{dense[2]} → {dense[3]}", "dense"
    is_backward = re.search(r" dx| backward", name) is not None
    if group == "pooling, norms, losses, updates" and is_backward == (direction == "dx"):
        label = re.sub(r"( forward| backward|2d 2x2|2d dx)?, (128 x 32x32x64|(\d+ x )?)", " ", name)
        return label.replace("_", " ").replace(" step", "").strip(), group
    return None


def digest(drawn: Iterable[Point], roofs: Ceilings) -> str:
    """Name a picture by what it shows, so that it can be held against the results."""
    text = json.dumps([list(drawn), roofs.to_data()])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# ----------------------------------------------------------------------------
# Drawing
# ----------------------------------------------------------------------------


def draw(drawn: list[Point], roofs: Ceilings, title: str) -> Any:
    """Return the plot as a Matplotlib figure."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    style = {"svg.fonttype": "none", "svg.hashsalt": "roofline", "font.size": 9}
    plt.rcParams.update({**style, "text.color": INK, "axes.edgecolor": INK, "axes.labelcolor": INK,
                         "xtick.color": INK, "ytick.color": INK})  # fmt: skip
    figure, axes = plt.subplots(figsize=(10, 6.6), layout="constrained")
    axes.set(xscale="log", yscale="log")
    left, right = min(p.intensity for p in drawn) / 1.6, max(p.intensity for p in drawn) * 1.9
    speeds = [speed for p in drawn for speed in (p.ours, p.theirs) if speed]
    top = max(*speeds, roofs.peak()) * 1.6
    axes.set_xlim(left, right)
    axes.set_ylim(min(speeds) / 1.6, top)
    axes.set_xlabel("operations for each byte that must move")
    axes.set_ylabel("GFLOP/s")
    axes.set_title(f"{title}\n", loc="left", fontsize=11)
    axes.text(0, 1.02, NOTE, transform=axes.transAxes, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(which="major", color=ROOF, alpha=0.25, linewidth=0.6)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:g}")
    _draw_roofs(figure, axes, roofs)
    for family, (colour, shape) in FAMILIES.items():
        members = [p for p in drawn if p.family == family]
        for p in members:
            if p.theirs:
                axes.plot([p.intensity] * 2, [p.ours, p.theirs], color=colour, lw=0.8, zorder=3)
        rivals = [p for p in members if p.theirs]
        axes.plot(
            [p.intensity for p in rivals], [p.theirs for p in rivals], shape, ms=5.5, mew=1.1,
            markerfacecolor="none", color=colour, zorder=4,
        )  # fmt: skip
        axes.plot(
            [p.intensity for p in members], [p.ours for p in members], shape, ms=6.5, color=colour,
            label=family, zorder=5,
        )  # fmt: skip
    axes.plot([], [], "o", ms=5.5, markerfacecolor="none", color=INK, label="hollow: PyTorch")
    axes.legend(loc="lower right", frameon=False, labelcolor=INK)
    _write_labels(figure, axes, drawn)
    return figure


def _draw_roofs(figure: Any, axes: Any, roofs: Ceilings) -> None:
    (left, right), peak = axes.get_xlim(), roofs.peak()
    bottom = axes.get_ylim()[0]
    axes.plot([left, right], [peak, peak], color=ROOF, lw=2, zorder=1)
    axes.annotate(
        f"multiply-adds: {peak:,.0f} GFLOP/s", (left, peak), (6, 4),
        textcoords="offset points", color=ROOF,
    )  # fmt: skip
    figure.draw_without_rendering()  # only then is it known how steep the roofs are
    (x0, y0), (x1, y1) = axes.transData.transform([(1, 1), (10, 10)])
    for level in roofs.bandwidth:
        thick = 2 if level.level == "memory" else 1.2
        ends = [left, peak / level.best]
        axes.plot(ends, [end * level.best for end in ends], color=ROOF, lw=thick, zorder=1)
        at = max(left, bottom / level.best) * 1.12
        axes.annotate(
            f"{level.level}: {level.best:,.0f} GB/s", (at, at * level.best), (0, 3),
            textcoords="offset points", color=ROOF, rotation=degrees(atan2(y1 - y0, x1 - x0)),
            rotation_mode="anchor",
        )  # fmt: skip


def _write_labels(figure: Any, axes: Any, drawn: list[Point]) -> None:
    """Write each label near its point where it covers least; a thin line leads to one far off."""
    figure.draw_without_rendering()
    per_point = figure.dpi / 72  # pixels
    frame = axes.get_window_extent()
    taken = [_box(text, figure) for text in (*axes.texts, *axes.get_legend().get_texts())]
    places = {}
    for p in drawn:
        ends = [axes.transData.transform((p.intensity, s)) for s in (p.ours, p.theirs) if s]
        places[p] = ends[0]
        heights = [y for _, y in ends]
        taken.append((ends[0][0] - 2, min(heights), ends[0][0] + 2, max(heights)))
        taken += [(x - 6, y - 6, x + 6, y + 6) for x, y in ends]
    for p in sorted(drawn, key=lambda p: -p.ours):
        x, y = places[p]
        text = axes.annotate(
            p.label, (p.intensity, p.ours), (0, 0), textcoords="offset points", fontsize=8, zorder=6
        )
        x0, y0, x1, y1 = _box(text, figure)
        boxes = _beside((x, y), (x1 - x0, y1 - y0))
        best = min(boxes, key=lambda box: _cost(box, taken, frame, (x, y)))
        taken.append(best)
        text.set_position(((best[0] - x0) / per_point, (best[1] - y0) / per_point))
        dx, dy = _way(best, (x, y))
        if hypot(dx, dy) > FAR:
            axes.annotate(
                "", (p.intensity, p.ours), (dx / per_point, dy / per_point),
                textcoords="offset points", zorder=2,
                arrowprops={"arrowstyle": "-", "lw": 0.5, "color": INK, "shrinkA": 0, "shrinkB": 4},
            )  # fmt: skip


Box = tuple[float, float, float, float]  # left, bottom, right, top, in pixels
FAR = 16  # pixels


def _box(text: Any, figure: Any) -> Box:
    extent = text.get_window_extent(figure.canvas.get_renderer())
    return extent.x0, extent.y0, extent.x1, extent.y1


def _beside(point: tuple[float, float], size: tuple[float, float]) -> list[Box]:
    """List where a label of this size may stand: beside its point, above, below, near and far."""
    (x, y), (width, height) = point, size
    corners = []
    for gap in (9, 14, 20, 28, 38, 52, 70, 90):
        for rise in (0, 0.7, -0.7, 1.4, -1.4):
            up = y + rise * gap - height / 2
            corners += [(x + gap, up), (x - gap - width, up)]
        for left in (x - width / 2, x - width, x):
            corners += [(left, y + gap), (left, y - gap - height)]
    return [(left, bottom, left + width, bottom + height) for left, bottom in corners]


def _cost(box: Box, taken: list[Box], frame: Any, point: tuple[float, float]) -> float:
    """Count the pixels that a label would cover, and a little for its distance."""
    outside = box[0] < frame.x0 or box[2] > frame.x1 or box[1] < frame.y0 or box[3] > frame.y1
    covered = sum(
        max(0, min(box[2], other[2]) - max(box[0], other[0]))
        * max(0, min(box[3], other[3]) - max(box[1], other[1]))
        for other in taken
    )
    dx, dy = _way(box, point)
    crossed = hypot(dx, dy) > FAR and sum(  # by the line that leads to it
        _inside(other, (point[0] + t * dx, point[1] + t * dy)) and not _inside(other, point)
        for other in taken
        for t in (0.3, 0.5, 0.7, 0.9)
    )
    return 10 * covered + 1e6 * outside + 30 * crossed + hypot(dx, dy)


def _inside(box: Box, point: tuple[float, float]) -> bool:
    return box[0] < point[0] < box[2] and box[1] < point[1] < box[3]


def _way(box: Box, point: tuple[float, float]) -> tuple[float, float]:
    """Return the way from a point to the nearest of a box."""
    x = min(max(point[0], box[0]), box[2]) - point[0]
    y = min(max(point[1], box[1]), box[3]) - point[1]
    return x, y


# ----------------------------------------------------------------------------
# Files and the command
# ----------------------------------------------------------------------------


def save(figure: Any, target: Path, name: str) -> list[Path]:
    """Write the figure as SVG, which follows the reader's light or dark screen, and as PNG."""
    svg, png = target.with_suffix(".svg"), target.with_suffix(".png")
    figure.savefig(svg, transparent=True, metadata={"Date": None, "Description": name})
    rules = "".join(
        f'[style*="{what}: {INK}"] {{ {what}: {NIGHT_INK} !important }}\n'
        for what in ("fill", "stroke")
    )
    style = f"<style>@media (prefers-color-scheme: dark) {{\n{rules}}}</style>"
    text = svg.read_text()
    svg.write_text(text.replace(" <metadata>", f" {style}\n <metadata>", 1))
    figure.savefig(png, dpi=160, facecolor="white")
    return [svg, png]


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("results", type=Path, nargs="?", default=RESULTS / "zen5-2-cores.json",
                        help="of the benchmarks, as --results wrote it")  # fmt: skip
    parser.add_argument("--ceilings", type=Path, default=RESULTS / "ladder.json",
                        help="results of the ladder or of benchmarks.ceilings")  # fmt: skip
    parser.add_argument("--direction", choices=("forward", "dx", "dw"), default="forward")
    parser.add_argument("--out", type=Path, default=RESULTS / "roofline",
                        help="without .svg and .png")  # fmt: skip
    options = parser.parse_args()
    results = json.loads(options.results.read_text())
    roofs = Ceilings.from_data(json.loads(options.ceilings.read_text())["ceilings"])
    drawn = points(results, options.direction)
    machine = results["machine"]
    where = f"{machine['processor']}, {machine['threads']} threads"
    title = f"Roofline of the kernels, {options.direction}, float32: {where}"
    for path in save(draw(drawn, roofs, title), options.out, digest(drawn, roofs)):
        print(f"wrote {path}")


if __name__ == "__main__":
    main()
