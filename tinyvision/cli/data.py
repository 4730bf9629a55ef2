"""``tinyvision data``: what is in a data set or a folder?"""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .. import data
from ..data import SOURCES, Splits, Survey, contact_sheet, survey
from ..data.local import is_class_folder
from ..data.sets import find_source
from ..report.words import printable
from ..train import TerminalDisplay
from .common import JsonOption, RootOption, app, console, print_json, shown


@app.command("data")
def show_data(
    name: Annotated[
        str | None,
        typer.Argument(metavar="DATA", help="A set's name or a folder of class folders."),
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Where to draw the contact sheet; default DATA-sheet.png.")
    ] = None,
    no_sheet: Annotated[bool, typer.Option("--no-sheet", help="Draw no contact sheet.")] = False,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what is in DATA: counts, sizes, broken files, a contact sheet; alone, list the sets."""
    screen = console(as_json)
    if name is None:
        _list_sets(screen, as_json)
        return
    facts: dict[str, Any] = {"data": name}
    with TerminalDisplay(screen) as display:
        path = Path(name).expanduser()
        if find_source(name) is None and is_class_folder(path):
            found = survey(path, progress=display.reading)
            facts |= found.to_dict()
            _show_survey(display, found)
            if found.problems:
                if as_json:
                    print_json(facts)
                raise typer.Exit(1)
        splits = data.load(name, root=root, progress=display.reading)
    facts |= _facts(splits)
    _show_splits(screen, splits)
    if not no_sheet:
        target = sheet or Path(f"{Path(name).resolve().name}-sheet.png")
        contact_sheet(splits.train, target)  # the other parts stay unseen
        facts["sheet"] = str(target)
        screen.print(
            f"contact sheet: {shown(target)}", highlight=False, markup=False, soft_wrap=True
        )
    if as_json:
        print_json(facts)


def _list_sets(screen: Console, as_json: bool) -> None:
    if as_json:
        rows = [
            {
                "name": s.name,
                "description": s.description,
                "image_shape": list(s.image_shape),
                "classes": list(s.classes),
            }
            for s in SOURCES.values()
        ]
        print_json({"sets": rows})
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("set", "images", "classes", "what it is"):
        table.add_column(title)
    for s in SOURCES.values():
        shape = " x ".join(map(str, s.image_shape))
        table.add_row(s.name, shape, str(len(s.classes)), s.description)
    screen.print(table)


def _facts(splits: Splits) -> dict[str, Any]:
    parts = {"train": splits.train, "val": splits.val, "test": splits.test}
    return {
        "image_shape": list(splits.train.image_shape),
        "classes": list(splits.train.classes),
        "parts": {
            part: dict(zip(d.classes, d.counts().tolist(), strict=True))
            for part, d in parts.items()
        },
    }


def _show_splits(screen: Console, splits: Splits) -> None:
    """Show how many images of each class each part has."""
    parts = (splits.train, splits.val, splits.test)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("class")
    for title in ("train", "validation", "test", "together"):
        table.add_column(title, justify="right")
    columns = [d.counts().tolist() for d in parts]
    for label, *counts in zip(splits.train.classes, *columns, strict=True):
        table.add_row(Text(printable(label)), *(f"{n:,}" for n in (*counts, sum(counts))))
    totals = [len(d) for d in parts]
    table.add_section()
    table.add_row("all", *(f"{n:,}" for n in (*totals, sum(totals))), style="bold")
    H, W, C = splits.train.image_shape
    screen.print(table)
    screen.print(f"as the network sees them: {H} x {W} x {C}", highlight=False)


def _show_survey(display: TerminalDisplay, found: Survey) -> None:
    """Show sizes, modes and broken files of a folder."""
    say = display.say
    say(f"{found.root}: {found.total:,} images, {len(found.broken)} broken")
    if found.heights and found.widths:
        (low, mid, high), (narrow, usual, wide) = found.heights, found.widths
        say(f"sizes: {low} x {narrow} to {high} x {wide} pixels, usually {mid} x {usual}")
        say("formats: " + _counted(found.formats) + "; modes: " + _counted(found.modes))
    for file in found.broken:
        say(f"  broken {file.path}: {file.reason}")
    for problem in found.problems:
        say(f"  problem: {problem}")


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())
