"""A user's mistakes: one sentence each, the right exit code, and one object with --json."""

import gzip
import json
import re
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from tests.train.small import stripe_folder
from tinyvision import modelfile

FAILED, USAGE = 1, 2


def refused(tinyvision, code: int, pattern: str, *words: object) -> None:
    """Hold a command to its refusal, for people and for programs."""
    done = tinyvision(*words)
    assert done.code == code, done
    sentence = done.err.strip().splitlines()[-1]
    assert re.search(pattern, sentence), done.err
    if code == FAILED:
        assert re.fullmatch(r"tinyvision: .*", sentence)
    told = tinyvision(*words, "--json")
    assert told.code == code
    assert list(told.json) == ["error"]
    assert re.search(pattern, told.json["error"])
    assert told.json["error"] in told.err


@pytest.mark.parametrize(
    ("words", "pattern"),
    [
        (["train", "--epochs", "0"], "epochs"),
        (["train", "--batch", "0"], "batch"),
        (["train", "--lr", "-0.1"], r"lr must be a number above 0, got -0\.1"),
        (["train", "--lr", "nan"], "lr must be a number above 0, got nan"),
        (["train", "--lr", "fast"], "--lr"),
        (["train", "--seed", "-1"], "seed"),
        (["train", "--seed", str(2**64)], r"seed must be in 0 \.\. 2\*\*64 - 1"),
        (["train", "--clip-norm", "0"], "clip_norm must be a number above 0"),
        (["train", "--average", "1"], r"average must be a number in \[0, 1\)"),
        (["train", "--size", "4"], "size"),
        (["train", "--model", "lenet"], "no model 'lenet'; did you mean 'lenet5'"),
        (["train", "--optimizer", "adm"], "no optimizer 'adm'; did you mean 'adam"),
        (["train", "--backend", "cdua"], "no backend 'cdua'; did you mean 'cuda'"),
        (["train", "--epoch", "3"], "--epoch"),
        (["models", "resnet"], "no model 'resnet'; did you mean 'resnet20'"),
        (["predict", "model.safetensors"], "IMAGE|images"),
        (["evaluate"], "MODEL|model"),
        (["trian"], "trian"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage(tinyvision, words, pattern):
    refused(tinyvision, USAGE, pattern, *words)


@pytest.mark.skipif("cupy" in sys.modules, reason="CuPy is here, and perhaps a GPU")
@pytest.mark.parametrize("command", [["train"], ["backends"]])
def test_cuda_without_a_gpu(tinyvision, command):
    refused(tinyvision, FAILED, "backend 'cuda' needs", *command, "--backend", "cuda")


def test_unknown_data(tinyvision):
    refused(tinyvision, USAGE, "'mnits' is neither .* did you mean mnist", "train", "mnits")
    refused(tinyvision, USAGE, "'mnits' is neither .* did you mean mnist", "data", "mnits")
    refused(tinyvision, FAILED, "photos/none", "train", "photos/none")


def test_folders_that_nothing_can_be_learnt_from(tinyvision, tmp_path):
    (tmp_path / "empty").mkdir()
    refused(tinyvision, FAILED, "empty", "train", "empty")
    stripe_folder(tmp_path / "whole", per_class=3)
    (tmp_path / "lone").mkdir()
    (tmp_path / "whole" / "flat").rename(tmp_path / "lone" / "flat")
    refused(tinyvision, FAILED, "one class, 'flat'", "train", "lone")
    (tmp_path / "whole" / "flat").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "whole" / "flat" / "1.png")
    refused(tinyvision, FAILED, "class 'flat' has 1 usable image", "train", "whole")


def test_too_small_images_for_a_model(tinyvision, stripes):
    words = ("train", stripes, "--model", "lenet5", "--size", 8)
    refused(tinyvision, FAILED, "lenet5 needs images of at least 12 x 12 pixels", *words)


# --- files of named sets --------------------------------------------------------------------------


def idx(path: Path, array: np.ndarray, cut: int = 0) -> None:
    """Write an idx file as LeCun describes it, cut short by some bytes."""
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    content = head + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content[: len(content) - cut]))


def mnist(folder: Path, labels: int = 20, cut: int = 0) -> Path:
    folder.mkdir()
    for stem in ("train", "t10k"):
        idx(folder / f"{stem}-images-idx3-ubyte.gz", np.zeros((20, 28, 28)), cut)
        idx(folder / f"{stem}-labels-idx1-ubyte.gz", np.arange(labels) % 10)
    return folder


