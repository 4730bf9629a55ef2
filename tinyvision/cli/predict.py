"""``tinyvision predict``: what is on these images?"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from .. import modelfile
from ..errors import DataError
from ..inference import Prediction, predict
from ..report.words import printable
from ..train import TerminalDisplay
from .common import BackendOption, EagerOption, JsonOption, app, choose_backend, console, print_json


@app.command("predict")
def predict_images(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="A file such as best.safetensors.")
    ],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files.")],
    top: Annotated[int, typer.Option(min=1, help="Classes to list per image.")] = 3,
    backend: BackendOption = None,
    eager: EagerOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say which class each IMAGE shows, with probabilities. MODEL brings its own preprocessing."""
    choose_backend(backend)
    file = modelfile.load(model)
    found: list[Prediction] = []
    failed: list[dict[str, str]] = []
    for path, answer in zip(images, predict(file, images, top=top, eager=eager), strict=True):
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
        _show(TerminalDisplay(console(False)), found)
    for failure in failed:
        TerminalDisplay(console(True)).say(f"tinyvision: {failure['reason']}")
    if failed:
        raise typer.Exit(1)


def _show(display: TerminalDisplay, found: list[Prediction]) -> None:
    """Print a line for each image; its path comes last and whole, so that it can be copied."""
    width = max(len(p.label) for p in found)
    for p in found:
        others = ", ".join(f"{printable(name)} {share:.1%}" for name, share in p.top[1:])
        line = f"{printable(p.label):<{width}}  {p.probability:>6.1%}  {p.path}"
        display.say(f"{line}  (else {others})" if others else line)
