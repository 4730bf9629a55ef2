"""The data sets that have a name: what they are, where they come from, how they are read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..dataset import Dataset
from ..download import sha256_of
from . import cifar, digits, idx, shapes

Size = tuple[int, int]  # height, width
Parts = tuple[Dataset, Dataset | None]  # training and test part; None: the set is not divided


@dataclass(frozen=True)
class RemoteFile:
    """A file of a data set on the net.

    Parameters
    ----------
    name : str
        Its name in the set's folder.
    urls : tuple of str
        Mirrors, the preferred one first.
    sha256 : str
        What makes a download the right file.
    unpacked : bool
        The checksum is that of the content after gunzip.
    """

    name: str
    urls: tuple[str, ...]
    sha256: str
    unpacked: bool = False


@dataclass(frozen=True)
class DataSource:
    """A data set that can be loaded by name.

    Parameters
    ----------
    name : str
    description : str
        One line.
    image_shape : tuple of int
        (H, W, C) as the set comes.
    classes : tuple of str
    files : tuple of RemoteFile
        What to download; empty for a built-in set.
    holds : callable
        Tells whether a folder has a copy, complete or not.
    read : callable
        Takes the folder with the files and the image size that is wanted (None: as the set comes),
        and returns the training and the test part. Only a set that is drawn heeds the size, and
        only one that has files heeds the folder.
    """

    name: str
    description: str
    image_shape: tuple[int, int, int]
    classes: tuple[str, ...]
    files: tuple[RemoteFile, ...]
    holds: Callable[[Path], bool]
    read: Callable[[Path, Size | None], Parts]


def _idx_source(
    name: str,
    description: str,
    classes: tuple[str, ...],
    mirrors: tuple[str, ...],
    checksums: dict[str, str],
) -> DataSource:
    """Describe a set of four idx files.

    The checksums are those of the unpacked content: copies in circulation differ in their packing.
    """

    def holds(folder: Path) -> bool:
        if not any(idx.find_idx_file(folder, stem) for stem in checksums):
            return False
        # All such sets use the same file names: see to it that these are not another set's.
        labels = idx.find_idx_file(folder, _LABELS)
        owner = _OWNERS.get(sha256_of(labels, unpacked=True), name) if labels else name
        return owner == name

    return DataSource(
        name=name,
        description=description,
        image_shape=(28, 28, 1),
        classes=classes,
        files=tuple(
            RemoteFile(f"{stem}.gz", tuple(f"{url}{stem}.gz" for url in mirrors), sha256, True)
            for stem, sha256 in checksums.items()
        ),
        holds=holds,
        read=lambda folder, size: idx.load_idx_set(folder, name, classes),
    )


_LABELS = "train-labels-idx1-ubyte"

MNIST = _idx_source(
    "mnist",
    "70,000 handwritten digits, grey, 28 x 28 (LeCun, Cortes, Burges 1998)",
    tuple("0123456789"),
    (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    {
        "train-images-idx3-ubyte": (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
        ),
        "train-labels-idx1-ubyte": (
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
        ),
        "t10k-images-idx3-ubyte": (
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
        ),
        "t10k-labels-idx1-ubyte": (
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
        ),
    },
)

FASHION_MNIST = _idx_source(
    "fashion-mnist",
    "70,000 pieces of clothing, grey, 28 x 28 (Xiao, Rasul, Vollgraf 2017)",
    (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    (
        # Plain http: this host has no certificate. The checksum is what vouches for the content.
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
    {
        "train-images-idx3-ubyte": (
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"
        ),
        "train-labels-idx1-ubyte": (
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"
        ),
        "t10k-images-idx3-ubyte": (
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"
        ),
        "t10k-labels-idx1-ubyte": (
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"
        ),
    },
)

# The label files' checksums tell whose files these are.
_OWNERS = {
    file.sha256: source.name
    for source in (MNIST, FASHION_MNIST)
    for file in source.files
    if file.name == f"{_LABELS}.gz"
}

CIFAR10 = DataSource(
    name="cifar10",
    description="60,000 photos of animals and vehicles, 32 x 32 (Krizhevsky 2009)",
    image_shape=(32, 32, 3),
    classes=cifar.CLASSES,
    files=(
        RemoteFile(
            cifar.ARCHIVE,
            (
                "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                "https://cave.cs.toronto.edu/kriz/cifar-10-binary.tar.gz",
            ),
            # The archive with the MD5 c32a1d4a... of the authors' page; the SHA-256 as recorded
            # by TensorFlow Datasets (url_checksums/cifar10.txt).
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        ),
    ),
    holds=lambda folder: cifar.find_cifar10(folder) is not None,
    read=lambda folder, size: cifar.load_cifar10(folder),
)

SHAPES_TRAIN, SHAPES_TEST = 9_000, 1_000


def _read_shapes(folder: Path, size: Size | None) -> Parts:
    """Draw the set: the same images for everyone, as with a set that is downloaded."""
    drawn = shapes.make_shapes(SHAPES_TRAIN + SHAPES_TEST, size or 32)
    return (
        drawn.subset(range(SHAPES_TRAIN), "shapes train"),
        drawn.subset(range(SHAPES_TRAIN, len(drawn)), "shapes test"),
    )


SHAPES = DataSource(
    name="shapes",
    description="10,000 coloured shapes of any size, drawn on the spot, no download",
    image_shape=(32, 32, 3),
    classes=shapes.CLASSES,
    files=(),
    holds=lambda folder: False,
    read=_read_shapes,
)

DIGITS = DataSource(
    name="digits",
    description="1,797 handwritten digits, grey, 8 x 8, from scikit-learn (Alpaydin, Kaynak 1998)",
    image_shape=(8, 8, 1),
    classes=digits.CLASSES,
    files=(),
    holds=lambda folder: False,
    read=lambda folder, size: (digits.load_digits(), None),
)

SOURCES = {source.name: source for source in (SHAPES, DIGITS, MNIST, FASHION_MNIST, CIFAR10)}
