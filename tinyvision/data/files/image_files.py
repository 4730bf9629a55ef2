"""A set of image files: their paths and labels in memory, their content on disk."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...backend import host_kernels
from ...errors import DataError
from ...files import read_file
from ..dataset import Dataset, Skipped
from ..decoding import Decoded, Form
from ..images import ImageError
from ..reading import read
from ..resize import Fit, load_image
from ..threads import Progress, in_threads
from .sample import Sample
from .strings import Strings


class ImageFiles:
    """Labelled image files, read when they are asked for.

    Parameters
    ----------
    paths : sequence of str
        The files.
    labels : ndarray
        Of int64 and shape (N,), positions in ``classes``; or of bool and shape (N, K), whether an
        image has each of the classes: tags, of which an image has any number.
    classes : tuple of str
        Class names, in the order of the network's outputs.
    name : str
        What the set is called in reports.
    columns : mapping of str to sequence of str, optional
        What else is known of each image, for example the patient to split by.

    Raises
    ------
    DataError
        Paths, labels and columns of different number; labels that are neither of the two kinds, or
        outside the classes.
    """

    def __init__(
        self,
        paths: Sequence[str],
        labels: NDArray[np.int64] | NDArray[np.bool_],
        classes: tuple[str, ...],
        name: str,
        columns: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.paths = paths if isinstance(paths, Strings) else Strings(paths)
        self.labels, self.classes, self.name = labels, classes, name
        self.columns = {
            key: values if isinstance(values, Strings) else Strings(values)
            for key, values in (columns or {}).items()
        }
        self._check()

    def _check(self) -> None:
        labels, K = self.labels, len(self.classes)
        numbers = labels.ndim == 1 and labels.dtype == np.int64
        tags = labels.ndim == 2 and labels.dtype == np.bool_ and labels.shape[1] == K
        if not (numbers or tags):
            raise DataError(
                f"{self.name}: labels must be int64 of shape (N,), or bool of shape (N, {K}) for "
                f"tags, got {labels.dtype} of shape {labels.shape}."
            )
        for what, values in {"labels": labels, **self.columns}.items():
            if len(values) != len(self):
                raise DataError(
                    f"{self.name}: {len(self)} files but {len(values)} {what}; "
                    "every file needs exactly one."
                )
        if numbers and len(self) and not (labels.min() >= 0 and labels.max() < K):
            raise DataError(f"{self.name}: labels must lie in 0 .. {K - 1}.")

    @property
    def tagging(self) -> bool:
        """Whether an image has any number of labels, not exactly one."""
        return self.labels.ndim == 2

    def __len__(self) -> int:
        return len(self.paths)

    def __repr__(self) -> str:
        return f"ImageFiles({self.name!r}, {len(self):,} files, {len(self.classes)} classes)"

    def __getitem__(self, i: int) -> Sample:
        """Read file ``i``.

        Raises
        ------
        ImageError
            It cannot be read; the message names it.
        """
        path = self.paths[i]
        labels = np.flatnonzero(self.labels[i]) if self.tagging else [self.labels[i]]
        try:
            content = read_file(path)
        except FileNotFoundError:
            raise ImageError(path, "there is no such file") from None
        except OSError as error:
            raise ImageError(path, f"it cannot be read ({error.strerror or error})") from None
        return Sample(path, content, tuple(int(label) for label in labels))

    def counts(self) -> NDArray[np.int64]:
        """Images of each class, shape (K,)."""
        if self.tagging:
            return np.asarray(self.labels.sum(axis=0, dtype=np.int64))
        return np.bincount(self.labels, minlength=len(self.classes)).astype(np.int64)

    def subset(
        self, rows: NDArray[np.int64] | Sequence[int], name: str | None = None
    ) -> "ImageFiles":
        """Return the files at these positions, in that order, with all classes kept."""
        at = np.asarray(rows, np.int64)
        columns = {key: values.subset(at) for key, values in self.columns.items()}
        return ImageFiles(
            self.paths.subset(at), self.labels[at], self.classes, name or self.name, columns
        )

    def in_memory(
        self,
        size: tuple[int, int],
        channels: int = 3,
        fit: Fit = "crop",
        *,
        progress: Progress | None = None,
    ) -> tuple[Dataset, NDArray[np.int64], tuple[Skipped, ...]]:
        """Decode all files to one size.

        Returns
        -------
        dataset : Dataset
        rows : ndarray of int64
            Which of the files ``dataset`` holds.
        skipped : tuple of Skipped
            Those that cannot be decoded, and why.

        Raises
        ------
        DataError
            Tagged images: a Dataset has one label for each.
        """
        reading = read({"all": self}, Form(size, channels, fit), progress=progress)
        return reading.parts["all"], reading.rows["all"], reading.skipped

    def decoded(self, form: Form) -> Generator[Decoded, None, None]:
        """Decode all files in a few threads, in order; yield label after label, with its image."""
        kernels = host_kernels()  # of this thread; those that decode may know of another

        def work(i: int) -> Decoded:
            path, label = self.paths[i], int(self.labels[i])
            try:
                image = load_image(Path(path), form.size, form.channels, form.fit, kernels=kernels)
                return label, image
            except ImageError as error:
                return label, Skipped(path, error.reason)

        return in_threads(work, range(len(self)))

    def stamps(self) -> Iterator[str]:
        """Yield path, length and time of each file: what changes when it does."""
        for path in self.paths:
            try:
                stat = Path(path).stat()
                yield f"{path}\0{stat.st_size} {stat.st_mtime_ns}"
            except OSError:
                yield f"{path}\0missing"

    def labels_known(self) -> NDArray[np.int64] | None:
        """Return the labels (N,), which are known without decoding."""
        return self.labels.astype(np.int64, copy=False)
