"""Loading by name and by folder: where copies are looked for, and what is made of them."""

import functools
import gzip
import hashlib
import http.server
import re
import struct
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinyvision import data
from tinyvision.data import download
from tinyvision.data.named.sources import SOURCES
from tinyvision.data.sets import find_source, load, locate
from tinyvision.errors import DataError, DownloadError

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def no_net_and_no_copies(monkeypatch, tmp_path):
    """Each test starts with an empty cache; whoever asks the net all the same gets no answer."""
    monkeypatch.setenv("TINYVISION_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TINYVISION_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")  # nobody listens there
    monkeypatch.setattr(download, "PAUSE", 0.0)


def idx_bytes(array):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_copy(folder, fill, suffix=""):
    """A tiny MNIST: 40 training and 20 test images, all pixels equal to ``fill`` plus the label."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, n in (("train", 40), ("t10k", 20)):
        labels = np.arange(n, dtype=np.uint8) % 10
        images = np.broadcast_to((labels + fill)[:, None, None], (n, 28, 28))
        for stem, array in (("images-idx3-ubyte", images), ("labels-idx1-ubyte", labels)):
            content = idx_bytes(np.ascontiguousarray(array))
            content = gzip.compress(content) if suffix else content
            (folder / f"{part}-{stem}{suffix}").write_bytes(content)
    return folder


def write_photos(root, classes=("cat", "dog"), n=6):
    for k, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for i in range(n):
            Image.new("RGB", (20 + i, 30), (40 * k, 10 * i, 99)).save(root / name / f"{i}.png")
    return root


def test_a_named_copy_in_root(tmp_path):
    write_copy(tmp_path / "mnist", fill=100)
    splits = load("mnist", root=tmp_path, val=0.25)
    assert (len(splits.train), len(splits.val), len(splits.test)) == (30, 10, 20)
    assert splits.val.counts().tolist() == [1] * 10
    for part in (splits.train, splits.val, splits.test):
        assert part.images.shape[1:] == (28, 28, 1)
        assert np.array_equal(part.images[:, 5, 5, 0], part.labels + 100)
    names = (splits.train.name, splits.val.name, splits.test.name)
    assert names == ("mnist train", "mnist validation", "mnist test")


def test_the_files_in_root_itself_and_the_environment(tmp_path, monkeypatch):
    write_copy(tmp_path / "here", fill=50, suffix=".gz")
    assert load("mnist", root=tmp_path / "here").test.images[0, 0, 0, 0] == 50
    write_copy(tmp_path / "there" / "mnist", fill=60)
    monkeypatch.setenv("TINYVISION_DATA", str(tmp_path / "there"))
    assert load("mnist").test.images[0, 0, 0, 0] == 60
    # What root holds goes before the environment.
    assert load("mnist", root=tmp_path / "here").test.images[0, 0, 0, 0] == 50
    # And an empty root leaves it to the environment.
    (tmp_path / "empty").mkdir()
    assert load("mnist", root=tmp_path / "empty").test.images[0, 0, 0, 0] == 60


def test_an_incomplete_copy_is_named_instead_of_downloaded(tmp_path):
    folder = write_copy(tmp_path / "mnist", fill=0)
    (folder / "t10k-images-idx3-ubyte").unlink()
    with pytest.raises(DataError, match=r"mnist holds no t10k-images-idx3-ubyte"):
        load("mnist", root=tmp_path)


def test_a_root_that_is_no_folder_is_refused(tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"no folder .*nowhere to look for data sets in \(root\)"):
        load("mnist", root=tmp_path / "nowhere")
    monkeypatch.setenv("TINYVISION_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"nowhere to look .* \(TINYVISION_DATA\)"):
        load("mnist")


def test_another_sets_files_are_not_taken_for_this_set(data_root):
    """MNIST and Fashion-MNIST use the same file names; only the content tells."""
    fashion = SOURCES["fashion-mnist"]
    assert fashion.holds(data_root / "fashion-mnist")
    assert not fashion.holds(data_root / "mnist")
    assert not SOURCES["mnist"].holds(data_root / "fashion-mnist")


def test_the_registered_checksums_are_those_of_the_real_files(data_root):
    for name in ("mnist", "fashion-mnist"):
        for file in SOURCES[name].files:
            content = gzip.decompress((data_root / name / file.name).read_bytes())
            assert hashlib.sha256(content).hexdigest() == file.sha256, file.name


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_describes_itself_rightly(name, data_root, request):
    source = SOURCES[name]
    root = data_root
    if name == "cifar10":
        root = request.getfixturevalue("cifar10_folder").parent
    if name == "digits":
        pytest.importorskip("sklearn")
    splits = load(name, root=root)
    assert source.name == name
    assert splits.train.classes == source.classes
    assert splits.train.image_shape == source.image_shape
    whole = sum(len(part) for part in (splits.train, splits.val, splits.test))
    assert f"{whole:,}" in source.description
    for part in (splits.train, splits.val, splits.test):
        assert (part.counts() > 0).all()
    for file in source.files:
        assert re.fullmatch("[0-9a-f]{64}", file.sha256)
        assert len(file.urls) >= 2
        assert all(url.endswith(f"/{file.name}") for url in file.urls)


def test_shapes_are_the_same_for_every_seed_and_drawn_at_the_size():
    first, second = load("shapes", seed=0), load("shapes", seed=1)
    assert np.array_equal(first.test.images, second.test.images)
    assert not np.array_equal(first.val.images, second.val.images)
    assert (len(first.train), len(first.val), len(first.test)) == (8100, 900, 1000)
    small = load("shapes", size=(12, 16), channels=1)
    assert small.train.image_shape == (12, 16, 1)
    expected = data.make_shapes(10_000, (12, 16)).images[9000]  # drawn, not shrunk
    grey = np.asarray(Image.fromarray(expected).convert("L"))
    assert np.array_equal(small.test.images[0, :, :, 0], grey)


def test_digits_are_split_by_seed():
    pytest.importorskip("sklearn")
    splits = load("digits", val=0.1, test=0.2, seed=3)
    assert len(splits.train) + len(splits.val) + len(splits.test) == 1797
    assert len(splits.test) == pytest.approx(0.2 * 1797, abs=10)
    again, other = load("digits", seed=3), load("digits", seed=4)
    assert np.array_equal(splits.test.images, again.test.images)
    assert not np.array_equal(splits.test.labels, other.test.labels)


def test_a_named_set_is_brought_to_size_and_channels(tmp_path):
    write_copy(tmp_path / "mnist", fill=100)
    splits = load("mnist", root=tmp_path, size=(14, 32), channels=3, fit="stretch")
    for part in (splits.train, splits.val, splits.test):
        assert part.image_shape == (14, 32, 3)
        # Even images stay what they are at any size, in all three channels.
        assert (part.images == (part.labels + 100)[:, None, None, None]).all()
    padded = load("mnist", root=tmp_path, size=(28, 32), fit="pad")
    assert (padded.test.images[:, :, :2] == 0).all()
    assert (padded.test.images[:, :, 2:-2] >= 100).all()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("fit", ["crop", "stretch", "pad"])
def test_an_image_of_a_named_set_is_the_same_when_predicted_alone(
    tmp_path, monkeypatch, fit, channels
):
    noise = np.random.default_rng(0).integers(0, 256, (12, 16, 20, 3), np.uint8)
    whole = data.Dataset(noise, np.arange(12) % 2, ("a", "b"), "noise")
    source = replace(SOURCES["shapes"], name="noise", read=lambda folder, size: (whole, whole))
    monkeypatch.setitem(SOURCES, "noise", source)
    test = load("noise", size=(9, 14), fit=fit, channels=channels).test
    steps = data.Preprocess((9, 14), channels, fit)
    for image, prepared in zip(noise, steps.batch(test.images), strict=True):
        Image.fromarray(image).save(tmp_path / "one.png")
        assert np.array_equal(steps.file(tmp_path / "one.png"), prepared)


def test_a_folder_is_loaded_with_its_defaults(tmp_path):
    splits = load(write_photos(tmp_path / "photos"), val=0.2, test=0.2)
    assert splits.train.image_shape == (64, 64, 3)
    assert splits.classes == ("cat", "dog")
    calls = []
    gray = load(
        str(tmp_path / "photos"),
        size=(10, 12),
        channels=1,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert gray.image_shape == (10, 12, 1)
    assert calls[-1] == (12, 12)


def test_a_name_wins_over_a_folder_unless_it_is_a_path(tmp_path, monkeypatch):
    write_photos(tmp_path / "shapes")
    write_photos(tmp_path / "pets")
    monkeypatch.chdir(tmp_path)
    assert load("shapes").classes != ("cat", "dog")
    for folder in ("./shapes", "shapes/", Path("shapes"), "pets", "../" + tmp_path.name + "/pets"):
        assert load(folder).classes == ("cat", "dog")


SPELLINGS = {
    "MNIST": "mnist",
    "Fashion_MNIST": "fashion-mnist",
    "fashionmnist": "fashion-mnist",
    "CIFAR-10": "cifar10",
    "cifar_10": "cifar10",
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_spelling_variants_of_a_name_are_understood(name):
    assert find_source(name) is SOURCES[SPELLINGS[name]]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("mnsit", "did you mean mnist"),
        ("cifar", "did you mean cifar10"),
        ("fashion", "did you mean fashion-mnist"),
        ("shape", "did you mean shapes"),
        ("petz", "did you mean pets"),
        ("qqqqqq", "neither a data set nor a folder; the sets are shapes, digits, mnist, "),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(name, hint, tmp_path, monkeypatch):
    (tmp_path / "pets").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=f"'{name}' is neither .*") as caught:
        load(name)
    caught.match(hint)


@pytest.mark.parametrize("name", ["~nobody-of-this-name", "~nobody-of-this-name/photos"])
def test_the_home_of_an_unknown_user_is_refused(name):
    with pytest.raises(DataError, match=f"{name}: the home folder that its ~ stands for"):
        load(name)


def test_a_missing_path_is_called_a_missing_folder(tmp_path):
    for folder in (tmp_path / "gone", str(tmp_path / "gone"), "./gone"):
        with pytest.raises(DataError, match=r"There is no folder .*gone"):
            load(folder)


@pytest.mark.parametrize("wrong", [{"size": 28}, {"size": (0, 5)}, {"channels": 2}, {"fit": "cut"}])
def test_a_wrong_argument_is_refused_before_anything_is_loaded(wrong):
    with pytest.raises(DataError):
        load("mnist", **wrong)


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        """Keep the test's output clean."""


