"""The model file: what it keeps, files of every released format, and a disk that fails."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file

import tinyvision as tv
from tests.model_files import GOLDEN, header_of, small_file
from tinyvision import modelfile, nn
from tinyvision.errors import ModelFileError

linux = pytest.mark.skipif(sys.platform != "linux", reason="limits a process as Linux does")


@pytest.fixture(autouse=True)
def on_the_reference() -> Iterator[None]:
    with tv.using("reference"):
        yield


def image(shape: tuple[int, ...], seed: int = 3) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def logits(file: tv.ModelFile, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    with tv.no_grad():
        return file.model(tv.Tensor(file.preprocess.batch(images))).numpy()


# --- a file of every released format ----------------------------------------------------------


def golden_logits(x: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Compute what the golden model says of one image (8, 6, 3), in plain NumPy from the formulas.

    conv 3x3 same -> batch norm -> ReLU -> max-pool 2 -> h + leaky(conv 1x1 of h) -> dense
    """
    w = {name: array.astype(np.float64) for name, array in load_file(GOLDEN).items()}
    h = (x / 255 - [0.45, 0.5, 0.55]) / [0.2, 0.25, 0.3]
    padded = np.zeros((10, 8, 3))
    padded[1:-1, 1:-1] = h
    h = np.array(
        [
            [np.tensordot(padded[i : i + 3, j : j + 3], w["model/conv1.w"], 3) for j in range(6)]
            for i in range(8)
        ]
    )
    scale = w["model/norm1.gamma"] / np.sqrt(w["model/norm1.running_var"] + 1e-5)
    h = (h - w["model/norm1.running_mean"]) * scale + w["model/norm1.beta"]
    h = np.maximum(h, 0)
    h = np.array([[h[i : i + 2, j : j + 2].max((0, 1)) for j in (0, 2, 4)] for i in (0, 2, 4, 6)])
    inner = h @ w["model/residual1.body.conv1.w"][0, 0] + w["model/residual1.body.conv1.b"]
    h = h + np.where(inner > 0, inner, 0.2 * inner)
    return h.ravel() @ w["model/dense1.w"] + w["model/dense1.b"]


def test_a_golden_file_predicts_what_the_formulas_say() -> None:
    file = tv.load(GOLDEN)
    images = image((4, 8, 6, 3))
    expected = np.stack([golden_logits(x) for x in images])
    assert np.ptp(expected, axis=0).min() > 0.1  # the images matter
    np.testing.assert_allclose(logits(file, images), expected, rtol=1e-5, atol=1e-5)


def test_a_golden_file_is_read_whole() -> None:
    file = tv.load(GOLDEN, with_training=True)
    assert file.input_shape == (8, 6, 3)
    assert file.labels == ("circle", "square", "star")
    assert file.preprocess == tv.data.Preprocess(
        (8, 6), 3, "stretch", mean=(0.45, 0.5, 0.55), std=(0.2, 0.25, 0.3)
    )
    assert file.metrics == {"test": {"accuracy": 0.875}}
    assert file.training["recipe"] == {"data": "shapes", "seed": 5}
    assert file.version == "0.1.0"
    assert {n: a.shape for n, a in file.tensors.items()} == {"momentum": (7,), "steps": ()}
    assert tv.load(GOLDEN).tensors == {}


def test_what_is_written_today_equals_the_golden_file(tmp_path: Path) -> None:
    file = tv.load(GOLDEN, with_training=True)
    tv.save(file, tmp_path / "again.safetensors")
    assert header_of(tmp_path / "again.safetensors") == header_of(GOLDEN)
    before, after = load_file(GOLDEN), load_file(tmp_path / "again.safetensors")
    assert before.keys() == after.keys()
    for name, array in before.items():
        np.testing.assert_array_equal(array, after[name], strict=True)


# --- there and back ---------------------------------------------------------------------------


