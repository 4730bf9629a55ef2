"""evaluate, predict, data, models, backends: their answers, for people and as one JSON object."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tinyvision as tv
from tests.data.folders import BROKEN
from tests.train.small import stripe_folder
from tinyvision import data
from tinyvision.data import Batches, Dataset, Preprocess
from tinyvision.inference import align_labels, predict, probabilities
from tinyvision.modelfile import ModelFile
from tinyvision.train import evaluate

ROOT = Path(__file__).parents[2]

# --- evaluate -------------------------------------------------------------------------------------


def test_evaluate_measures_on_the_very_same_test_part(tinyvision, model, stripes):
    facts = tinyvision("evaluate", model, stripes, "--json").json
    file = tv.load(model)
    assert facts["confusion"] == file.metrics["test"]["confusion"]
    assert facts["log_loss"] == file.metrics["test"]["log_loss"]
    splits = data.load(stripes, size=(12, 12), channels=1, seed=3)  # the seed of its training
    batches = Batches(splits.test, file.preprocess, 256)
    assert facts["loss"] == evaluate(file.model, batches).loss
    other = data.load(stripes, size=(12, 12), channels=1, seed=0)
    assert not np.array_equal(other.test.images, splits.test.images)


def test_evaluate_json_has_every_figure(tinyvision, model, stripes):
    facts = tinyvision("evaluate", model, stripes, "--json").json
    assert {"accuracy", "precision", "recall", "f1", "per_class", "confusion"} <= facts.keys()
    assert facts["part"] == "test"
    confusion = np.array(facts["confusion"])
    assert confusion.sum() == 12
    assert facts["accuracy"] == np.trace(confusion) / 12
    assert facts["recall"] == pytest.approx((np.diag(confusion) / confusion.sum(1)).mean())
    assert [row["class"] for row in facts["per_class"]] == ["columns", "flat", "rows"]


@pytest.mark.parametrize(("part", "count"), [("train", 42), ("val", 6), ("test", 12), ("all", 60)])
def test_evaluate_takes_any_part(tinyvision, model, stripes, part, count):
    facts = tinyvision("evaluate", model, stripes, "--part", part, "--json").json
    assert np.sum(facts["confusion"]) == count


def test_evaluate_new_images_of_some_classes(tinyvision, model, tmp_path):
    """A folder need not have every class, nor enough images to be split."""
    new = stripe_folder(tmp_path / "new", per_class=1)
    for path in (new / "flat").iterdir():
        path.unlink()
    (new / "flat").rmdir()
    (new / "rows" / "torn.png").write_bytes(b"torn")
    facts = tinyvision("evaluate", model, new, "--part", "all", "--json").json
    assert np.array(facts["confusion"]).sum(1).tolist() == [1, 0, 1]  # columns, flat, rows
    assert [skipped["path"] for skipped in facts["skipped"]] == [str(new / "rows" / "torn.png")]


def test_evaluate_all_of_a_named_set(tinyvision, tmp_path):
    path = tinyvision("train", "digits", "--model", "mlp", "--epochs", 1, "--json").json["path"]
    facts = tinyvision("evaluate", path, "digits", "--part", "all", "--json").json
    assert np.sum(facts["confusion"]) == 1797


def test_evaluate_without_images(tinyvision, tmp_path):
    few = stripe_folder(tmp_path / "few", per_class=2)
    words = ("--model", "mlp", "--size", 8, "--epochs", 1, "--json")
    path = tinyvision("train", few, *words).json["path"]
    done = tinyvision("evaluate", path, few, "--part", "val")
    assert done.code == 1
    assert done.err == "tinyvision: few validation: there are no images to measure on.\n"


def test_evaluate_for_people(tinyvision, model, stripes):
    done = tinyvision("evaluate", model, stripes)
    assert done.out.startswith("accuracy ")
    assert "Confusion matrix" in done.out
    assert "\x1b" not in done.out
    assert max(map(len, done.out.splitlines())) <= 80


def test_labels_are_matched_by_name(model):
    file = tv.load(model)
    images = np.zeros((2, 12, 12, 1), np.uint8)
    given = Dataset(images, np.array([0, 1]), ("rows", "columns"), "given")
    aligned = align_labels(file, given)
    assert aligned.classes == ("columns", "flat", "rows")
    assert aligned.labels.tolist() == [2, 0]


# --- predict --------------------------------------------------------------------------------------


def test_predict_lists_the_classes_best_first(tinyvision, model, stripes):
    path = next((stripes / "rows").iterdir())
    (found,) = tinyvision("predict", model, path, "--json").json["predictions"]
    file = tv.load(model)
    scores = probabilities(file, file.preprocess.file(path)[None])[0]
    assert found["path"] == str(path)
    assert found["label"] == file.labels[scores.argmax()]
    assert found["probability"] == pytest.approx(float(scores.max()))
    assert [row["label"] for row in found["top"]] == [file.labels[i] for i in np.argsort(-scores)]
    assert sum(row["probability"] for row in found["top"]) == pytest.approx(1)


def test_predict_knows_stripes(tinyvision, model, stripes):
    paths = sorted(stripes.glob("*/*.png"))
    found = tinyvision("predict", model, *paths, "--top", 1, "--json").json["predictions"]
    right = sum(row["path"].split("/")[-2] == row["label"] for row in found)
    assert right >= 50  # of 60
    assert all(len(row["top"]) == 1 for row in found)


def test_predict_goes_on_after_a_broken_image(tinyvision, model, stripes, tmp_path):
    good = next((stripes / "rows").iterdir())
    broken = tmp_path / "broken.png"
    broken.write_bytes(good.read_bytes()[:60])
    words = ("predict", model, good, broken, tmp_path, "missing.png", good)
    done = tinyvision(*words)
    assert done.code == 1
    assert done.out.count("rows") >= 2
    assert [line.split(":")[1].strip() for line in done.err.splitlines()] == [
        str(broken),
        str(tmp_path),
        "missing.png",
    ]
    told = tinyvision(*words, "--json")
    assert told.code == 1
    assert [row["path"] for row in told.json["predictions"]] == [str(good)] * 2
    assert [row["path"] for row in told.json["failed"]] == [
        str(broken),
        str(tmp_path),
        "missing.png",
    ]


def test_predict_takes_images_of_other_kinds(tinyvision, model, tmp_path):
    """The model knows gray images of 12 x 12: colour, alpha and size are brought to that."""
    paths = []
    for mode, size in (("RGB", (40, 30)), ("RGBA", (12, 12)), ("P", (7, 90)), ("I;16", (20, 20))):
        paths.append(tmp_path / f"{mode.replace(';', '')}.png")
        Image.new(mode, size).save(paths[-1])
    assert len(tinyvision("predict", model, *paths, "--json").json["predictions"]) == 4


def test_predict_without_class_names(tmp_path):
    net = tv.nn.Sequential(tv.nn.Flatten(), tv.nn.Dense(4))
    net.build((8, 8, 1), seed=0)
    file = ModelFile(net, (8, 8, 1), (), Preprocess((8, 8), 1))
    Image.new("L", (8, 8)).save(tmp_path / "black.png")
    (answer,) = predict(file, [tmp_path / "black.png"], top=9)
    assert sorted(label for label, _ in answer.top) == ["0", "1", "2", "3"]


# --- data, models, backends -----------------------------------------------------------------------


def test_data_of_a_folder(tinyvision, stripes, tmp_path):
    done = tinyvision("data", stripes, "--sheet", "sheet.png", "--json")
    assert done.json["parts"]["train"] == {"columns": 14, "flat": 14, "rows": 14}
    assert done.json["sheet"] == "sheet.png"
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 100
    assert "60 images, 0 broken" in done.err
    people = tinyvision("data", stripes, "--no-sheet")
    assert "sizes: 16 x 16 to 16 x 16 pixels" in people.out
    assert not (tmp_path / "stripes-sheet.png").exists()


def test_data_names_problems(tinyvision, tmp_path):
    folder = stripe_folder(tmp_path / "few", per_class=3)
    for path in list((folder / "rows").iterdir())[1:]:
        path.unlink()
    done = tinyvision("data", "few", "--json")
    assert done.code == 1
    assert "'rows' has 1 usable image" in done.json["problems"][0]
    assert "'rows' has 1 usable image" in tinyvision("data", "few").out


def test_data_alone_lists_the_sets(tinyvision):
    names = {"shapes", "digits", "mnist", "fashion-mnist", "cifar10"}
    assert {row["name"] for row in tinyvision("data", "--json").json["sets"]} == names
    out = tinyvision("data").out
    assert all(name in out for name in names)


def test_models_are_listed_with_their_sizes(tinyvision):
    rows = tinyvision("models", "--size", 28, "--channels", 1, "--json").json["models"]
    sizes = {row["name"]: row["parameters"] for row in rows}
    assert sizes["lenet5"] == 61_706  # LeCun et al. 1998, with full connections in C3
    assert set(sizes) == {"mlp", "lenet5", "small_cnn", "vgg_small", "resnet20"}
    out = tinyvision("models").out
    assert "for images of 32 x 32 x 3 and 10 classes" in out


def test_listing_models_loads_no_compiler():
    script = (
        "import sys\nfrom tinyvision.cli import main\n"
        "try: main(['models'])\nfinally: assert 'numba' not in sys.modules"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "kernels")])}
    environment.pop("TINYVISION_BACKEND")
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "resnet20" in done.stdout


def test_models_that_want_larger_images_say_so(tinyvision):
    rows = {row["name"]: row for row in tinyvision("models", "--size", 8, "--json").json["models"]}
    assert rows["lenet5"]["parameters"] is None
    assert "at least 12 x 12" in rows["lenet5"]["reason"]
    assert rows["mlp"]["parameters"] > 0
    assert "at least 12 x 12" in tinyvision("models", "--size", 8).out


def test_one_model_layer_by_layer(tinyvision):
    assert "conv1" in tinyvision("models", "lenet5").out
    done = tinyvision("models", "lenet5", "--json")
    assert [row["name"] for row in done.json["models"]] == ["lenet5"]
    assert "conv1" in done.err


def test_backends(tinyvision):
    facts = tinyvision("backends", "--json").json
    assert (facts["current"], facts["threads"]) == ("reference", 1)
    assert [row["name"] for row in facts["backends"]] == ["reference", "cpu", "cuda"]
    out = tinyvision("backends").out
    assert max(map(len, out.splitlines())) <= 80
    assert "in force" in out


def test_version_and_help(tinyvision):
    assert tinyvision("--version").out == f"tinyvision {tv.__version__}\n"
    for command in ("train", "evaluate", "predict", "data", "models", "cache", "warmup"):
        assert "--json" in tinyvision(command, "--help").out
    assert "Commands" in tinyvision().err + tinyvision("-h").out


# --- names ----------------------------------------------------------------------------------------


def test_names_are_shown_as_they_are(tinyvision, model, tmp_path):
    """Brackets are markup to the library that draws the tables, not to a user."""
    odd = stripe_folder(tmp_path / "odd", per_class=4)
    (odd / "rows").rename(odd / "y[red]z")
    assert "y[red]z" in tinyvision("data", odd, "--no-sheet").out
    image = next((odd / "flat").iterdir()).rename(odd / "flat" / "a[bold].png")
    assert "a[bold].png" in tinyvision("predict", model, image).out


def test_a_name_that_is_no_unicode_can_be_shown(tinyvision, model, stripes, tmp_path):
    image = tmp_path / "b\udce9.png"  # a Latin-1 name on a disk of today
    image.write_bytes(next((stripes / "flat").iterdir()).read_bytes())
    assert "b?.png" in tinyvision("predict", model, image).out


# --- odd images -----------------------------------------------------------------------------------


def test_a_folder_of_odd_images_trains_and_lists_the_broken_ones(tinyvision, data_root, tmp_path):
    for i, path in enumerate(sorted((data_root / "odd-images").iterdir())):
        folder = tmp_path / "odd" / "ab"[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / path.name).write_bytes(path.read_bytes())
    words = ("--model", "lenet5", "--epochs", 1, "--size", 16, "--json")
    done = tinyvision("train", tmp_path / "odd", *words)
    assert done.code == 0
    assert {skipped["path"].rpartition("/")[2] for skipped in done.json["skipped"]} == BROKEN
    for name in BROKEN:
        assert name in done.err


def test_counted_things():
    from tinyvision.cli.common import counted

    assert counted(1, "class") == "1 class"
    assert counted(3, "class") == "3 classes"
    assert counted(1234, "image") == "1,234 images"
