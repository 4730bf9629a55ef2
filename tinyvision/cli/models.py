"""``tinyvision models``: the networks that ``train --model`` takes."""

from typing import Annotated, Any

import typer
from rich.table import Table

from .. import models
from ..backend import using
from ..errors import ShapeError
from ..nn.summary import summarize
from .common import JsonOption, app, console, print_json


@app.command("models")
def show_models(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Show this model layer by layer.")
    ] = None,
    size: Annotated[int, typer.Option(min=8, help="Pixels along each side.")] = 32,
    channels: Annotated[int, typer.Option(min=1, help="1 for gray, 3 for colour.")] = 3,
    classes: Annotated[int, typer.Option(min=2, help="Number of answers.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """List the models, or show one layer by layer, with parameters and operations per image."""
    shape = (size, size, channels)
    screen = console(as_json)
    with using("reference"):  # one image a model is not worth loading a compiler for
        if name is not None:
            summary = summarize(models.create(name, shape, classes), shape)
            screen.print(str(summary), highlight=False, markup=False, soft_wrap=True)
            rows = [_row(name, shape, classes)]
        else:
            rows = [_row(known, shape, classes) for known in models.names()]
            screen.print(_table(rows, shape, classes))
    if as_json:
        print_json({"models": rows})


def _row(name: str, shape: tuple[int, int, int], classes: int) -> dict[str, Any]:
    """Describe a model; one that such small images are not enough for says so."""
    row = {"name": name, "about": models.about(name), "input_shape": shape, "classes": classes}
    try:
        summary = summarize(models.create(name, shape, classes), shape)
    except ShapeError as error:
        return {**row, "parameters": None, "flops": None, "reason": str(error)}
    return {**row, "parameters": summary.total_parameters, "flops": summary.total_flops}


def _table(rows: list[dict[str, Any]], shape: tuple[int, int, int], classes: int) -> Table:
    H, W, C = shape
    table = Table(
        box=None,
        pad_edge=False,
        header_style="bold",
        caption=f"for images of {H} x {W} x {C} and {classes} classes",
        caption_justify="left",
    )
    table.add_column("model")
    table.add_column("parameters", justify="right")
    table.add_column("MFLOP", justify="right")
    table.add_column("what it is")
    for row in rows:
        if "reason" in row:
            table.add_row(row["name"], "-", "-", row["reason"])
        else:
            parameters, mega = f"{row['parameters']:,}", f"{row['flops'] / 1e6:,.1f}"
            table.add_row(row["name"], parameters, mega, row["about"])
    return table
