"""``tinyvision data``: what is in a data set or a folder?"""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from .. import data, inference, modelfile
from ..data import SOURCES
from ..data.local import is_class_folder
from ..data.sets import find_source
from ..files import write_atomically
from ..train import TerminalDisplay
from .common import (
    AugmentOption,
    BackendOption,
    JsonOption,
    RootOption,
    app,
    choose_backend,
    console,
    json_text,
    print_json,
)
from .findings import show_advice
from .folder import bring_back, look_through, move_aside, show_outline, write_html
from .splits import draw_sheet, show_splits


@app.command("data")
def show_data(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="DATA",
            help="A set's name, a folder of class folders or of shards, a list, or arrays.",
        ),
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Where to draw the contact sheet; default DATA-sheet.png.")
    ] = None,
    no_sheet: Annotated[bool, typer.Option("--no-sheet", help="Draw no contact sheet.")] = False,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a page of classes and findings."),
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option("--json-file", metavar="FILE", help="Write what --json prints to a file."),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(metavar="MODEL", help="A model file that doubts labels: best.safetensors."),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            min=1, help="Pixels along each side to train at; what has less than half is tiny."
        ),
    ] = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Move a folder's rejects aside; nothing is deleted.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --fix: only say what would be moved.")
    ] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Move the rejects back.")] = False,
    rejected: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for the rejects; default DATA.rejected."),
    ] = None,
    augment: AugmentOption = None,
    backend: BackendOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what is in DATA: counts, sizes, a contact sheet; alone, list the sets.

    Of what lies on this machine (a folder, a list, shards, arrays) also what is broken, blank,
    there twice, tiny, odd, or doubted by a model; of a folder --fix moves the worst to a folder
    beside, and --undo back. With --augment the contact sheet
    shows what a training would make of an image of each class.
    """
    screen = console(as_json)
    path = Path(name).expanduser() if name is not None else None
    is_here = path is not None and find_source(str(name)) is None
    looking = {"--html": html, "--json-file": json_file, "--model": model, "--size": size}
    moving = {"--fix": fix, "--undo": undo, "--rejected": rejected}
    for option, value in {**looking, **moving}.items():
        if value and not is_here:
            raise typer.BadParameter(
                f"{option} is for images on this machine: a folder"
                + ("." if option in moving else ", a list, shards or arrays.")
            )
        if value and option in moving and path is not None and not is_class_folder(path):
            raise typer.BadParameter(
                f"{option} is for a folder of class folders; of a list take out the lines of the "
                "rejects, which --json-file names, and shards or arrays make anew without them."
            )
    if augment is not None and (name is None or no_sheet or fix or undo):
        raise typer.BadParameter(
            "--augment draws on the contact sheet of DATA: not beside --no-sheet, --fix, --undo."
        )
    changing = None if augment is None else data.Augment.parse(augment)
    if dry_run and not fix:
        raise typer.BadParameter("--dry-run goes with --fix.")
    if fix and undo:
        raise typer.BadParameter("--fix moves images aside and --undo back; give one of them.")
    if name is None or path is None:
        _list_sets(screen, as_json)
        return
    facts: dict[str, Any] = {"data": name}
    target = None if no_sheet else sheet or Path(f"{path.resolve().name}-sheet.png")
    problems = False
    if not is_here:
        with TerminalDisplay(screen) as display:
            splits = data.load(name, root=root, progress=display.reading)
        facts |= show_splits(screen, splits, splits.image_shape)
        if target is not None:
            # the other parts stay unseen
            facts |= draw_sheet(screen, splits.train, target, augment=changing)
    elif undo:
        facts |= bring_back(screen, path, rejected)
    else:
        if fix:
            data.rejected_folder(path, rejected)  # refused before hours of reading, not after
        judge = None
        if model is not None:
            choose_backend(backend)
            judge = inference.judge(modelfile.load(model))
        found = look_through(screen, path, size, judge)
        facts |= found.to_dict()
        if html is not None:
            facts |= write_html(screen, found, html)
        if fix:
            facts |= move_aside(screen, found, rejected, dry_run=dry_run)
        elif not found.problems:
            facts |= show_outline(screen, found, target, changing)
        if json_file is not None:
            write_atomically(json_file, json_text(facts, indent=1).encode() + b"\n")
        if not fix:
            show_advice(screen, found, page=html is not None)
        problems = bool(found.problems)
    if as_json:
        print_json(facts)
    if problems:
        raise typer.Exit(1)


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