def test_a_loaded_model_predicts_the_same_bits(tmp_path: Path) -> None:
    file = small_file()
    file.model.eval()
    tv.save(file, tmp_path / "deep" / "model.safetensors")  # the folder is made
    again = tv.load(tmp_path / "deep" / "model.safetensors")
    images = image((3, 5, 4, 1))
    np.testing.assert_array_equal(logits(again, images), logits(file, images))
    assert not again.model.training


def test_a_layer_of_ones_own_is_found_by_its_name(tmp_path: Path) -> None:
    class Halve(nn.Layer):
        def forward(self, x: tv.Tensor) -> tv.Tensor:
            return x * 0.5

    file = small_file()
    plain = logits(file, image((1, 5, 4, 1)))
    file.model = nn.Sequential(*file.model, Halve())
    file.model.build((5, 4, 1))
    tv.save(file, tmp_path / "model.safetensors")
    again = tv.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(logits(again, image((1, 5, 4, 1))), plain / 2)


def test_figures_json_does_not_know_are_kept_as_it_can(tmp_path: Path) -> None:
    file = small_file()
    file.metrics = {"loss": float("nan"), "worst": float("inf"), "count": np.int64(3)}
    file.training = {"history": [{"accuracy": np.float32(0.5)}], "classes": ("a", "b")}
    tv.save(file, tmp_path / "model.safetensors")
    again = tv.load(tmp_path / "model.safetensors")
    assert again.metrics == {"loss": None, "worst": None, "count": 3}
    assert again.training == {"history": [{"accuracy": 0.5}], "classes": ["a", "b"]}


def test_labels_keep_every_letter(tmp_path: Path) -> None:
    file = small_file()
    file.labels = ("Käfer 🐞", 'a "b" \\ \n')
    tv.save(file, tmp_path / "model.safetensors")
    assert tv.load(tmp_path / "model.safetensors").labels == file.labels


def test_weights_come_back_as_float32(tmp_path: Path) -> None:
    file = small_file()
    file.model.astype(np.float64)
    tv.save(file, tmp_path / "model.safetensors")
    again = tv.load(tmp_path / "model.safetensors")
    assert {p.dtype.name for p in again.model.parameters()} == {"float32"}


