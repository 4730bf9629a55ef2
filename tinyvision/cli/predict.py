"""``tinyvision predict``: what is on these images?"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from .. import modelfile
from ..errors import DataError
from ..inference import Prediction, predict
from .common import BackendOption, JsonOption, app, choose_backend, console, print_json


@app.command("predict")
def predict_images(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="A file such as best.safetensors.")
    ],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files.")],
    top: Annotated[int, typer.Option(min=1, help="Classes to list per image.")] = 3,
    backend: BackendOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say which class each IMAGE shows, with probabilities. MODEL brings its own preprocessing."""
    choose_backend(backend)
    file = modelfile.load(model)
    found: list[Prediction] = []
    failed: list[dict[str, str]] = []
    for path, answer in zip(images, predict(file, images, top=top), strict=True):
        if isinstance(answer, DataError):
            failed.append({"path": str(path), "reason": str(answer)})
        else:
            found.append(answer)
    if as_json:
        rows = [
            {
                **asdict(p),
                "top": [{"label": name, "probability": share} for name, share in p.top],
            }
            for p in found
        ]
        print_json({"model": str(model), "predictions": rows, "failed": failed})
    elif found:
        console(False).print(_table(found))
    for failure in failed:
        typer.echo(f"tinyvision: {failure['reason']}", err=True)
    if failed:
        raise typer.Exit(1)


def _table(found: list[Prediction]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("image", overflow="fold")
    table.add_column("shows", style="bold")
    table.add_column("sure", justify="right")
    table.add_column("else")
    for p in found:
        others = ", ".join(f"{name} {share:.1%}" for name, share in p.top[1:])
        table.add_row(p.path, p.label, f"{p.probability:.1%}", others)
    return table
