"""What ``tinyvision data`` says of images: what is there, what is wrong, what was moved."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ..data import Cleaned, Survey
from ..data.survey import CHECKS
from ..report.words import printable
from .common import counted, quoted, shown

LISTED = 10  # findings of a check that the screen tells of; --html and --json tell of all


def show_survey(screen: Console, found: Survey) -> None:
    """Show sizes, modes and formats, and what would stop a training."""
    counts = {check: len(found.of(check)) for check in ("broken", "unreadable", "stray")}
    told = [f"{n:,} {check}" for check, n in counts.items() if n or check == "broken"]
    say(screen, f"{found.root}: {found.total:,} images, {', '.join(told)}")
    if found.heights and found.widths:
        (low, mid, high), (narrow, usual, wide) = found.heights, found.widths
        say(screen, f"sizes: {low} x {narrow} to {high} x {wide} pixels, usually {mid} x {usual}")
        say(screen, "formats: " + _counted(found.formats) + "; modes: " + _counted(found.modes))
    show_findings(screen, found)
    for problem in found.problems:
        say(screen, f"  problem: {problem}")


def show_findings(screen: Console, found: Survey) -> None:
    """Show how much each check has found, and the first of it."""
    if not found.findings:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("found")
    table.add_column("reject", justify="right", style="red")
    table.add_column("warn", justify="right", style="yellow")
    table.add_column("what it means", style="dim")
    for check, meaning in CHECKS.items():
        of = found.of(check)
        if of:
            rejects = sum(finding.severity == "reject" for finding in of)
            table.add_row(check, _number(rejects), _number(len(of) - rejects), meaning)
    screen.print()
    screen.print(table)
    for what, chosen in (
        ("across parts, so that what is tested on is learnt (leakage)", "leak"),
        ("with different labels, of which one is wrong", "conflict"),
    ):
        same, alike = (
            sum(getattr(finding, chosen) for finding in found.of(check))
            for check in ("duplicate", "near duplicate")
        )
        if same or alike:
            say(screen, f"{what}: {same:,} for certain, {alike:,} by their looks")
    screen.print()
    for check in CHECKS:
        of = found.of(check)
        for finding in of[:LISTED]:
            say(screen, f"  {check} {finding.place.path}: {finding.reason}")
        if len(of) > LISTED:
            say(screen, f"  ... and {len(of) - LISTED:,} more {check}")
    screen.print()


def show_advice(screen: Console, found: Survey, *, page: bool) -> None:
    """Say what to type next."""
    folder = quoted(found.root)
    lines = []
    if found.findings and not page:
        lines.append(f"to see them in a browser: tinyvision data {folder} --html FILE.html")
    if found.rejects and found.kind == "folder":
        rejects = counted(len(found.rejects), "reject")
        lines.append(f"to move {rejects} aside: tinyvision data {folder} --fix")
    for line in lines:
        say(screen, line)


def show_cleaned(
    screen: Console, cleaned: Cleaned, root: Path, to: Path | None, *, dry_run: bool
) -> None:
    """Say what was moved aside, or would be, and how it comes back."""
    for move in cleaned.moved if dry_run else ():
        target = shown(cleaned.folder / move.target)
        say(screen, f"  {shown(root / move.source)} -> {target}")
    _left(screen, cleaned)
    images, folder = counted(len(cleaned.moved), "image"), shown(cleaned.folder)
    if dry_run:
        say(screen, f"{images} would be moved to {folder}; nothing was")
    elif cleaned.moved:
        say(screen, f"{images} moved to {folder}; back with: {_undo(root, to)}")
    else:
        say(screen, "nothing was moved")


def show_restored(screen: Console, restored: Cleaned, root: Path) -> None:
    """Say what came back."""
    _left(screen, restored)
    say(screen, f"{counted(len(restored.moved), 'image')} moved back to {shown(root)}")
    if restored.folder.exists():
        holds = "some images are still in it" if restored.left else "it holds other files"
        say(screen, f"{shown(restored.folder)} stays: {holds}")


def clean_facts(cleaned: Cleaned, root: Path) -> dict[str, Any]:
    """Return what was moved, as JSON knows it."""
    return {
        "folder": str(cleaned.folder),
        "moved": [
            {
                "from": str(root / move.source),
                "to": str(cleaned.folder / move.target),
                "check": move.check,
                "reason": move.reason,
                "sha256": move.sha256,
            }
            for move in cleaned.moved
        ],
        "left": [{"path": left.path, "reason": left.reason} for left in cleaned.left],
    }


def _undo(root: Path, to: Path | None) -> str:
    where = "" if to is None else f" --rejected {shown(to)}"
    return f"tinyvision data {shown(root)} --undo{where}"


def _left(screen: Console, cleaned: Cleaned) -> None:
    for left in cleaned.left:
        say(screen, f"  left {left.path}: {left.reason}")


def say(screen: Console, line: str) -> None:
    """Print one line as it is; what would move the cursor or colour the text shows as "?"."""
    screen.print(printable(line), highlight=False, markup=False, soft_wrap=True)


def _number(count: int) -> str:
    return f"{count:,}" if count else ""


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())
