"""``tinyvision evaluate``: how good is a model file on a data set?"""

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .. import modelfile
from ..data import Batches
from ..inference import align_labels
from ..report import show_report
from ..train import Recipe, TerminalDisplay, evaluate
from ..train.recipe import EVAL_BATCH, load_splits
from .common import BackendOption, JsonOption, RootOption, app, choose_backend, console, print_json


class Part(StrEnum):
    """Which part of the data to measure on."""

    train = "train"
    val = "val"
    test = "test"


@app.command("evaluate")
def evaluate_model(
    model: Annotated[Path, typer.Argument(help="A model file (best.safetensors).")],
    data: Annotated[str, typer.Argument(help="A set's name or a folder of class folders.")],
    part: Annotated[
        Part, typer.Option(help="Split as in training, by the seed that the model file keeps.")
    ] = Part.test,
    backend: BackendOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure MODEL on the test part of DATA: accuracy, precision, recall, F1, confusion matrix."""
    screen = console(as_json)
    choose_backend(backend)
    file = modelfile.load(model)
    H, W, C = file.input_shape
    trained = Recipe.from_data(file.training.get("recipe", {}))
    recipe = replace(
        trained,
        data=data,
        root=str(root) if root else trained.root,
        size=(H, W),
        channels=C,
        fit=file.preprocess.fit,
    )
    splits = load_splits(recipe, progress=TerminalDisplay(screen).reading)
    dataset = align_labels(file, getattr(splits, part.value))
    result = evaluate(file.model, Batches(dataset, file.preprocess, EVAL_BATCH))
    if as_json:
        print_json(
            {
                "model": str(model),
                "data": data,
                "part": part.value,
                "loss": result.loss,
                **result.report.to_dict(),
            }
        )
        return
    show_report(result.report, screen)
