"""What is no model file, or a damaged one, is refused in a sentence that names the file."""

import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import tinyvision as tv
from tests.model_files import GOLDEN, header_of
from tinyvision.errors import ModelFileError

Change = Callable[[dict[str, Any]], Any]


@pytest.fixture(autouse=True)
def on_the_reference() -> Iterator[None]:
    with tv.using("reference"):
        yield


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"there is no model file .*absent.safetensors"):
        tv.load(tmp_path / "absent.safetensors")


def test_a_folder_is_no_model_file(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="is a folder"):
        tv.load(tmp_path)


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 9, 500, 0.5, -1])
def test_a_file_cut_short_anywhere(tmp_path: Path, kept: float) -> None:
    content = GOLDEN.read_bytes()
    length = int(kept * len(content)) if isinstance(kept, float) else kept
    path = tmp_path / "cut.safetensors"
    path.write_bytes(content[:length])
    with pytest.raises(ModelFileError, match=r"cut.safetensors is no safetensors file, or was cut"):
        tv.load(path)


@pytest.mark.parametrize(
    "content",
    [
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"just a line of text\n",
        b"\xff" * 64,
        struct.pack("<Q", 2),
    ],
)
def test_a_file_of_another_kind(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="is no safetensors file"):
        tv.load(path)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_a_safetensors_file_of_someone_else(
    tmp_path: Path, metadata: dict[str, str] | None
) -> None:
    save_file({"w": np.zeros(3)}, tmp_path / "other.safetensors", metadata)
    with pytest.raises(ModelFileError, match="no tinyvision model"):
        tv.load(tmp_path / "other.safetensors")


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "[]", "3", "null", '{"format": "one"}'])
def test_a_damaged_header(tmp_path: Path, text: str) -> None:
    path = tmp_path / "model.safetensors"
    save_file(load_file(GOLDEN), path, {"tinyvision": text})
    with pytest.raises(ModelFileError, match=r"model.safetensors: the 'tinyvision' header"):
        tv.load(path)


def set_to(key: str, value: Any) -> Change:
    def change(header: dict[str, Any]) -> None:
        header[key] = value

    return change


def layer(index: int, **settings: Any) -> Change:
    def change(header: dict[str, Any]) -> None:
        header["architecture"]["layers"][index] |= settings

    return change


def nested(depth: int) -> dict[str, Any]:
    """Describe a layer that is the body of a layer that is the body of a layer ..."""
    data: dict[str, Any] = {"layer": "ReLU"}
    for _ in range(depth):
        data = {"layer": "Residual", "body": data}
    return data


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (set_to("format", 2), "has format 2, this tinyvision .* reads up to 1: upgrade"),
        (set_to("format", 0), "names no format"),
        (set_to("format", 1.5), "names no format"),
        (set_to("format", True), "names no format"),
        (lambda h: h.pop("labels"), "the header has no 'labels'"),
        (lambda h: h.pop("architecture"), "the header has no 'architecture'"),
        (set_to("architecture", "Conv2d"), "the architecture is no layer"),
        (set_to("architecture", {"layer": ["Conv2d"]}), r"there is no layer \['Conv2d'\]"),
        (layer(0, layer="Conv3d"), "there is no layer 'Conv3d'.*did you mean 'Conv2d'"),
        (layer(0, layer="os.system"), "there is no layer 'os.system'"),
        (layer(0, speed=9), "'Conv2d' refuses its settings .*speed"),
        (layer(0, filters="many"), "filters"),
        (layer(0, filters=5), "Residual 'residual1': the body returns .*4.*, the shortcut .*5"),
        (layer(0, kernel_size=5), r"conv1.w: the model has shape \(5, 5.*, the state \(3, 3"),
        (layer(3, window=50), "v1.safetensors: .*50"),
        (set_to("input_shape", [8, 6]), r"\(8, 6\)"),
        (set_to("input_shape", 8), "does not fit the format"),
        (set_to("input_shape", [8, 6, 1]), "must be equal"),
        (set_to("labels", "abc"), "the labels must be a list of names"),
        (set_to("labels", [1, 2, 3]), "the labels must be a list of names"),
        (set_to("labels", ["a", "b", "a"]), "the label 'a' is used more than once"),
        (layer(-1, units=10**13), "its model does not fit into memory: Unable to allocate"),
        (lambda h: h["architecture"]["layers"].insert(0, nested(600)), "does not fit the format"),
        (set_to("labels", ["a", "b"]), "names 2 labels, but the model has 3 outputs"),
        (set_to("preprocess", {}), "Preprocess: missing"),
        (set_to("preprocess", None), "Preprocess: expected"),
        (set_to("metrics", 3), "does not fit the format"),
    ],
)
def test_a_header_that_makes_no_model(tmp_path: Path, change: Change, reason: str) -> None:
    header = header_of(GOLDEN)
    change(header)
    path = tmp_path / GOLDEN.name
    save_file(load_file(GOLDEN), path, {"tinyvision": json.dumps(header)})
    with pytest.raises(ModelFileError, match=reason) as caught:
        tv.load(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t.pop("model/dense1.b"), r"missing \['dense1.b'\], left over none"),
        (lambda t: t.update({"model/x": np.ones(2)}), r"missing none, left over \['x'\]"),
        (
            lambda t: t.update({"model/dense1.b": np.ones(2)}),
            r"dense1.b: the model has shape \(3,\), the state \(2,\)",
        ),
    ],
)
def test_tensors_that_do_not_fit_the_architecture(
    tmp_path: Path, change: Change, reason: str
) -> None:
    tensors = load_file(GOLDEN)
    change(tensors)
    path = tmp_path / "model.safetensors"
    save_file(tensors, path, {"tinyvision": json.dumps(header_of(GOLDEN))})
    with pytest.raises(ModelFileError, match=reason):
        tv.load(path)


def test_a_path_that_cannot_be_looked_at(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="cannot be read: File name too long"):
        tv.load(tmp_path / ("n" * 300))


def test_numbers_of_a_type_that_numpy_lacks(tmp_path: Path) -> None:
    metadata = {"tinyvision": json.dumps(header_of(GOLDEN))}
    tensors = {"model/w": {"dtype": "F8_E5M2", "shape": [4], "data_offsets": [0, 4]}}
    header = json.dumps({"__metadata__": metadata, **tensors}).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    with pytest.raises(ModelFileError, match=r"tensor .model/w. cannot be read: .*float8"):
        tv.load(path)
