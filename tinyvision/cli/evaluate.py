"""``tinyvision evaluate``: how good is a model file on a data set?"""

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .. import data as _data
from .. import modelfile
from ..data import Batches, Dataset, Skipped
from ..data.local import is_class_folder
from ..data.sets import find_source
from ..inference import align_labels
from ..modelfile import ModelFile
from ..report import show_report
from ..train import TerminalDisplay, evaluate
from ..train.recipe import EVAL_BATCH, load_splits, seen_again
from .common import (
    BackendOption,
    CacheOption,
    EagerOption,
    JsonOption,
    RootOption,
    app,
    choose_backend,
    console,
    print_json,
)


class Part(StrEnum):
    """Which part of the data to measure on."""

    train = "train"
    val = "val"
    test = "test"
    all = "all"


@app.command("evaluate")
def evaluate_model(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="A file such as best.safetensors.")
    ],
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="A set's name or a folder of class folders.")
    ],
    part: Annotated[
        Part,
        typer.Option(
            help="As split in training, by the seed that the model file keeps; "
            "`all` for a folder of new images."
        ),
    ] = Part.test,
    cache: CacheOption = False,
    backend: BackendOption = None,
    eager: EagerOption = False,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure MODEL on the test part of DATA: accuracy, precision, recall, F1, confusion matrix."""
    screen = console(as_json)
    choose_backend(backend)
    file = modelfile.load(model)
    with TerminalDisplay(screen) as display:
        dataset, skipped = _load(file, data, part, root, display, cache=cache)
        for left_out in skipped:
            display.say(f"left out {left_out.path}: {left_out.reason}")
        batches = Batches(dataset, file.preprocess, EVAL_BATCH)
        result = evaluate(file.model, batches, eager=eager)
    if as_json:
        print_json(
            {
                "model": str(model),
                "data": data,
                "part": part.value,
                "loss": result.loss,
                **result.report.to_dict(),
                "skipped": [{"path": s.path, "reason": s.reason} for s in skipped],
            }
        )
        return
    show_report(result.report, screen)


def _load(
    file: ModelFile,
    name: str,
    part: Part,
    root: Path | None,
    display: TerminalDisplay,
    *,
    cache: bool,
) -> tuple[Dataset, tuple[Skipped, ...]]:
    """Load the part of the data, as the model takes images, numbered by the model's classes."""
    if part is Part.all and find_source(name) is None and is_class_folder(Path(name).expanduser()):
        fit, (H, W, C) = file.preprocess.fit, file.input_shape
        return _data.read_folder(
            Path(name).expanduser(),
            (H, W),
            C,
            fit,
            classes=file.labels or None,
            min_per_class=1,
            cache=cache,
            progress=display.reading,
        )
    recipe = replace(seen_again(file, name, root), cache=cache)
    if part is Part.all:  # however it would be split
        recipe = replace(recipe, groups=None, split="random")
    splits = load_splits(recipe, progress=display.reading)
    dataset = splits.whole(name) if part is Part.all else getattr(splits, part.value)
    return align_labels(file, dataset), splits.skipped
