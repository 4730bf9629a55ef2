"""Warming up: a program that follows compiles nothing, and a model that follows notices nothing."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("numba", reason="the cpu kernels need Numba, which is not installed")

import numpy as np

from tests.train.small import stripe_folder
from tinyvision import backend, models, nn, optim, random
from tinyvision.data.augment import STEPS, Augment
from tinyvision.errors import UnknownNameError
from tinyvision.warmup import before_training, rehearse, warm_up

ROOT = Path(__file__).parents[1]
SHAPE = (12, 12, 1)
MODEL = "lenet5"

# A whole training: 42 images to learn from in batches of 16, 14 to validate, a test, a prediction.
TRAINING = """
import json
import sys
import tinyvision as tv
from tinyvision.train import Display, Recipe, run
from tinyvision_kernels.cpu import jit

compiled, learning = [], []
jit.set_compile_hook(compiled.append)

class Watch(Display):
    def prepared(self, *_):
        compiled.clear()  # of what reading the data took
    def step(self, at):
        learning[:] = compiled

tv.use("cpu")
recipe = Recipe(
    data=sys.argv[1], model={model!r}, epochs=1, batch=16, size=(12, 12), channels=1,
    optimizer={optimizer!r}, clip_norm=1.0, out=sys.argv[2], augment={augment!r},
)
result = run(recipe, display=Watch())
(answer,) = tv.predict(result.model, [result.sample])
assert answer.label in ("flat", "rows", "columns")
print(json.dumps([compiled, learning]))
"""


def training(
    folder: Path,
    out: Path,
    optimizer: str = "adamw",
    augment: str | None = None,
    **variables: str,
) -> tuple[list[str], list[str]]:
    """Return what a whole training has compiled by itself, and what of it while it learnt."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
    program = TRAINING.format(model=MODEL, optimizer=optimizer, augment=augment)
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder), str(out)],
        env={**os.environ, "PYTHONPATH": path, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    compiled, learning = json.loads(done.stdout)
    return compiled, learning


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_program_that_follows_compiles_nothing(optimizer, tmp_path):
    told = []
    given = {"batch": 16, "predict": 20, "prepare": [partial(Augment().rehearse, classes=10)]}
    result = warm_up([MODEL], [SHAPE], progress=lambda *figures: told.append(figures), **given)
    assert result.failed == []
    assert result.compiled + result.found > 15
    assert [done for done, _, _ in told] == list(range(result.compiled + 1))[: len(told)]
    assert result.kernels >= result.compiled + result.found
    again = warm_up([MODEL], [SHAPE], **given)
    assert (again.compiled, again.found) == (0, result.compiled + result.found)
    folder = stripe_folder(tmp_path / "stripes")
    assert training(folder, tmp_path / "runs", optimizer) == ([], [])


def test_a_training_compiles_ahead_by_itself(tmp_path):
    # few enough are left for the process itself: kernels of one image, for the prediction
    folder = stripe_folder(tmp_path / "stripes")
    compiled, learning = training(
        folder, tmp_path / "runs", TINYVISION_CACHE=str(tmp_path / "cache")
    )
    assert len(compiled) <= 3 and not learning


EVERY_STEP = ",".join(STEPS)
AUGMENTED = ("cifar", EVERY_STEP)  # by whole pixels, and between them


@pytest.mark.parametrize("augment", AUGMENTED)
def test_an_augmented_training_compiles_nothing_while_it_learns(augment, tmp_path):
    folder, cache = stripe_folder(tmp_path / "stripes"), str(tmp_path / "cache")
    _, learning = training(folder, tmp_path / "runs", augment=augment, TINYVISION_CACHE=cache)
    assert learning == []


@pytest.mark.parametrize("augment", AUGMENTED)
def test_an_augmented_training_that_follows_compiles_nothing(augment, tmp_path):
    prepare = partial(Augment.parse(augment).rehearse, classes=10)
    result = warm_up([MODEL], [SHAPE], batch=16, predict=20, prepare=[prepare])
    assert result.failed == []
    folder = stripe_folder(tmp_path / "stripes")
    assert training(folder, tmp_path / "runs", augment=augment) == ([], [])


def test_what_follows_a_rehearsal_notices_nothing():
    with backend.using("cpu"):
        random.seed(5)
        model = models.create("resnet20", (16, 16, 3), 4, seed=1)
        optimizer = optim.SGD(model, 0.1)
        before = {path: array.tobytes() for path, array in model.state().items()}
        before_training(
            model,
            (16, 16, 3),
            lambda copy: optim.SGD(copy, 0.1),
            train=[8],
            predict=[8, 1],
            progress=lambda *figures: None,
        )
        assert {path: array.tobytes() for path, array in model.state().items()} == before
        assert random.state() == (5, 0)
        assert model.training
        optimizer.zero_grad()  # still owns the parameters
        optimizer.step()


def test_a_training_needs_no_other_process(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYVISION_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no python here"))
    with backend.using("cpu"):
        model = models.create("lenet5", SHAPE, 4)
        make = lambda copy: optim.SGD(copy, 0.1)  # noqa: E731
        before_training(model, SHAPE, make, train=[8], predict=[8], progress=lambda *figures: None)


def test_a_model_that_garbage_trips_up_is_left_to_its_training():
    class Picky(nn.Layer):
        def forward(self, x):
            raise TypeError("I look at the numbers")

    with backend.using("cpu"):
        model = nn.Sequential(nn.Flatten(), nn.Dense(4), Picky())
        make = lambda copy: optim.SGD(copy, 0.1)  # noqa: E731
        before_training(model, SHAPE, make, train=[8], predict=[8], progress=print)


def test_only_the_cpu_backend_is_compiled_for(monkeypatch):
    monkeypatch.setattr("tinyvision.warmup.rehearse", lambda *_: pytest.fail("rehearsed"))
    with backend.using("reference"):
        model = models.create("lenet5", SHAPE, 4)
        make = lambda copy: optim.SGD(copy, 0.1)  # noqa: E731
        before_training(model, SHAPE, make, train=[8], predict=[8], progress=print)


def test_one_image_takes_other_kernels_than_many():
    model = models.create(MODEL, SHAPE, 4)
    many, one = (
        set(rehearse(model, SHAPE, [count], [count], [lambda m: optim.SGD(m, 0.1)]))
        for count in (256, 1)
    )
    assert one != many
    assert {need.name for need in many & one} >= {"update._sgd", "dense._product_tiles"}


def test_a_model_too_large_for_the_images_is_left_out_and_an_unknown_one_refused():
    assert warm_up(["small_cnn"], [(4, 4, 1)]).found == 0
    with pytest.raises(UnknownNameError, match="lenet5"):
        warm_up(["lenet6"], [SHAPE])


def test_numbers_that_are_garbage_raise_no_warning():
    # warnings are errors here
    model = models.create("vgg_small", (8, 8, 3), 4)
    needs = rehearse(model, (8, 8, 3), [4], [4], [lambda m: optim.AdamW(m, 0.1, clip_norm=1.0)])
    assert len(needs) == len(set(needs)) > 10
    assert np.geterr()["invalid"] == "warn"
