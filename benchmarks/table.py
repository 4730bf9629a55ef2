"""Results as a table: in the terminal after a run, and as Markdown in the README.

``python -m benchmarks.table README.md benchmarks/README.md`` writes the tables of these pages anew.
"""

import json
import re
import sys
from math import exp, log
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent

COLUMNS = (
    "work", "cpu ms", "spread", "GFLOP/s", "torch ms", "torch / cpu", "reference / cpu",
)  # fmt: skip


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
                f"{line['vs reference']:.1f}" if line["vs reference"] else "",
            )
        )
        if torch:
            ratios.setdefault(line["group"], []).append(line["vs torch"])
    for group, values in ratios.items():
        mean = exp(sum(log(v) for v in values) / len(values))
        groups[group].append(("geometric mean", "", "", "", "", f"{mean:.2f}", ""))
    return groups


def caption(results: dict[str, Any]) -> str:
    """Say on what the figures were measured."""
    m = results["machine"]
    versions = ", ".join(f"{p} {m[p]}" for p in ("numpy", "numba", "torch") if p in m)
    return (
        f"{m['processor']} ({m['vectors']}), {m['threads']} threads, {m['system']}, "
        f"Python {m['python']}, {versions}; float32, medians of interleaved rounds; spread: "
        "between the quartiles"
    )


def print_table(results: dict[str, Any]) -> None:
    """Print the results to the terminal; a ratio above 1 means that we are faster."""
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 110)
    for group, lines in rows(results).items():
        table = Table(title=group, box=None, title_justify="left", header_style="bold")
        for i, column in enumerate(COLUMNS):
            table.add_column(column, justify="left" if i == 0 else "right", no_wrap=True)
        for line in lines:
            table.add_row(*line)
        console.print()
        console.print(table)
    console.print(f"\n{caption(results)}", highlight=False)


def markdown(results: dict[str, Any], groups: list[str] | None = None) -> str:
    """Return the results as Markdown tables, of some groups or of all."""
    parts = []
    for group, lines in rows(results).items():
        if groups and group not in groups:
            continue
        parts += [f"**{group}**", "", "| " + " | ".join(COLUMNS) + " |"]
        parts.append("|---|" + "---:|" * (len(COLUMNS) - 1))
        parts += ["| " + " | ".join(line) + " |" for line in lines] + [""]
    return "\n".join([*parts, f"<sub>{caption(results)}</sub>"])


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
