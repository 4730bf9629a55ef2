"""The errors a user can cause.

Each message is one sentence: what, with which values, and the way out.
"""

from tinyvision_kernels.contract import ShapeError

__all__ = [
    "BackendError",
    "DataError",
    "DownloadError",
    "ModelFileError",
    "ShapeError",
    "TinyvisionError",
    "TrainingError",
]


class TinyvisionError(Exception):
    """Base of the errors raised on purpose; the command line prints them as one sentence."""


class BackendError(TinyvisionError, RuntimeError):
    """A backend was asked for that does not exist or cannot run here."""


class DataError(TinyvisionError, ValueError):
    """A data set, a folder or an image cannot be used as it is."""


class DownloadError(TinyvisionError, OSError):
    """No mirror delivered a file with the expected checksum."""


class ModelFileError(TinyvisionError, ValueError):
    """A model file is damaged, of an unknown format, or does not fit the model."""


class TrainingError(TinyvisionError, RuntimeError):
    """Training cannot go on, for example because the loss is not finite."""
