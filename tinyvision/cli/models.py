"""``tinyvision models``: the networks that ``train --model`` takes."""

from typing import Annotated

import typer
from rich.table import Table

from .. import models
from ..nn.summary import summarize
from .common import JsonOption, app, console, print_json


@app.command("models")
def show_models(
    name: Annotated[str | None, typer.Argument(help="Show this model layer by layer.")] = None,
    size: Annotated[int, typer.Option(min=8, help="Pixels along each side.")] = 32,
    channels: Annotated[int, typer.Option(min=1)] = 3,
    classes: Annotated[int, typer.Option(min=2)] = 10,
    as_json: JsonOption = False,
) -> None:
    """List the models, or show one layer by layer, with parameters and operations per image."""
    shape = (size, size, channels)
    wanted = [name] if name else list(models.names())
    summaries = {n: summarize(models.create(n, shape, classes), shape) for n in wanted}
    if as_json:
        rows = [
            {
                "name": n,
                "about": models.about(n),
                "input_shape": list(shape),
                "classes": classes,
                "parameters": s.total_parameters,
                "flops": s.total_flops,
            }
            for n, s in summaries.items()
        ]
        print_json({"models": rows})
        return
    screen = console(False)
    if name:
        screen.print(str(summaries[name]), highlight=False, markup=False, soft_wrap=True)
        return
    table = Table(
        box=None,
        pad_edge=False,
        header_style="bold",
        caption=f"for images of {size} x {size} x {channels} and {classes} classes",
        caption_justify="left",
    )
    table.add_column("model")
    table.add_column("parameters", justify="right")
    table.add_column("MFLOP", justify="right")
    table.add_column("what it is")
    for n, s in summaries.items():
        table.add_row(n, f"{s.total_parameters:,}", f"{s.total_flops / 1e6:,.1f}", models.about(n))
    screen.print(table)