@pytest.fixture
def mirror(tmp_path):
    """A mirror on this machine with a small set; the registered one with its URLs and checksums."""
    folder = write_copy(tmp_path / "mirror", fill=7, suffix=".gz")
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        base = f"http://127.0.0.1:{server.server_address[1]}"
        files = tuple(
            replace(
                file,
                urls=(f"{base}/not-here/{file.name}", f"{base}/{file.name}"),
                sha256=hashlib.sha256(
                    gzip.decompress((folder / file.name).read_bytes())
                ).hexdigest(),
            )
            for file in SOURCES["mnist"].files
        )
        yield replace(SOURCES["mnist"], files=files)
        server.shutdown()
        thread.join()


def test_a_set_is_downloaded_once_and_then_read_from_the_cache(mirror, tmp_path, monkeypatch):
    monkeypatch.setitem(SOURCES, "mnist", mirror)
    calls = []
    splits = load("mnist", progress=lambda done, total: calls.append((done, total)))
    assert splits.test.images[3, 0, 0, 0] == 10
    assert calls
    folder = tmp_path / "cache" / "mnist"
    assert sorted(path.name for path in folder.iterdir()) == sorted(f.name for f in mirror.files)
    offline = replace(mirror, files=tuple(replace(file, urls=()) for file in mirror.files))
    assert locate(offline) == folder  # no mirror is asked again


def test_without_a_net_the_error_names_the_mirrors(monkeypatch):
    monkeypatch.setattr(download, "ATTEMPTS", 1)
    with pytest.raises(DownloadError, match=r"ossci-datasets.*cvdf-datasets.*yourself") as caught:
        load("mnist")
    assert "\n" not in str(caught.value)


def test_the_data_package_is_light():
    """Importing it loads neither requests nor scikit-learn: both take long, and few need them."""
    code = (
        "import sys, tinyvision.data; "
        "heavy = {'requests', 'sklearn', 'scipy'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        cwd=REPOSITORY,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
