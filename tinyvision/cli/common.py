"""What the commands share: the app, common options, and where output goes."""

import json
import os
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from .. import __version__
from .. import backend as _backend
from ..backend import Backend
from ..errors import UnknownNameError
from ..modelfile import to_plain


class Stopped(Exception):  # noqa: N818
    """Ctrl-C has ended a command; the sentence says how to go on, where there is a way."""


class _Commands(TyperGroup):
    """The commands; Ctrl-C ends any of them with a sentence, where Typer says nothing."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Stopped("interrupted") from None


app = typer.Typer(
    cls=_Commands,
    name="tinyvision",
    help="Train, test and use image classifiers: a neural-network engine written from scratch.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # which fills lines, where plain text keeps those of the source
    context_settings={"help_option_names": ["-h", "--help"]},
)

BackendOption = Annotated[
    str | None,
    typer.Option(
        "--backend",
        help="reference, cpu, cuda or auto, the best that works here (or $TINYVISION_BACKEND).",
    ),
]
AugmentOption = Annotated[
    str | None,
    typer.Option(
        "--augment",
        metavar="WORDS",
        help="Change images at random: cifar, digits, photos, or steps such as "
        "flip,crop=4,rotate=10,cutout=8 (docs/data.md lists them).",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout, all else on stderr.")
]
RootOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Folder with local copies of the named data sets (or $TINYVISION_DATA).",
    ),
]

EagerOption = Annotated[
    bool,
    typer.Option("--eager", help="Run layer by layer instead of by a compiled plan: slower."),
]
CacheOption = Annotated[
    bool,
    typer.Option(
        "--cache",
        help="Keep the decoded images of a folder, list or shards on disk, for later runs and for "
        "sets larger than memory (`tinyvision cache` shows and clears them).",
    ),
]


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Train, test and use image classifiers: a neural-network engine written from scratch."""
    if version:
        typer.echo(f"tinyvision {__version__}")
        raise typer.Exit


def console(as_json: bool) -> Console:
    """Return where a command talks to people: stdout, or stderr when stdout carries JSON."""
    return Console(stderr=as_json, soft_wrap=False)


def choose_backend(name: str | None) -> Backend:
    """Switch to the backend asked for and return the one in force."""
    if name is None:
        return _backend.current()
    known = [*_backend.NAMES, *_backend.ALIASES, "auto"]
    if name not in known:
        raise UnknownNameError("backend", name, known)
    return _backend.use(name)


def print_json(value: dict[str, Any]) -> None:
    """Print one JSON object on stdout; NaN and infinity, which JSON lacks, become null."""
    typer.echo(json_text(value))


def json_text(value: dict[str, Any], indent: int | None = None) -> str:
    """Return a JSON object as :func:`print_json` prints it."""
    return json.dumps(to_plain(value), allow_nan=False, indent=indent)


def thread_count(backend: Backend) -> int:
    """Count the threads that the backend's kernels use."""
    if backend.name != "cpu":
        return 1
    from tinyvision_kernels import cpu

    return cpu.thread_count()


def shown(path: Path) -> str:
    """Return a path as a user would type it: relative where that is shorter, quoted if needed."""
    relative = os.path.relpath(path)
    return quoted(relative if len(relative) < len(str(path)) else str(path))


def quoted(word: str) -> str:
    """Return a word as a shell reads it back."""
    if os.name == "nt":
        return f'"{word}"' if " " in word else word
    return shlex.quote(word)


def counted(number: int, thing: str) -> str:
    """Return ``1 epoch``, ``2 epochs``, ``3 classes``."""
    ending = "" if number == 1 else "es" if thing.endswith("s") else "s"
    return f"{number:,} {thing}{ending}"
