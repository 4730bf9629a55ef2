"""Figures of whole networks as tables: a line for each contestant, a column for each network.

Ratios are a rival's time over ours, ours being the plan where it was measured: below 1, in bold
type, we lose.
"""

from math import exp, floor, log, log10
from typing import Any

from benchmarks.table import Table

from .nets import NETS

Rows = dict[str, dict[str, Any]]  # figures by contestant
METHOD = (
    "a process of its own for each contestant, medians of interleaved rounds; ratios: a rival's "
    "time over ours, in bold type where we lose; spread: between the rounds' quartiles, the "
    "network's where it is largest; blocks kept: glibc told to keep freed memory"
)
BEST = {  # the lines of ratios below a table: whose best time
    "best of PyTorch / ours": "PyTorch",
    "ONNX Runtime / ours": "ONNX Runtime",
    "best of all / ours": "",
}


def tables(results: dict[str, Any]) -> list[Table]:
    """Return the tables of the results: for each kind of work, the footprint, and a summary."""
    groups = results["networks"]
    made = []
    for group, nets in groups.items():
        if group in ("memory", "start"):
            continue
        for bf16, title in ((False, group), (True, f"{group} in bfloat16")):
            found = {name: _only(nets[name]["contestants"], bf16) for name in NETS if name in nets}
            if kept := {name: rows for name, rows in found.items() if rows}:
                made.append(_contest(title, kept))
    if "memory" in groups or "start" in groups:
        made.append(_footprint(groups))
    return [*made, _summary(groups)] if "training" in groups else made


def _only(rows: Rows, bf16: bool) -> Rows:
    return {who: row for who, row in rows.items() if row["bf16"] == bf16}


def _ours(rows: Rows) -> str | None:
    """Name the contestant that ratios are about: the first of ours."""
    return next((who for who in rows if who.startswith("tinyvision")), None)


def ratio(rows: Rows, rivals: str) -> float | None:
    """Return the best time of the rivals whose names begin so over ours."""
    ours = _ours(rows)
    times = [
        row["ms"]
        for who, row in rows.items()
        if who.startswith(rivals) and not who.startswith("tinyvision")
    ]
    return min(times) / rows[ours]["ms"] if ours and times else None


def _contest(title: str, nets: dict[str, Rows]) -> Table:
    """Return the milliseconds of every contestant, and below them the ratios that count."""
    single = title == "inference of 1"
    everybody = dict.fromkeys(who for rows in nets.values() for who in rows)
    lines = []
    for who in everybody:
        ratios = [
            rows[who]["ms"] / rows[ours]["ms"]
            for rows in nets.values()
            if who in rows and (ours := _ours(rows)) and who != ours
        ]
        cells = [_ms(rows.get(who), latency=single) for rows in nets.values()]
        spread = max(rows[who]["spread"] for rows in nets.values() if who in rows)
        lines.append((who, *cells, _shown(_mean(ratios)), f"{spread:.0%}"))
    for label, rivals in BEST.items():
        each = [ratio(rows, rivals) for rows in nets.values()]
        if any(each):
            mean = _mean([value for value in each if value])
            lines.append((label, *map(_shown, each), _shown(mean), ""))
    unit = "ms (99th percentile)" if single else "ms"
    return Table(title, (unit, *nets, "mean ratio", "spread"), lines)


def _footprint(groups: dict[str, Any]) -> Table:
    """Return the memory of a training, and the time to its first step."""
    columns: list[str] = []
    cells: list[dict[str, tuple[str, ...]]] = []
    for name, line in groups.get("memory", {}).items():
        rows = line["contestants"]
        columns += [f"peak of {name}, MB", "beyond imports, MB"]
        cells.append({
            who: (f"{row['peak'] / 1e6:.0f}", f"{(row['peak'] - row['imported']) / 1e6:.0f}")
            for who, row in rows.items()
        })  # fmt: skip
    for name, line in groups.get("start", {}).items():
        columns.append(f"first step of {name}, s")
        cells.append({who: (f"{row['seconds']:.2f}",) for who, row in line["contestants"].items()})
    lines = []
    for who in dict.fromkeys(who for rows in cells for who in rows):
        blanks = [("",) * len(next(iter(rows.values()))) for rows in cells]
        own = [rows.get(who, blank) for rows, blank in zip(cells, blanks, strict=True)]
        lines.append((who, *(cell for part in own for cell in part)))
    return Table("memory and start", ("training", *columns), lines)


def _summary(groups: dict[str, Any]) -> Table:
    """Return a line for each network: our time in each kind of work, and the ratios that count."""
    columns: list[tuple[str, str | None]] = []  # of a group: whose best over ours, or our time
    for group in groups:
        if group == "training":
            columns += [(group, None), (group, "PyTorch"), (group, "")]
        elif group.startswith("inference"):
            columns += [(group, None), (group, "ONNX")]
    lines = []
    ratios: list[list[float]] = [[] for _ in columns]
    for name in NETS:
        cells = []
        for (group, rivals), column in zip(columns, ratios, strict=True):
            line = groups[group].get(name, {"contestants": {}})
            rows = _only(line["contestants"], bf16=False)
            if rivals is None:
                cells.append(_ms(rows.get(_ours(rows) or "")))
                continue
            value = ratio(rows, rivals)
            cells.append(_shown(value))
            column += [] if value is None else [value]
        lines.append((name, *cells))
    names = [
        f"{group.removeprefix('inference ')} ms" if who is None else f"{who or 'best'} / ours"
        for group, who in columns
    ]
    means = [_shown(_mean(column)) for column in ratios]
    return Table("summary", ("network", *names), [*lines, ("geometric mean", *means)])


def _mean(values: list[float]) -> float | None:
    return exp(sum(map(log, values)) / len(values)) if values else None


def _shown(value: float | None) -> str:
    """Return a ratio, in bold type where we lose."""
    if value is None:
        return ""
    return f"**{value:.2f}**" if value < 1 else f"{value:.2f}"


def _ms(row: dict[str, Any] | None, latency: bool = False) -> str:
    """Return milliseconds in three digits that count; the latency of the slow ones in brackets."""
    if row is None:
        return ""
    shown = _digits(row["ms"])
    return f"{shown} ({_digits(row['p99 ms'])})" if latency else shown


def _digits(ms: float) -> str:
    """Return three digits that count, and no exponent."""
    return f"{ms:,.{max(0, 2 - floor(log10(ms)))}f}"
