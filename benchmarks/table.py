"""Results as tables: in the terminal after a run, and as Markdown in the READMEs.

``python -m benchmarks.table README.md benchmarks/README.md kernels/README.md`` writes the tables of
these pages anew. What a results file holds shows which table it becomes: ``contests`` (of the
benchmarks), ``networks``, ``rungs`` (of the ladder), ``starts`` (of the first step) or
``processors``.
"""

import json
import re
import sys
from math import exp, log
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parent.parent


class Table(NamedTuple):
    """One table: the first column is words, the others are numbers."""

    title: str
    columns: tuple[str, ...]
    lines: list[tuple[str, ...]]


def tables(results: dict[str, Any]) -> list[Table]:
    """Return the tables of a results file."""
    if "networks" in results:
        from benchmarks.networks import report

        return report.tables(results)
    if "rungs" in results:
        return [_ladder(results)]
    if "starts" in results:
        return [_starts(results)]
    if "processors" in results:
        return [_processors(results)]
    last = {
        line["group"]: f"{rival} / cpu"
        for line in results["contests"]
        for rival in RIVALS
        if f"vs {rival}" in line
    }
    return [
        Table(group, (*COLUMNS[:-1], last.get(group, COLUMNS[-1])), lines)
        for group, lines in rows(results).items()
    ]


# ----------------------------------------------------------------------------
# Contests
# ----------------------------------------------------------------------------

COLUMNS = (
    "work", "cpu ms", "spread", "GFLOP/s", "torch ms", "torch / cpu", "reference / cpu",
)  # fmt: skip


RIVALS = ("float32", "opencv")  # of work in bfloat16, of decoding: in the place of the reference


def _last(line: dict[str, Any]) -> str:
    for rival in RIVALS:
        if f"vs {rival}" in line:
            return f"{line[f'vs {rival}']:.2f}"
    return f"{line['vs reference']:.1f}" if line["vs reference"] else ""


def rows(results: dict[str, Any]) -> dict[str, list[tuple[str, ...]]]:
    """Return the lines of the table by group, with the geometric mean of each group's ratios."""
    groups: dict[str, list[tuple[str, ...]]] = {}
    ratios: dict[str, list[float]] = {}
    for line in results["contests"]:
        ms = line["ms"]
        peers = [(t, who) for who, t in ms.items() if who.startswith("torch")]
        torch = min(peers, default=None)
        groups.setdefault(line["group"], []).append(
            (
                line["name"],
                f"{ms['cpu']:.3f}",
                f"{line['spread']['cpu']:.0%}",
                f"{line['gflops']:.0f}" if line["gflops"] else "",
                f"{torch[0]:.3f}" if torch else "",
                f"{line['vs torch']:.2f}" if torch else "",
                _last(line),
            )
        )
        if torch:
            ratios.setdefault(line["group"], []).append(line["vs torch"])
    for group, values in ratios.items():
        mean = exp(sum(log(v) for v in values) / len(values))
        groups[group].append(("geometric mean", "", "", "", "", f"{mean:.2f}", ""))
    return groups


# ----------------------------------------------------------------------------
# The ladder, the first step, and other processors
# ----------------------------------------------------------------------------


def _ladder(results: dict[str, Any]) -> Table:
    """Return a line for each rung, the referee last."""
    peaks = results["ceilings"]["gflops"]["float32"]
    lines = [
        (
            f"{number} {row['rung']}" if number else row["rung"],
            row["work"],
            str(row["threads"]),
            _digits(row["ms"]),
            _digits(row["gflops"]),
            f"{_digits(100 * row['gflops'] / peaks[row['threads'] - 1])} %",
            f"{row['error']:.0e}",
        )
        for number, row in _numbered(results["rungs"])
    ]
    columns = ("rung", "3x3 convolution", "threads", "ms", "GFLOP/s", "of peak", "error")
    return Table("the ladder of a convolution", columns, lines)


def _numbered(rungs: list[dict[str, Any]]) -> list[tuple[int, dict[str, Any]]]:
    """Number the rungs from 1; of the referee's rows keep the faster one, numbered 0."""
    ours = [row for row in rungs if not row["rung"].startswith("PyTorch ")]
    theirs = [{**row, "rung": "PyTorch"} for row in rungs if row not in ours]
    referee = [(0, row) for row in sorted(theirs, key=lambda row: float(row["ms"]))[:1]]
    return [*enumerate(ours, 1), *referee]


