"""The command line: ``tinyvision train``, ``evaluate``, ``predict``, ``data``, ``models`` ...

Each command is thin: it reads its options, calls the library, and shows the result.

With ``--json`` stdout carries one JSON object and nothing else; what is meant for people goes to
stderr. A command that fails prints ``{"error": "..."}``, with the sentence that stderr has.

Exit codes: 0 done; 1 failed (data, a file or a backend is missing or unusable, or some images could
not be predicted); 2 wrong usage (an unknown command, option, data set, model, optimizer or backend,
a value out of range); 130 interrupted, which one line says, with the way to go on if there is one.
A user's mistake ends in one sentence, not in a traceback.
"""

import sys
from collections.abc import Sequence
from typing import cast

import numpy as np
import typer

from ..errors import ShapeError, TinyvisionError, UnknownDataError, UnknownNameError
from . import backends, cache, collect, data, evaluate, models, pack, predict, train, warmup
from .common import Stopped, app, print_json

__all__ = [
    "app",
    "backends",
    "cache",
    "collect",
    "data",
    "evaluate",
    "main",
    "models",
    "pack",
    "predict",
    "train",
    "warmup",
]

# Typer's complaints about arguments. Versions differ in where the class lives, not in whose parent
# it is.
UsageError = cast(type[typer.BadParameter], typer.BadParameter.__base__)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line, by default that of this process, and exit with its code."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    as_json = "--json" in words
    try:
        # NumPy would remark on each overflow in terms of its own; training finds where it began
        with np.errstate(all="ignore"):
            code = app(words, prog_name="tinyvision", standalone_mode=False)
    except UsageError as error:
        error.show()
        _fail(error.format_message(), 2, as_json)
    except (UnknownNameError, UnknownDataError) as error:
        _say(error)
        _fail(error, 2, as_json)
    except (TinyvisionError, ShapeError, OSError) as error:
        _say(error)
        _fail(error, 1, as_json)
    except MemoryError as error:
        sentence = f"there is not enough memory: {error or 'smaller batches or images take less'}"
        _say(sentence)
        _fail(sentence, 1, as_json)
    except Stopped as error:
        _say(error)
        _fail(error, 130, as_json)
    except (KeyboardInterrupt, typer.Abort):  # before a command has begun
        code = 130
    raise SystemExit(code or 0)


def _say(error: object) -> None:
    print(f"tinyvision: {error}", file=sys.stderr)


def _fail(error: object, code: int, as_json: bool) -> None:
    if as_json:
        print_json({"error": str(error)})
    raise SystemExit(code)
