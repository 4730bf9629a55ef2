"""How a set of files is divided: at random, by groups, or by a hash of each file's name."""

import os
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from ...errors import DataError
from ..dataset import Dataset, Skipped, Splits
from ..files import ImageFiles
from .grouped import groups_of
from .parts import completed

By = Literal["random", "hash"]


@dataclass(frozen=True)
class Division:
    """What decides which images are to learn from, to choose by and to judge by.

    Parameters
    ----------
    seed : int
        Same seed, same split.
    val, test : float
        Shares for validation and test; a part that a set comes with is kept.
    groups : str or int, optional
        What is not to be cut, as for :func:`named_groups`.
    by : {"random", "hash"}
        Dealt out at random, every class in proportion; or each image, or with ``groups`` each
        group, by a hash of its name, so that images added later move none.

    Raises
    ------
    DataError
        Another ``by``.
    """

    seed: int = 0
    val: float = 0.1
    test: float = 0.2
    groups: str | int | None = None
    by: By = "random"

    def __post_init__(self) -> None:
        if self.by not in get_args(By):
            raise DataError(f"A set is split by 'random' or by 'hash', not by {self.by!r}.")

    @property
    def by_name(self) -> bool:
        """Whether names of files decide."""
        return self.groups is not None or self.by == "hash"

    def refuse_without_files(self, name: str, why: str) -> None:
        """Refuse groups and hashes where images have no names.

        Raises
        ------
        DataError
            ``name`` is what has none, ``why`` says so.
        """
        if self.by_name:
            asked = "by groups" if self.groups is not None else "by hash"
            raise DataError(
                f"{name} cannot be split {asked}: {why}; a folder or a list of images can be."
            )

    def __call__(
        self,
        parts: Mapping[str, Dataset],
        skipped: tuple[Skipped, ...] = (),
        *,
        files: ImageFiles | None = None,
        root: Path | None = None,
    ) -> Splits:
        """Divide a set, or complete the division that it comes with.

        Parameters
        ----------
        parts, skipped
            As for :func:`~tinyvision.data.split.parts.completed`.
        files : ImageFiles, optional
            Those of the part "all" or "train", one for each image.
        root : Path, optional
            The folder to which names are relative.

        Raises
        ------
        DataError
            As :func:`~tinyvision.data.split.parts.completed`; groups that are not there, or that
            leave nothing of a class to learn from.
        """
        groups = keys = None
        if files is not None and self.by_name:
            names: Sequence[Hashable] = _relative(files.paths, root)
            if self.groups is not None:
                names = named_groups(files, names, self.groups)
            groups, keys = (None, names) if self.by == "hash" else (names, None)
        splits = completed(parts, self.val, self.test, self.seed, skipped, groups=groups, keys=keys)
        if self.groups is not None:
            self._refuse_lost_classes(splits)
        return splits

    def _refuse_lost_classes(self, splits: Splits) -> None:
        """Refuse groups that leave nothing of a class to learn from, as classes themselves do."""
        held = splits.val.counts() + splits.test.counts()
        lost = (held > 0) & (splits.train.counts() == 0)
        if lost.any():
            name = splits.classes[int(lost.argmax())]
            raise DataError(
                f"{splits.train.name}: split by the groups {self.groups!r}, no image of the class "
                f"{name!r} is left to learn from; each class needs images in several groups."
            )


def named_groups(files: ImageFiles, names: Sequence[Hashable], by: str | int) -> Sequence[Hashable]:
    r"""Name the group of each file.

    Parameters
    ----------
    files : ImageFiles
    names : sequence of str
        Their paths, relative to the set's folder.
    by : str or int
        A column of a list; a folder level of the path, 0 for the first folder and -1 for the one
        that the file lies in; or a regular expression to find in the path, such as
        ``patient(\d+)``.

    Raises
    ------
    DataError
        There is no such column, or a file belongs to no group.
    """
    word = str(by).strip()
    for column in (word, word.casefold()):
        if column in files.columns:
            return files.columns[column]
    if re.fullmatch(r"-?\d+", word):
        return groups_of([str(name) for name in names], int(word))
    if re.fullmatch(r"[\w ]*", word):  # an expression without signs would match itself alone
        there = f"its columns are {', '.join(files.columns)}" if files.columns else "it has none"
        raise DataError(
            f"{files.name} has no column {word!r} to group by ({there}); name a column, a folder "
            r"level such as -1, or a regular expression such as 'patient(\d+)'."
        )
    return groups_of([str(name) for name in names], word)


def _relative(paths: Sequence[str], root: Path | None) -> list[str]:
    """Return paths below a folder without it, written with ``/`` everywhere."""
    above = "" if root is None else os.path.join(root, "")  # noqa: PTH118, with its last slash
    return [path.removeprefix(above).replace(os.sep, "/") for path in paths]
