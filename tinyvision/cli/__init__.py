"""The command line: ``tinyvision train``, ``evaluate``, ``predict``, ``data``, ``models`` ...

Each command is thin: it reads its options, calls the library, and shows the result. With
``--json`` a command prints one JSON object on stdout and everything meant for people on stderr.
Exit codes: 0 done, 1 failed, 2 wrong usage. A mistake of the user ends in one sentence, not in a
traceback.
"""

import sys

from ..errors import ShapeError, TinyvisionError, UnknownNameError
from . import backends, data, evaluate, models, predict, train
from .common import app

__all__ = ["app", "backends", "data", "evaluate", "main", "models", "predict", "train"]


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        app()
    except UnknownNameError as error:
        _fail(error, 2)
    except (TinyvisionError, ShapeError, OSError, MemoryError) as error:
        _fail(error, 1)
    except KeyboardInterrupt:
        _fail("interrupted", 130)


def _fail(error: object, code: int) -> None:
    print(f"tinyvision: {error}", file=sys.stderr)
    raise SystemExit(code)