def ideas(results: dict[str, Any]) -> str:
    """Return what stands below the ladder's table: each rung's idea, and where its code is."""
    from benchmarks.ladder import RUNGS

    rungs = {rung.name: rung for rung in RUNGS}
    parts = []
    for number, row in _numbered(results["rungs"]):
        if number:
            rung = rungs[row["rung"]]
            place = rung.place.rpartition("/")[2]
            parts.append(f"{number}. **{rung.name}** ([{place}]({rung.place})). {rung.idea}")
    return "\n".join(parts)


def _starts(results: dict[str, Any]) -> Table:
    """Return a line for each way to start."""
    lines = [
        (row["start"], f"{row['seconds']:.2f}", f"{row['least']:.2f} to {row['most']:.2f}")
        for row in results["starts"]
    ]
    return Table(results["work"], (results["work"], "seconds", "least to most"), lines)


def _processors(results: dict[str, Any]) -> Table:
    """Return a line for each piece of work, a column for each kind of processor."""
    targets = results["processors"]
    lines = [
        (work, *(f"{speeds[work]:.0f}" for speeds in targets.values()))
        for work in next(iter(targets.values()))
    ]
    return Table("the kernels for other processors", ("GFLOP/s", *targets), lines)


def _digits(number: float) -> str:
    """Return two or three digits that count, and no exponent."""
    if number < 1:
        return f"{number:.2g}"
    return f"{number:,.{2 - min(2, len(str(int(number))) - 1)}f}"


# ----------------------------------------------------------------------------
# On the screen and in a page
# ----------------------------------------------------------------------------


def caption(results: dict[str, Any]) -> str:
    """Say on what the figures were measured, and how."""
    m = results["machine"]
    rivals = ("jax", "onnxruntime", "opencv-python-headless") if "networks" in results else ()
    packages = ("numpy", "numba", "torch", *rivals)
    versions = ", ".join(f"{p.partition('-')[0]} {m[p]}" for p in packages if p in m)
    return (
        f"{m['processor']} ({m['vectors']}), {m['threads']} threads, {m['system']}, "
        f"Python {m['python']}, {versions}; {_method(results)}"
    )


def _method(results: dict[str, Any]) -> str:
    if "networks" in results:
        from benchmarks.networks import report

        return report.METHOD
    if "starts" in results:
        return "fresh processes, medians"
    if "processors" in results:
        return f"{results['work']}; float32, medians"
    timed = "float32, medians of interleaved rounds"
    if "rungs" in results:
        peaks = results["ceilings"]["gflops"]["float32"]
        each = ", ".join(f"{peak:.0f}" for peak in peaks)
        threads = " and ".join(str(count) for count in range(1, len(peaks) + 1))
        return (
            f"{timed}; peak: {each} GFLOP/s measured on {threads} threads; error: the largest, "
            "against float64, of the largest output"
        )
    return f"{timed}; spread: between the quartiles"


def print_table(results: dict[str, Any]) -> None:
    """Print the results to the terminal; a ratio above 1 means that we are faster."""
    from rich import table as rich_table
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 110)
    for title, columns, lines in tables(results):
        shown = rich_table.Table(title=title, box=None, title_justify="left", header_style="bold")
        for i, column in enumerate(columns):
            shown.add_column(column, justify="left" if i == 0 else "right", no_wrap=True)
        for line in lines:
            shown.add_row(*line)
        console.print()
        console.print(shown)
    console.print(f"\n{caption(results)}", highlight=False)


def markdown(results: dict[str, Any], groups: list[str] | None = None) -> str:
    """Return the results as Markdown tables, of some groups or of all."""
    parts = []
    for title, columns, lines in tables(results):
        if groups and title not in groups:
            continue
        if "contests" in results or "networks" in results:
            parts += [f"**{title}**", ""]
        parts.append("| " + " | ".join(columns) + " |")
        parts.append("|---|" + "---:|" * (len(columns) - 1))
        parts += ["| " + " | ".join(line) + " |" for line in lines] + [""]
    parts.append(f"<sub>{caption(results)}</sub>")
    return "\n".join([*parts, "", ideas(results)] if "rungs" in results else parts)


MARKED = re.compile(r"(<!-- table (\S+)(?:: (.+?))? -->\n).*?(<!-- end of table -->)", re.DOTALL)


def refresh(page: str) -> str:
    """Write the tables of a page anew, each between its marks.

    ``<!-- table benchmarks/results/NAME.json: group, group -->`` opens one; without groups it shows
    all of them. ``<!-- end of table -->`` closes it.
    """

    def table(match: re.Match[str]) -> str:
        opening, path, groups, closing = match.groups()
        results = json.loads((ROOT / path).read_text())
        return opening + markdown(results, groups.split(", ") if groups else None) + "\n" + closing

    return MARKED.sub(table, page)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        Path(name).write_text(refresh(Path(name).read_text()))
