"""``tinyvision train``: from data to a trained, tested, saved model."""

from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer
from rich.console import Console

from .. import modelfile
from ..errors import ModelFileError
from ..report import show_report
from ..train import Recipe, Result, TerminalDisplay, run
from .common import (
    BackendOption,
    JsonOption,
    RootOption,
    app,
    choose_backend,
    console,
    print_json,
    shown,
    thread_count,
)

DEFAULT = Recipe()


@app.command("train")
def train(
    data: Annotated[
        str,
        typer.Argument(help="A set's name (see `tinyvision data`) or a folder of class folders."),
    ] = DEFAULT.data,
    model: Annotated[str, typer.Option(help="See `tinyvision models`.")] = DEFAULT.model,
    epochs: Annotated[int, typer.Option(min=1)] = DEFAULT.epochs,
    batch: Annotated[int, typer.Option(min=1, help="Images per step.")] = DEFAULT.batch,
    lr: Annotated[
        float | None, typer.Option(help="Peak learning rate; by default what suits the optimizer.")
    ] = None,
    optimizer: Annotated[str, typer.Option(help="sgd, adam, adamw, rmsprop.")] = DEFAULT.optimizer,
    seed: Annotated[int, typer.Option(help="Same seed, same bits.")] = DEFAULT.seed,
    size: Annotated[
        int | None,
        typer.Option(
            min=8, help="Pixels along each side; default: the set's own, 64 for a folder."
        ),
    ] = None,
    gray: Annotated[bool, typer.Option("--gray", help="Turn colours into gray.")] = False,
    patience: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many epochs without improvement.")
    ] = None,
    backend: BackendOption = None,
    root: RootOption = None,
    out: Annotated[Path, typer.Option(help="Folder for runs.")] = Path(DEFAULT.out),
    resume: Annotated[
        Path | None,
        typer.Option(help="A last.safetensors to go on from; its settings replace all others."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train a model on DATA, test it, and save it with all it needs to predict."""
    screen = console(as_json)
    in_force = choose_backend(backend)
    recipe = Recipe(
        data=data,
        model=model,
        epochs=epochs,
        batch=batch,
        lr=lr,
        optimizer=optimizer,
        seed=seed,
        size=(size, size) if size else None,
        channels=1 if gray else None,
        root=str(root) if root else None,
        out=str(out),
        patience=patience,
    )
    if resume is not None:
        recipe = _recipe_of(resume)
    screen.print(
        f"{recipe.model} on {recipe.data}: {recipe.epochs} epochs in batches of {recipe.batch}, "
        f"{recipe.optimizer}, seed {recipe.seed}, backend {in_force.name} "
        f"({thread_count(in_force)} threads)",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    started = perf_counter()
    result = run(
        recipe,
        display=TerminalDisplay(screen),
        resume=resume,
    )
    seconds = perf_counter() - started
    if as_json:
        print_json(_as_json(recipe, result, seconds))
    _conclude(screen, recipe, result, seconds)
    if result.report is None:
        raise typer.Exit(130)


def _recipe_of(checkpoint: Path) -> Recipe:
    header, _ = modelfile.read(checkpoint, with_training=False)
    recipe = header.get("training", {}).get("recipe")
    if recipe is None or "resume" not in header["training"]:
        raise ModelFileError(
            f"{checkpoint} holds no interrupted run: give the last.safetensors of one"
        )
    return Recipe.from_data(recipe)


def _as_json(recipe: Recipe, result: Result, seconds: float) -> dict[str, object]:
    return {
        "path": str(result.path),
        "stopped": result.stopped,
        "seconds": round(seconds, 3),
        "recipe": asdict(recipe),
        "history": result.history.to_data(),
        "skipped": [{"path": s.path, "reason": s.reason} for s in result.splits.skipped],
        "test": None if result.report is None else result.report.to_dict(),
    }


def _conclude(screen: Console, recipe: Recipe, result: Result, seconds: float) -> None:
    """Show the test result, and what to type next."""
    path = shown(result.path)
    if result.report is None:
        screen.print(
            f"\ninterrupted; go on with:\n  tinyvision train --resume {path}", markup=False
        )
        return
    if result.stopped == "early":
        screen.print(f"stopped early: no improvement for {recipe.patience} epochs")
    show_report(result.report, screen)
    root = f" --data {shown(Path(recipe.root))}" if recipe.root else ""
    screen.print(
        f"\ntest accuracy {result.report.accuracy:.2%} on {result.report.count:,} images, "
        f"{seconds:.1f} s in all; saved {path}\n\nnext:\n"
        f"  tinyvision evaluate {path} {recipe.data}{root}\n"
        f"  tinyvision predict {path} IMAGE...",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
