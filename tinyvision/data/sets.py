"""Load a data set by its name or its folder, split and ready for training."""

import os
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from ..errors import DataError, UnknownDataError
from .dataset import Splits
from .download import Progress, cache_dir, fetch
from .images import check_channels
from .local import is_file_of_images, load_local
from .named.sources import SOURCES, DataSource, Size
from .resize import Fit, bring_to, check_fit, check_size
from .split import hold_out
from .split.division import By, Division


def load(
    name_or_folder: str | Path,
    *,
    root: str | Path | None = None,
    size: Size | None = None,
    channels: int | None = None,
    fit: Fit = "crop",
    seed: int = 0,
    val: float = 0.1,
    test: float = 0.2,
    groups: str | int | None = None,
    split: By = "random",
    cache: bool = False,
    progress: Progress | None = None,
) -> Splits:
    """Load a data set in three parts.

    Parameters
    ----------
    name_or_folder : str or Path
        A name of :data:`~tinyvision.data.named.sources.SOURCES`; a folder with one sub-folder of
        images for each class; a list of images and labels (``.csv``, ``.tsv``, ``.jsonl``, see
        :func:`~tinyvision.data.files.table.read_table`); or arrays (``.npz``, see
        :func:`~tinyvision.data.npz.read_npz`). A name wins over a folder in the
        current directory; write ``./mnist`` or pass a Path for the folder.
    root : str or Path, optional
        Folder with copies of named sets, as ``root/mnist/`` or the files in ``root`` itself. It is
        looked through first, then ``$TINYVISION_DATA``, then the cache; what is in none of them is
        downloaded to the cache.
    size : (H, W), optional
        Size of the images. By default a named set's own, and 64 x 64 for a folder.
    channels : {1, 3}, optional
        Gray or RGB. By default a named set's own, and 3 for a folder.
    fit : {"crop", "stretch", "pad"}
        How images of other proportions are brought to ``size``.
    seed : int
        Of the split. The images of a named set are the same for every seed.
    val, test : float
        Shares for validation and test. A set or folder that comes with a test part keeps it, and
        ``val`` is then a share of its training part.
    groups : str or int, optional
        Do not cut what belongs together: a column of a list, a folder level (0 the first, -1 the
        one a file lies in) or a regular expression to find in the path; see
        :func:`~tinyvision.data.split.division.named_groups`.
    split : {"random", "hash"}
        Deal images, or groups, out at random; or by the hash of a file's path in the folder, or of
        a group's name, so that images added later leave all others in their parts.
    cache : bool
        Keep the decoded images of a folder, a list or shards on disk, where later calls find them,
        and map them into memory rather than load them; see :mod:`tinyvision.data.decoded`.
    progress : callable, optional
        Called with (done, in all): bytes of a download (in all is None where it is not known), or
        files of a folder.

    Raises
    ------
    DataError
        A name that is neither a set nor a folder (the nearest names are told), or data that cannot
        be used as they are.
    DownloadError
        No mirror delivered a file.
    """
    if size is not None:
        check_size(size)
    if channels is not None:
        check_channels(channels)
    check_fit(fit)
    division = Division(seed, val, test, groups, split)
    source = find_source(name_or_folder)
    if source is None:
        return load_local(
            Path(name_or_folder).expanduser(),
            size,
            channels,
            fit,
            division=division,
            cache=cache,
            progress=progress,
        )
    division.refuse_without_files(source.name, "the images of a named set have no names")
    if cache:
        raise DataError(
            f"{source.name} comes with its images decoded, and needs no cache of them: that is for "
            "folders, lists and shards."
        )
    folder = locate(source, root, progress) if source.files else Path()
    whole, own_test = source.read(folder, size)
    whole = bring_to(whole, size, channels, fit)
    if own_test is None:
        return division({"all": whole})
    own_test = bring_to(own_test, size, channels, fit)
    train, held = hold_out(whole, val, seed)
    return Splits(train, replace(held, name=f"{source.name} validation"), own_test)


def find_source(name_or_folder: str | Path) -> DataSource | None:
    """Find the set of that name; None if it is a folder.

    Upper and lower case, hyphens and underscores make no difference in a set's name.

    Raises
    ------
    UnknownDataError
        Neither a set nor a folder.
    DataError
        In the home folder of a user who is not there.
    """
    if isinstance(name_or_folder, Path):
        return None
    for name, source in SOURCES.items():
        if _key(name) == _key(name_or_folder):
            return source
    try:
        path = Path(name_or_folder).expanduser()
        is_path = path.is_dir() or is_file_of_images(path)
    except RuntimeError:
        raise DataError(
            f"{name_or_folder}: the home folder that its ~ stands for is not known here."
        ) from None
    if is_path or os.sep in name_or_folder or "/" in name_or_folder:
        return None  # a path that is missing is best explained by the folder's own loader
    nearby = [path.name for path in Path().iterdir() if path.is_dir()]
    close = get_close_matches(name_or_folder.lower(), [*SOURCES, *nearby], n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    raise UnknownDataError(
        f"{name_or_folder!r} is neither a data set nor a folder; {hint}"
        f"the sets are {', '.join(SOURCES)}."
    )


def locate(
    source: DataSource, root: str | Path | None = None, progress: Progress | None = None
) -> Path:
    """Find a copy of a set on this machine, or download one.

    Parameters
    ----------
    source : DataSource
        A set that has files.
    root, progress
        As for :func:`load`.

    Returns
    -------
    Path
        The folder with the files.

    Raises
    ------
    DataError
        ``root`` or ``$TINYVISION_DATA`` names no folder.
    DownloadError
        No mirror delivered a file.
    """
    for place, what in ((root, "root"), (os.environ.get("TINYVISION_DATA"), "TINYVISION_DATA")):
        if not place:
            continue
        copies = Path(place).expanduser()
        if not copies.is_dir():
            raise DataError(f"There is no folder {copies} to look for data sets in ({what}).")
        for folder in (copies / source.name, copies):
            if source.holds(folder):
                return folder
    folder = cache_dir() / source.name
    for file in source.files:
        fetch(file.urls, file.sha256, folder / file.name, progress, unpacked=file.unpacked)
    return folder


def _key(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
