"""``tinyvision cache``: which decoded images are kept on disk?"""

from typing import Annotated

import typer

from ..data import cache_dir, clear_decoded, kept_decoded
from ..report.words import printable
from .common import JsonOption, app, console, counted, print_json


@app.command("cache")
def show_cache(
    clear: Annotated[
        bool, typer.Option("--clear", help="Remove them all; nothing is lost but time.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show which sets' decoded images are kept (by --cache), and how large they are."""
    screen, folder = console(as_json), cache_dir() / "decoded"
    kept = kept_decoded()
    if as_json:
        sets = [
            {"path": str(k.path), "source": k.source, "images": k.count, "bytes": k.bytes}
            for k in kept
        ]
        freed = {"freed": clear_decoded()} if clear else {}
        print_json({"folder": str(folder), "sets": sets, **freed})
        return
    for k in kept:
        line = f"{k.bytes / 1e6:>10,.1f} MB  {counted(k.count, 'image')}  {printable(k.source)}"
        screen.print(line, highlight=False, markup=False, soft_wrap=True)
    told = f"{counted(len(kept), 'decoded set')} in {folder}"
    if clear:
        told += f": cleared, {clear_decoded() / 1e6:,.1f} MB free again"
    screen.print(told, highlight=False, markup=False, soft_wrap=True)