def test_a_label_file_of_the_wrong_length(tinyvision, tmp_path):
    folder = mnist(tmp_path / "copies", labels=19)
    refused(
        tinyvision, FAILED, "19 labels, but .* has 20 images", "train", "mnist", "--data", folder
    )


def test_a_truncated_idx_file(tinyvision, tmp_path):
    folder = mnist(tmp_path / "copies", cut=5)
    words = ("train", "mnist", "--data", folder)
    refused(tinyvision, FAILED, r"train-images-idx3-ubyte\.gz", *words)


def test_no_such_folder_of_copies(tinyvision):
    refused(tinyvision, FAILED, "no folder nowhere", "train", "mnist", "--data", "nowhere")


# --- model files ----------------------------------------------------------------------------------


def cut_short(model: Path, path: Path) -> None:
    path.write_bytes(model.read_bytes()[:-100])


def no_tinyvision(model: Path, path: Path) -> None:
    save_file({"w": np.zeros(3, np.float32)}, path)


def of_the_future(model: Path, path: Path) -> None:
    content = model.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    head = json.loads(content[8 : 8 + size])
    inner = json.loads(head["__metadata__"]["tinyvision"])
    head["__metadata__"]["tinyvision"] = json.dumps({**inner, "format": 999})
    text = json.dumps(head).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + size :])


@pytest.mark.parametrize(
    ("damage", "pattern"),
    [
        (cut_short, "cut short"),
        (no_tinyvision, "no tinyvision model"),
        (of_the_future, "has format 999"),
        (lambda model, path: path.write_text("hello"), "no safetensors file"),
        (lambda model, path: path.mkdir(), "is a folder"),
        (lambda model, path: None, "there is no model file"),
    ],
)
def test_model_files_that_cannot_be_used(tinyvision, model, stripes, tmp_path, damage, pattern):
    path = tmp_path / "damaged.safetensors"
    damage(model, path)
    refused(
        tinyvision, FAILED, rf"damaged\.safetensors.*{pattern}|{pattern}", "evaluate", path, stripes
    )
    refused(tinyvision, FAILED, pattern, "predict", path, "image.png")
    refused(tinyvision, FAILED, pattern, "train", "--resume", path)


def test_a_finished_model_cannot_be_resumed(tinyvision, model):
    pattern = "holds no run to go on with: give the last.safetensors"
    refused(tinyvision, FAILED, pattern, "train", "--resume", model)


def test_a_run_that_is_done_cannot_be_resumed(tinyvision, model):
    last = model.with_name("last.safetensors")
    refused(tinyvision, FAILED, "the end of a run that has done its", "train", "--resume", last)


def test_settings_beside_resume_are_refused_not_ignored(tinyvision, model):
    words = ("train", "--resume", model.with_name("last.safetensors"), "--epochs", "9")
    refused(tinyvision, USAGE, "leave out --epochs", *words)


def test_a_checkpoint_of_other_data(tinyvision, model, stripes, tmp_path):
    last = modelfile.load(model.with_name("last.safetensors"), with_training=True)
    last.training["recipe"]["epochs"] += 1  # else there is nothing to go on with
    last.training["recipe"]["data"] = str(stripe_folder(tmp_path / "other", per_class=4))
    modelfile.save(last, tmp_path / "last.safetensors")
    words = ("train", "--resume", "last.safetensors")
    refused(tinyvision, FAILED, "not what this run began with", *words)


def test_data_of_other_classes(tinyvision, model):
    refused(
        tinyvision, FAILED, "knows the classes columns, flat, rows", "evaluate", model, "digits"
    )


# --- writing --------------------------------------------------------------------------------------


def test_an_output_folder_that_cannot_be_written_to(tinyvision, stripes, tmp_path):
    (tmp_path / "file").write_text("in the way")
    words = ("train", stripes, "--model", "mlp", "--size", 8, "--out", "file")
    refused(tinyvision, FAILED, r"cannot write file/stripes-mlp/last\.safetensors", *words)
    assert not (tmp_path / "runs").exists()


def test_a_contact_sheet_that_cannot_be_written(tinyvision, stripes):
    words = ("data", stripes, "--sheet", "no/folder/sheet.png")
    refused(tinyvision, FAILED, r"no/folder/sheet\.png", *words)
