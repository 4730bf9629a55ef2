"""Whole runs from a recipe: same bytes for the same seed, and what a recipe refuses."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tinyvision as tv
from tests.data.folders import put
from tests.train.small import Hook, stripe_folder
from tinyvision import modelfile
from tinyvision.errors import DataError, ModelFileError, UnknownNameError
from tinyvision.train import Display, Recipe, recipe_of, run
from tinyvision.train.recipe import load_splits, seen_again


@pytest.fixture
def recipe(tmp_path) -> Recipe:
    """Three batches an epoch, of a net with dropout."""
    folder = stripe_folder(tmp_path / "stripes")
    return Recipe(
        data=str(folder),
        model="mlp",
        epochs=3,
        batch=16,
        size=(8, 8),
        channels=1,
        out=str(tmp_path / "runs"),
    )


def test_same_seed_same_bytes(recipe, tmp_path):
    first = run(recipe)
    second = run(recipe)
    elsewhere = run(replace(recipe, out=str(tmp_path / "elsewhere")))
    other = run(replace(recipe, seed=1))
    assert first.path.read_bytes() == second.path.read_bytes() == elsewhere.path.read_bytes()
    assert first.path.read_bytes() != other.path.read_bytes()
    assert [r.path.parent.name for r in (first, second)] == ["stripes-mlp", "stripes-mlp-2"]


def test_same_seed_same_bytes_on_all_cores(recipe):
    pytest.importorskip("numba")
    with tv.using("cpu"):
        first, second = run(recipe), run(recipe)
    assert first.path.read_bytes() == second.path.read_bytes()


def test_a_run_tests_the_best_model_and_saves_it_whole(recipe):
    result = run(recipe)
    assert result.stopped == "finished"
    assert result.report.accuracy >= 0.75
    file = tv.load(result.path)
    assert file.labels == ("columns", "flat", "rows")  # the folders by name
    assert file.metrics["test"]["accuracy"] == result.report.accuracy
    assert file.training["images"] == {"train": 42, "val": 6, "test": 12}
    assert [row["epoch"] for row in file.training["history"]] == [1, 2, 3]
    best = result.history.best()
    assert file.metrics["validation"] == {"loss": best.val_loss, "accuracy": best.val_accuracy}
    train = result.splits.train.images / 255
    assert file.preprocess.mean == pytest.approx([train.mean()])
    assert file.preprocess.std == pytest.approx([train.std()])
    with Image.open(result.sample) as image:
        sample = np.array(image)
    assert np.array_equal(sample, result.splits.test.images[0][:, :, 0])


def test_the_record_rebuilds_the_recipe_but_for_places(recipe):
    whole = replace(recipe, root="/somewhere", lr=0.01, patience=2, clip_norm=1.0, average=0.9)
    again = Recipe.from_data(whole.to_data())
    assert again == replace(whole, root=None, out=Recipe().out)


def test_the_test_part_is_found_again(recipe):
    result = run(replace(recipe, seed=5, val=0.2, test=0.3))
    splits = load_splits(seen_again(tv.load(result.path), recipe.data))
    assert np.array_equal(splits.test.images, result.splits.test.images)
    assert np.array_equal(splits.test.labels, result.splits.test.labels)
    other = load_splits(replace(recipe, seed=6, val=0.2, test=0.3))
    assert not np.array_equal(other.test.images, splits.test.images)


def test_resuming_refuses_other_images(recipe):
    class Stop(Display):
        def step(self, at):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(recipe, display=Stop())
    last = recipe.new_folder().with_name("stripes-mlp") / "last.safetensors"
    assert recipe_of(last) == replace(recipe, out=Recipe().out)
    stripe_folder(Path(recipe.data), per_class=25)
    with pytest.raises(DataError, match=r"not what this run began with: .*'train': 42.*"):
        run(recipe_of(last), resume=last)


def test_a_finished_model_is_no_run_to_go_on_with(recipe):
    path = run(recipe).path
    with pytest.raises(ModelFileError, match=r"no run to go on with: give the last\.safetensors"):
        recipe_of(path)
    with pytest.raises(ModelFileError, match="the end of a run that has done its 3 epochs"):
        recipe_of(path.with_name("last.safetensors"))


def test_two_images_a_class_leave_none_to_validate(tmp_path, recipe):
    folder = stripe_folder(tmp_path / "few", per_class=2)
    result = run(replace(recipe, data=str(folder)))
    assert [len(part) for part in (result.splits.train, result.splits.val)] == [3, 0]
    assert result.report.count == 3
    assert result.history.best() is None


def test_no_test_part_no_report(recipe):
    result = run(replace(recipe, test=0.0))
    assert result.report is None
    assert result.sample is None
    assert "test" not in tv.load(result.path).metrics


def test_broken_images_are_left_out_and_listed(recipe):
    broken = Path(recipe.data) / "flat" / "broken.png"
    broken.write_bytes(b"\x89PNG no more")
    result = run(replace(recipe, epochs=1))
    assert [skipped.path for skipped in result.splits.skipped] == [str(broken)]


def test_ctrl_c_returns_the_last_state(recipe):
    result = run(recipe, display=Hook(1, 2, lambda: os.kill(os.getpid(), signal.SIGINT)))
    assert (result.stopped, result.report) == ("interrupted", None)
    position = modelfile.load(result.path, with_training=True).training["resume"]["position"]
    assert (position["epoch"], position["batch"]) == (1, 2)
    resumed = run(recipe_of(result.path), resume=result.path)
    whole = run(recipe)
    assert resumed.path.read_bytes() == whole.path.read_bytes()
    assert resumed.path.parent == result.path.parent


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"batch": -3}, "batch must be at least 1, got -3"),
        ({"seed": -1}, r"seed must be in 0 \.\. 2\*\*64 - 1, got -1"),
        ({"lr": 0.0}, r"lr must be a number above 0, got 0\.0"),
        ({"lr": float("nan")}, "lr must be a number above 0, got nan"),
        ({"smoothing": 1.5}, r"smoothing must be in 0 \.\. 1, got 1\.5"),
        ({"weight_decay": -1.0}, r"weight_decay must be a number of at least 0, got -1\.0"),
        ({"patience": 0}, "patience must be at least 1, got 0"),
        ({"clip_norm": 0.0}, "clip_norm must be a number above 0"),
        ({"average": 1.0}, r"average must be a number in \[0, 1\), got 1\.0"),
        ({"model": "resnet"}, "no model 'resnet'; did you mean 'resnet20'"),
        ({"optimizer": "adamq"}, "no optimizer 'adamq'; did you mean 'adam"),
    ],
)
def test_senseless_settings(settings, message):
    with pytest.raises(ValueError, match=message) as caught:
        Recipe(**settings)
    assert isinstance(caught.value, UnknownNameError) == ("no " in message)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"momentum": 3}, r"unknown settings \['momentum'\]"),
        ({"size": 32}, "does not fit"),
        ({"epochs": "many"}, "does not fit"),
    ],
)
def test_records_that_are_no_recipe(record, message):
    with pytest.raises(ModelFileError, match=message):
        Recipe.from_data(record)


def test_an_augmented_run_goes_on_bit_for_bit(recipe):
    recipe = replace(recipe, augment="digits,mixup,cutout=2")
    hook = Hook(1, 2, lambda: os.kill(os.getpid(), signal.SIGINT))
    stopped = run(recipe, display=hook)
    again = recipe_of(stopped.path)
    assert again.augment == recipe.augment
    resumed, whole = run(again, resume=stopped.path), run(recipe)
    assert resumed.path.read_bytes() == whole.path.read_bytes()
    assert whole.path.read_bytes() != run(replace(recipe, augment=None)).path.read_bytes()
    assert whole.history.epochs[-1].train_loss < whole.history.epochs[0].train_loss


def test_augmentation_is_kept_in_full(recipe):
    augmented = replace(recipe, augment="flip,crop")
    assert augmented.augment == "flip=0.5,crop=4,edge=mirror"
    result = run(replace(augmented, epochs=1))
    assert tv.load(result.path).training["recipe"]["augment"] == augmented.augment
    assert recipe.augment is None
    with pytest.raises(DataError, match="no augmentation 'flop'; did you mean 'flip'"):
        replace(recipe, augment="flop")


def test_only_what_is_learnt_from_is_augmented(recipe, monkeypatch):
    given = []
    batches = tv.data.Batches.__init__

    def noted(self, dataset, *rest, **options):
        batches(self, dataset, *rest, **options)
        given.append((len(dataset), self.augment is not None))

    monkeypatch.setattr(tv.data.Batches, "__init__", noted)
    run(replace(recipe, epochs=1, augment="flip"))
    assert sorted(given) == [(6, False), (12, False), (42, True)]


def test_groups_hashes_and_balance_are_kept_and_seen_again(tmp_path):
    for i in range(60):
        put(tmp_path / "set" / "ab"[i % 3 == 0] / f"p{i // 6}_{i}.png", i // 6)
    recipe = Recipe(
        data=str(tmp_path / "set"),
        model="mlp",
        epochs=1,
        size=(8, 8),
        channels=1,
        val=0.2,
        groups=r"/p(\d+)_",
        split="hash",
        balanced=True,
        out=str(tmp_path / "runs"),
    )
    result = run(recipe)
    kept = tv.load(result.path).training["recipe"]
    assert (kept["groups"], kept["split"], kept["balanced"]) == (r"/p(\d+)_", "hash", True)
    assert "cache" not in kept
    again = load_splits(seen_again(result.model, recipe.data))
    for part in ("train", "val", "test"):
        first, second = getattr(result.splits, part), getattr(again, part)
        assert np.array_equal(first.images, second.images)
    alike = load_splits(replace(recipe, groups=None))
    assert not np.array_equal(alike.train.images, result.splits.train.images)
    plain = run(replace(recipe, balanced=False))
    assert plain.path.read_bytes() != result.path.read_bytes()
    assert plain.history.epochs[0].train_loss != result.history.epochs[0].train_loss
    # a named set has no files: it is loaded all the same
    assert seen_again(result.model, "shapes").groups is None
    assert recipe_of_last(result.path).groups == recipe.groups


def recipe_of_last(path: Path) -> Recipe:
    header, _ = modelfile.read(path.with_name("last.safetensors"), with_training=False)
    return Recipe.from_data(header["training"]["recipe"])


def test_a_recipe_of_an_older_version_splits_at_random():
    recipe = Recipe.from_data({"data": "photos", "seed": 3})
    assert (recipe.groups, recipe.split, recipe.balanced) == (None, "random", False)
    with pytest.raises(ValueError, match="split must be random or hash, got date"):
        Recipe(split="date")
