"""``tinyvision train``: from data to a trained, tested, saved model."""

from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import typer

from ..backend import Backend
from ..errors import UnknownNameError
from ..report import show_report
from ..train import Recipe, Result, TerminalDisplay, recipe_of, run
from .common import (
    AugmentOption,
    BackendOption,
    CacheOption,
    EagerOption,
    JsonOption,
    RootOption,
    app,
    choose_backend,
    console,
    counted,
    print_json,
    quoted,
    shown,
    thread_count,
)

DEFAULT = Recipe()


class SplitWay(StrEnum):
    """How images, or groups of them, are dealt out to the parts."""

    random = "random"
    hash = "hash"


@app.command("train")
def train(
    context: typer.Context,
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="A set's name (see `tinyvision data`) or a folder of class folders.",
        ),
    ] = DEFAULT.data,
    model: Annotated[str, typer.Option(help="See `tinyvision models`.")] = DEFAULT.model,
    epochs: Annotated[int, typer.Option(min=1)] = DEFAULT.epochs,
    batch: Annotated[int, typer.Option(min=1, help="Images per step.")] = DEFAULT.batch,
    lr: Annotated[
        float | None, typer.Option(help="Peak learning rate; by default what suits the optimizer.")
    ] = None,
    optimizer: Annotated[str, typer.Option(help="sgd, adam, adamw, rmsprop.")] = DEFAULT.optimizer,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bits.")] = DEFAULT.seed,
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
    clip_norm: Annotated[
        float | None, typer.Option(help="Cut gradients to this norm, against diverging.")
    ] = None,
    average: Annotated[
        float | None,
        typer.Option(help="Save a running average of the weights, of this decay, such as 0.999."),
    ] = None,
    augment: AugmentOption = None,
    groups: Annotated[
        str | None,
        typer.Option(
            metavar="LEVEL|REGEX|COLUMN",
            help="Split without cutting groups: by a folder level (-1: the folder a file lies in), "
            r"by what an expression such as 'patient(\d+)' finds in the path, by a list's column.",
        ),
    ] = None,
    split: Annotated[
        SplitWay,
        typer.Option(
            help="Deal images, or groups, out at random, or by the hash of their names, so that "
            "those added later move no others."
        ),
    ] = SplitWay.random,
    balanced: Annotated[
        bool, typer.Option("--balanced", help="Learn from every class equally often.")
    ] = False,
    cache: CacheOption = False,
    backend: BackendOption = None,
    eager: EagerOption = False,
    root: RootOption = None,
    out: Annotated[Path, typer.Option(help="Folder for runs.")] = Path(DEFAULT.out),
    resume: Annotated[
        Path | None,
        typer.Option(
            help="A last.safetensors to go on from, with its own settings: no others but "
            "--data, --cache, --backend, --eager and --json go with it."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train a model on DATA, test it, and save it with all it needs to predict."""
    screen = console(as_json)
    in_force = choose_backend(backend)
    if resume is not None:
        _refuse_settings(context)
        recipe = replace(recipe_of(resume), root=str(root) if root else None, cache=cache)
    else:
        try:
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
                clip_norm=clip_norm,
                average=average,
                augment=augment,
                groups=groups,
                split=split.value,
                balanced=balanced,
                cache=cache,
            )
        except UnknownNameError:
            raise
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
    started = perf_counter()
    with TerminalDisplay(screen) as display:
        display.say(_headline(recipe, in_force))
        result = run(recipe, display=display, resume=resume, eager=eager)
        seconds = perf_counter() - started
        if as_json:
            print_json(_as_json(recipe, result, seconds))
        _conclude(display, recipe, result, seconds, backend)
    if result.stopped == "interrupted":
        raise typer.Exit(130)


def _refuse_settings(context: typer.Context) -> None:
    """Refuse options beside --resume that it would have to ignore."""
    given = [
        parameter
        for parameter in context.params
        if parameter not in ("resume", "root", "cache", "backend", "eager", "as_json")
        and getattr(context.get_parameter_source(parameter), "name", "") == "COMMANDLINE"
    ]
    if given:
        words = ", ".join("DATA" if p == "data" else f"--{p.replace('_', '-')}" for p in given)
        raise typer.BadParameter(
            f"--resume goes on with the settings of its run: leave out {words}, or start a new run"
        )


def _headline(recipe: Recipe, backend: Backend) -> str:
    return (
        f"training {recipe.model} on {recipe.data}: {counted(recipe.epochs, 'epoch')} in batches "
        f"of {recipe.batch}, {recipe.optimizer}, seed {recipe.seed}\n"
        + _division(recipe)
        + (f"augmented by {recipe.augment}\n" if recipe.augment else "")
        + (
            f"validated and saved: an average of the weights, of decay {recipe.average:g}\n"
            if recipe.average
            else ""
        )
        + f"backend {backend.name}, {counted(thread_count(backend), 'thread')}"
    )


def _division(recipe: Recipe) -> str:
    """Say how images are split and chosen, where it is not as usual."""
    words = [f"split by groups: {recipe.groups}"] if recipe.groups is not None else []
    words += ["split by the hash of names"] if recipe.split == "hash" else []
    words += ["every class equally often"] if recipe.balanced else []
    return f"{', '.join(words)}\n" if words else ""


def _as_json(recipe: Recipe, result: Result, seconds: float) -> dict[str, Any]:
    return {
        "path": str(result.path),
        "stopped": result.stopped,
        "seconds": round(seconds, 3),
        "recipe": asdict(recipe),
        "history": result.history.to_data(),
        "skipped": [{"path": s.path, "reason": s.reason} for s in result.splits.skipped],
        "test": None if result.report is None else result.report.to_dict(),
    }


def _conclude(
    display: TerminalDisplay, recipe: Recipe, result: Result, seconds: float, backend: str | None
) -> None:
    """Show the test result, and what to type next."""
    path = shown(result.path)
    options = f" --data {shown(Path(recipe.root))}" if recipe.root else ""
    options += " --cache" if recipe.cache else ""
    options += f" --backend {backend}" if backend else ""
    if result.stopped == "interrupted":
        display.say(f"\ninterrupted; go on with:\n  tinyvision train --resume {path}{options}")
        return
    if result.stopped == "early":
        display.say(f"stopped early: no improvement for {counted(recipe.patience or 0, 'epoch')}")
    if result.report is None:
        display.say(f"\nsaved {path} after {seconds:.1f} s; there are no images to test it on")
        return
    display.say("\non the test part:")
    show_report(result.report, display.console)
    display.say(
        f"\nsaved {path} after {seconds:.1f} s\n\nnext:\n"
        f"  tinyvision evaluate {path} {quoted(recipe.data)}{options}"
    )
    if result.sample is not None:
        display.say(f"  tinyvision predict {path} {shown(result.sample)}")
