"""``tinyvision backends``: which ways of computing work on this machine?"""

from dataclasses import asdict

from rich.markup import escape
from rich.table import Table

from .. import backend as _backend
from .common import (
    BackendOption,
    JsonOption,
    app,
    choose_backend,
    console,
    print_json,
    thread_count,
)


@app.command("backends")
def show_backends(backend: BackendOption = None, as_json: JsonOption = False) -> None:
    """List the backends: whether each runs here, its own kernels, and those it borrows."""
    chosen = choose_backend(backend)
    infos = _backend.backends()
    if as_json:
        print_json(
            {
                "current": chosen.name,
                "threads": thread_count(chosen),
                "backends": [asdict(info) for info in infos],
            }
        )
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("backend", "runs here", "own kernels", "borrowed", "remark"):
        table.add_column(title)
    for info in infos:
        remark = "in force" if info.name == chosen.name else escape(info.reason)
        own, borrowed = (
            (str(len(info.native)), str(len(info.borrowed))) if info.available else ("", "")
        )
        table.add_row(info.name, "yes" if info.available else "no", own, borrowed, remark)
    console(False).print(table)
