"""``tinyvision warmup``: compile the cpu backend's kernels now, not during the first training."""

from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

import typer
from rich.console import Console

from .. import backend as _backend
from .. import models
from ..data.augment import STEPS, Augment, Flip
from ..train.recipe import EVAL_BATCH, Recipe
from ..warmup import WarmedUp, warm_up
from .common import JsonOption, app, console, counted, print_json, shown

SIZES = (28, 32)  # of the named data sets' images
CLASSES = 10
# Between them they call all kernels: some images move by whole pixels, others by any distance.
AUGMENTS = Augment((Flip(),)), Augment(tuple(step() for step in STEPS.values()))


@app.command("warmup")
def warmup(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MODEL]...", help="See `tinyvision models`; default: all."),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Images per step.")] = Recipe.batch,
    size: Annotated[
        int | None,
        typer.Option(min=8, help="Pixels along each side; default: those of the named sets."),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes; default: one for each core.")
    ] = None,
    clear: Annotated[
        bool, typer.Option("--clear", help="Remove all compiled kernels, and compile nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Compile the kernels that training and using MODELs takes on the cpu backend.

    They stay on disk, so that the next programs start without a pause. What was compiled from older
    sources is removed by itself.
    """
    screen = console(as_json)
    _backend.get("cpu")  # says what is missing where it does not run
    if clear:
        _clear(screen, as_json)
        return
    sizes = (size,) if size else SIZES
    with _Bar(screen) as bar:
        result = warm_up(
            names or models.names(),
            [(side, side, channels) for side in sizes for channels in (1, 3)],
            batch=batch,
            predict=EVAL_BATCH,
            classes=CLASSES,
            prepare=[partial(augment.rehearse, classes=CLASSES) for augment in AUGMENTS],
            jobs=jobs,
            progress=bar.show,
        )
    if as_json:
        print_json({**asdict(result), "directory": str(result.directory)})
    _conclude(screen, result)
    if result.failed:
        raise typer.Exit(1)


def _conclude(screen: Console, result: WarmedUp) -> None:
    for kernel, error in result.failed:
        screen.print(f"{kernel}: {error}", style="red", highlight=False, markup=False)
    compiled = f"compiled {counted(result.compiled, 'kernel')} in {result.seconds:.1f} s"
    if result.jobs:
        compiled += f" with {result.jobs} process" + ("" if result.jobs == 1 else "es")
    screen.print(f"{compiled}; {result.found:,} were there already", highlight=False)
    holds = f"holds {counted(result.kernels, 'kernel')}, {result.bytes / 1e6:.1f} MB"
    screen.print(
        f"{shown(result.directory)} {holds}", highlight=False, markup=False, soft_wrap=True
    )


def _clear(screen: Console, as_json: bool) -> None:
    from tinyvision_kernels.cpu import cache

    kernels, size = cache.size()
    cache.clear()
    if as_json:
        print_json({"removed": kernels, "bytes": size, "directory": str(cache.cache_directory())})
    screen.print(f"removed {counted(kernels, 'kernel')}, {size / 1e6:.1f} MB", highlight=False)


class _Bar:
    """How far the compilation is, and what was compiled last; in a terminal only."""

    def __init__(self, screen: Console) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self.progress = Progress(
            TextColumn("compiling"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.description}", markup=False),
            console=screen,
            transient=True,
            disable=not screen.is_terminal,
        )
        self.task: Any = None

    def __enter__(self) -> "_Bar":
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def show(self, done: int, total: int, kernel: str) -> None:
        """Move the bar."""
        if self.task is None:
            self.task = self.progress.add_task(kernel, total=total)
        self.progress.update(self.task, completed=done, description=kernel)
