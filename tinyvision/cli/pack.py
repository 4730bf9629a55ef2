"""``tinyvision pack``: from a folder or list of images to shards."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ..data import Shrink, pack, verify_shards
from ..data.shards import find_shards
from ..errors import DataError
from ..train import TerminalDisplay
from .common import JsonOption, app, console, counted, print_json, shown


@app.command("pack")
def pack_images(
    source: Annotated[
        Path, typer.Argument(help="A folder of class folders, or a .csv, .tsv or .jsonl list.")
    ],
    folder: Annotated[
        Path | None, typer.Argument(help="Where the shards go; made here.", show_default=False)
    ] = None,
    shard_mb: Annotated[int, typer.Option(min=1, help="MB of a shard, about.")] = 256,
    shorter_side: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Bring larger images down to this many pixels; by default all are kept as they "
            "are, byte for byte.",
        ),
    ] = None,
    quality: Annotated[
        int, typer.Option(min=1, max=95, help="JPEG quality of images brought down.")
    ] = Shrink.quality,
    in_order: Annotated[
        bool, typer.Option("--in-order", help="Keep the order; by default it is shuffled.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of that order.")] = 0,
    no_check: Annotated[
        bool, typer.Option("--no-check", help="Do not decode the images to find broken ones.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare the shards in SOURCE with their checksums.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Pack the images of SOURCE into shards in FOLDER: plain tar files, as WebDataset reads them.

    Millions of small files become a few large ones, which are read from front to back.
    """
    screen = console(as_json)
    if verify:
        parts = find_shards(source)
        if not parts:
            raise DataError(f"{source} holds no shards.")
        indices = {part: verify_shards(at) for part, at in parts.items()}
    elif folder is None:
        raise typer.BadParameter("name the FOLDER for the shards")
    else:
        shrink = Shrink(shorter_side, quality) if shorter_side is not None else None
        with TerminalDisplay(screen) as display:
            indices = pack(
                source.expanduser(),
                folder.expanduser(),
                shard_bytes=shard_mb << 20,
                shrink=shrink,
                shuffle=not in_order,
                seed=seed,
                check=not no_check,
                progress=display.reading,
            )
    for part, index in indices.items():
        for file in index.skipped:
            screen.print(f"left out {file}", highlight=False, markup=False, soft_wrap=True)
        images = counted(index.count, "image")
        where = shown(source if folder is None else folder)
        screen.print(
            f"{where}{'' if part == 'all' else f'/{part}'}: {images} of "
            f"{counted(len(index.classes), 'class')} in {counted(len(index.shards), 'shard')}, "
            f"{index.bytes / 1e6:,.1f} MB{', as they were packed' if verify else ''}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
    if as_json:
        print_json({"parts": {part: asdict(index) for part, index in indices.items()}})
