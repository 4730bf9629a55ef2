"""The errors a user can cause.

Each message is one sentence: what, with which values, and the way out.
"""

from collections.abc import Iterable
from difflib import get_close_matches

from tinyvision_kernels.contract import ShapeError

__all__ = [
    "BackendError",
    "DataError",
    "DownloadError",
    "ModelFileError",
    "PlanError",
    "ShapeError",
    "TinyvisionError",
    "TrainingError",
    "UnknownDataError",
    "UnknownNameError",
]


class TinyvisionError(Exception):
    """Base of the errors raised on purpose; the command line prints them as one sentence."""


class BackendError(TinyvisionError, RuntimeError):
    """A backend was asked for that does not exist or cannot run here."""


class DataError(TinyvisionError, ValueError):
    """A data set, a folder or an image cannot be used as it is."""


class UnknownDataError(DataError):
    """A word that names no data set and can be no path: most likely a slip of the keyboard."""


class DownloadError(TinyvisionError, OSError):
    """No mirror delivered a file with the expected checksum."""


class ModelFileError(TinyvisionError, ValueError):
    """A model file is damaged, of an unknown format, or does not fit the model."""


class PlanError(TinyvisionError, ValueError):
    """No plan can be made of a model, for example because it does not run the same each time."""


class TrainingError(TinyvisionError, RuntimeError):
    """Training cannot go on, for example because the loss is not finite."""


class UnknownNameError(TinyvisionError, ValueError):
    """A name that is not in a list: a backend, a model, a data set, a layer, an optimiser.

    Parameters
    ----------
    kind : str
        What was asked for, in words ("model").
    name : str
        The name as given.
    known : iterable of str
        The names there are.
    hint : str
        What else could help, appended to the sentence.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        names = list(known)
        close = get_close_matches(name.lower(), names, n=1)
        guess = f"; did you mean {close[0]!r}?" if close else ""
        super().__init__(f"there is no {kind} {name!r}{guess} (known: {', '.join(names)}){hint}")
