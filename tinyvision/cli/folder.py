"""What ``tinyvision data`` does with a folder of images, a list, shards or arrays, step by step.

Every step shows what it finds and returns the same as JSON knows it.
"""

from pathlib import Path
from typing import Any

from rich.console import Console

from .. import data
from ..data import Augment, Judge, Survey
from ..data.local import FOLDER_SIZE
from ..data.survey.outline import some_of_each, split_outline
from ..train import TerminalDisplay
from .common import Stopped, shown
from .findings import clean_facts, say, show_cleaned, show_restored, show_survey
from .splits import draw_sheet, show_splits

SHEET_ROW = 8  # images of a class on the contact sheet


def look_through(screen: Console, path: Path, size: int | None, judge: Judge | None) -> Survey:
    """Look through all files and show what is there and what is wrong."""
    with TerminalDisplay(screen) as display:
        wanted = (size, size) if size else None
        found = data.survey(path, display.reading, size=wanted, judge=judge)
    show_survey(screen, found)
    return found


def write_html(screen: Console, found: Survey, target: Path) -> dict[str, Any]:
    """Write the page of a survey."""
    with TerminalDisplay(screen) as display:
        data.write_page(found, target, display.reading)
    say(screen, f"page: {shown(target)}")
    return {"html": str(target)}


def show_outline(
    screen: Console, found: Survey, sheet: Path | None, augment: Augment | None = None
) -> dict[str, Any]:
    """Show the parts as a training would split them, and draw some images of the training part."""
    splits = split_outline(found, Path(found.root).resolve().name)
    size, channels = FOLDER_SIZE, 3
    if found.kind == "arrays":  # they are trained on as they are
        size, channels = found.images[0].size, 1 if found.modes.keys() == {"L"} else 3
    facts = show_splits(screen, splits, (*size, channels))
    if sheet is not None:
        some = some_of_each(found, splits.train, SHEET_ROW, size)
        facts |= draw_sheet(screen, some, sheet, splits.train.counts(), augment)
    return facts


def move_aside(
    screen: Console, found: Survey, folder: Path | None, *, dry_run: bool
) -> dict[str, Any]:
    """Move the rejects aside, or show what would be moved."""
    root = Path(found.root)
    try:
        with TerminalDisplay(screen) as display:
            cleaned = data.clean(found, folder, dry_run=dry_run, progress=display.reading)
    except KeyboardInterrupt:
        raise Stopped(
            "stopped; what was moved is written down, and the same command does the rest"
        ) from None
    show_cleaned(screen, cleaned, root, folder, dry_run=dry_run)
    return {"clean": clean_facts(cleaned, root) | {"dry_run": dry_run}}


def bring_back(screen: Console, root: Path, folder: Path | None) -> dict[str, Any]:
    """Move the rejects back."""
    try:
        with TerminalDisplay(screen) as display:
            restored = data.restore(root, folder, progress=display.reading)
    except KeyboardInterrupt:
        raise Stopped("stopped; the same command moves the others back") from None
    show_restored(screen, restored, root)
    return {"restored": clean_facts(restored, root)}