def test_a_file_has_the_rights_of_any_other_new_file(tmp_path: Path) -> None:
    plain, model = tmp_path / "plain", tmp_path / "model.safetensors"
    plain.touch()
    tv.save(small_file(), model)
    assert stat.S_IMODE(model.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "runs" / "3.safetensors", tmp_path / "latest.safetensors"
    link.symlink_to(target)
    tv.save(small_file(), link)
    assert link.is_symlink()
    assert target.is_file()
    assert tv.load(link).labels == ("cat", "dog")


# --- what save refuses ------------------------------------------------------------------------


def test_a_model_without_weights_is_not_saved(tmp_path: Path) -> None:
    file = small_file()
    file.model = nn.Sequential(nn.Dense(2))
    with pytest.raises(ValueError, match="build it first"):
        tv.save(file, tmp_path / "model.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_preprocessing_must_fit_the_model(tmp_path: Path) -> None:
    file = small_file()
    file.preprocess = tv.data.Preprocess((5, 5), 1)
    with pytest.raises(ModelFileError, match=r"\(5, 4, 1\).*makes \(5, 5, 1\)"):
        tv.save(file, tmp_path / "model.safetensors")


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (("cat", "dog", "cow"), "names 3 labels, but the model has 2 outputs"),
        (("cat", "cat"), "the label 'cat' is used more than once"),
    ],
)
def test_what_could_not_be_loaded_is_not_saved(
    tmp_path: Path, labels: tuple[str, ...], reason: str
) -> None:
    file = small_file()
    file.labels = labels
    with pytest.raises(ModelFileError, match=reason):
        tv.save(file, tmp_path / "model.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_a_model_built_for_other_images_is_not_saved(tmp_path: Path) -> None:
    file = small_file()
    file.input_shape = (6, 6, 1)
    file.preprocess = tv.data.Preprocess((6, 6), 1)
    with pytest.raises(tv.errors.ShapeError, match="Dense 'dense1': input has I=64 features"):
        tv.save(file, tmp_path / "model.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_saving_changes_neither_mode_nor_random_stream(tmp_path: Path) -> None:
    file = small_file()
    file.model.train()
    before = tv.random.state()
    tv.save(file, tmp_path / "model.safetensors")
    assert file.model.training
    assert tv.random.state() == before


@linux
def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    tv.save(small_file(seed=1), path)
    before = path.read_bytes()
    # The system cuts off what the child writes as a full disk would, only with another reason.
    message = save_in_child(path, setup="resource.setrlimit(resource.RLIMIT_FSIZE, (999, 999))")
    assert message == f"cannot write {path}: File too large (the file that was there is intact)"
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]


@linux
def test_a_folder_one_may_not_write_to(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    path = folder / "model.safetensors"
    tv.save(small_file(seed=1), path)
    before = path.read_bytes()
    folder.chmod(0o555)
    # Root may write everywhere, so the child gives up all its capabilities first.
    message = save_in_child(
        path,
        setup="header, none = (c_uint32 * 2)(0x20080522, 0), (c_uint32 * 6)()\n"
        "assert CDLL(None).capset(header, none) == 0",
    )
    folder.chmod(0o755)
    assert message == f"cannot write {path}: Permission denied (the file that was there is intact)"
    assert path.read_bytes() == before
    assert [p.name for p in folder.iterdir()] == ["model.safetensors"]


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("file/model.safetensors", "file is a file, not a folder"),
        ("file/deeper/model.safetensors", "Not a directory"),
        ("folder", "Is a directory"),
        ("n" * 300, "File name too long"),
    ],
)
def test_a_place_no_file_can_have(tmp_path: Path, place: str, reason: str) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=reason) as caught:
        tv.save(small_file(), tmp_path / place)
    assert str(caught.value).startswith(f"cannot write {tmp_path / place}: ")
    assert "intact" not in str(caught.value)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["file", "folder"]


@linux
def test_a_pipe_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match=r"cannot write .*: it is a device or a pipe, not a file"):
        tv.save(small_file(), pipe)
    assert pipe.is_fifo()
    assert [p.name for p in tmp_path.iterdir()] == ["pipe"]


def test_a_kill_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    tv.save(small_file(seed=1), path)
    before = path.read_bytes()
    script = (
        "import os, pathlib, tinyvision.files as files\n"
        "os.fsync = lambda handle: os.kill(os.getpid(), 9)  # the power goes before the flush\n"
        f"files.write_atomically(pathlib.Path({str(path)!r}), b'half')"
    )
    done = subprocess.run([sys.executable, "-c", script], env=child_environment(), check=False)
    assert done.returncode == -9
    assert path.read_bytes() == before


def test_reading_names_the_header_without_the_tensors_of_training() -> None:
    header, tensors = modelfile.read(GOLDEN, with_training=False)
    assert header["labels"] == ["circle", "square", "star"]
    assert all(name.startswith("model/") for name in tensors)


def child_environment() -> dict[str, str]:
    root = Path(__file__).parents[1]
    return {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root / 'kernels'}"}


def save_in_child(path: Path, setup: str) -> str:
    """Overwrite ``path`` in a process that ``setup`` has weakened; return the error it met."""
    script = (
        "import resource\n"
        "from ctypes import CDLL, c_uint32\n"
        "import tinyvision as tv\n"
        "tv.use('reference')\n"
        f"file = tv.load({str(path)!r})\n"
        "from safetensors import numpy\n"  # loaded before rights are given up
        f"{setup}\n"
        "try:\n"
        f"    tv.save(file, {str(path)!r})\n"
        "except OSError as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-B", "-c", script]
    environment = child_environment()
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
