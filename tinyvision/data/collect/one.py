"""Download one image."""

from pathlib import Path
from tempfile import TemporaryDirectory

from ...errors import DownloadError
from ...files import write_atomically
from ..answers import RefusedError
from .checks import check
from .naming import file_name, with_suffix_of
from .outcome import FailedError


def download_image(
    url: str,
    save_path: Path | str,
    *,
    max_bytes: int = 50_000_000,
    timeout: float = 30.0,
    allow_private: bool = False,
    keep_location: bool = False,
) -> Path:
    """Download one image, whole and checked, under the ending of what it is.

    Parameters
    ----------
    url : str
    save_path : path
        The file to write; one that is there is replaced. An ending that does not fit the content is
        replaced, and a missing one added (``cat.jpg`` of a PNG becomes ``cat.png``). For a folder
        that is there, the name is made from the address and the content.
    max_bytes, timeout, allow_private, keep_location
        As for :func:`tinyvision.data.collect`.

    Returns
    -------
    Path
        Where it was saved.

    Raises
    ------
    DownloadError
        It could not be downloaded, or is no image.
    OSError
        It cannot be written; a file that was there is intact.
    """
    from .fetch import Fetcher

    fetcher = Fetcher(max_bytes=max_bytes, timeout=timeout, allow_private=allow_private)
    try:
        with TemporaryDirectory(prefix="tinyvision-") as folder:
            arrived = Path(folder) / "image"
            fetcher.fetch(url, arrived)
            image = check(arrived.read_bytes(), keep_location=keep_location)
    except (RefusedError, FailedError) as error:
        raise DownloadError(f"{url} {error}.") from None
    finally:
        fetcher.close()
    path = Path(save_path).expanduser()
    if path.is_dir():
        path = path / file_name(url, image.sha256, image.format)
    else:
        path = with_suffix_of(path, image.format)
    write_atomically(path, image.content)
    return path
