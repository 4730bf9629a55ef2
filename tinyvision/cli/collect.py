"""``tinyvision collect``: from a list of addresses, a folder or an archive to a data set."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .. import data
from ..data.collect import Collected, Record
from ..data.collect.manifest import NAME
from ..report.words import printable
from .common import JsonOption, Stopped, app, console, counted, print_json, shown

LISTED = 10  # images that went wrong, of which the screen tells; the manifest tells of all


@app.command("collect")
def collect(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A list of addresses (.txt, .csv, .jsonl; the second column is the class), a "
            "folder, or a zip or tar archive.",
        ),
    ],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the images go.")],
    label: Annotated[
        str | None, typer.Option(help="The class of what has none of its own.")
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="The licence, for the manifest, of what has none.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Images at the same time.")] = 8,
    max_mb: Annotated[float, typer.Option(min=0.001, help="The largest file, in MB.")] = 50.0,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds to wait for an answer, or its next piece.")
    ] = 30.0,
    allow_private: Annotated[
        bool,
        typer.Option("--allow-private", help="Ask addresses in private networks, too."),
    ] = False,
    keep_location: Annotated[
        bool,
        typer.Option("--keep-location", help="Leave in the file where a photo was taken."),
    ] = False,
    drop_similar: Annotated[
        bool,
        typer.Option("--drop-similar", help="Leave out what looks like a stored image."),
    ] = False,
    retry_refused: Annotated[
        bool,
        typer.Option("--retry-refused", help="Ask again for what was refused before (404 ...)."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Collect images into FOLDER, by class; run again, it gets only what is missing.

    The manifest (manifest.jsonl in FOLDER) says what became of every address. Ends with 1 if some
    image is not there.
    """
    screen = console(as_json)
    with _bar(screen) as bar:
        task = bar.add_task("collecting", total=None, figures="")
        failed = 0

        def progress(record: Record, done: int, total: int | None) -> None:
            nonlocal failed
            failed += record.status in ("failed", "refused")
            figures = f"{counted(failed, 'problem')}" if failed else ""
            bar.update(task, completed=done, total=total, figures=figures)

        try:
            collected = data.collect(
                source,
                folder,
                label=label,
                licence=licence,
                workers=workers,
                max_bytes=round(max_mb * 1_000_000),
                timeout=timeout,
                allow_private=allow_private,
                keep_location=keep_location,
                drop_similar=drop_similar,
                retry_refused=retry_refused,
                progress=progress,
            )
        except KeyboardInterrupt:
            bar.stop()
            raise Stopped("stopped; the same command goes on from here") from None
    _summarise(screen, collected)
    if as_json:
        print_json(_facts(collected))
    if not collected.complete:
        raise typer.Exit(1)


def _bar(screen: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(compact=True),
        console=screen,
        transient=True,
        disable=not screen.is_terminal,
    )


def _summarise(screen: Console, collected: Collected) -> None:
    """Say how many images there are, what failed and why, and what to type next."""
    counts = collected.counts
    parts = [f"{counted(counts['stored'], 'image')} stored"]
    parts += [f"{counts[s]:,} {s}" for s in ("duplicate", "refused", "failed") if counts[s]]
    _say(screen, f"{shown(collected.folder)}: {', '.join(parts)}; {collected.new:,} in this run")
    similar = sum(record.similar_to is not None for record in collected.of("stored"))
    if similar:
        _say(screen, f"like another one: {counted(similar, 'image')}; --drop-similar omits")
    for status in ("refused", "failed"):
        records = collected.of(status)
        for record in records[:LISTED]:
            _say(screen, f"  {status} {record.url} {record.reason}")
        if len(records) > LISTED:
            _say(screen, f"  ... and {len(records) - LISTED:,} more {status}")
    for problem in collected.problems:
        _say(screen, f"  {problem}")
    _say(screen, f"what became of each: {shown(collected.folder / NAME)}")
    if counts["failed"]:
        _say(screen, "run the same command again to ask again for what failed")


def _facts(collected: Collected) -> dict[str, Any]:
    return {
        "folder": str(collected.folder),
        "manifest": str(collected.folder / NAME),
        "new": collected.new,
        **collected.counts,
        "complete": collected.complete,
        "problems": [
            *(
                {"url": record.url, "status": record.status, "reason": record.reason}
                for status in ("refused", "failed")
                for record in collected.of(status)
            ),
            *({"reason": problem} for problem in collected.problems),
        ],
    }


def _say(screen: Console, line: str) -> None:
    screen.print(escape(printable(line)), highlight=False, soft_wrap=True)
