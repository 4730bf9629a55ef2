"""Augment as a whole: its words, what decides its bits, and that any backend gives the same."""

import numpy as np
import pytest

from tests.data.augment.drawn import augmented, photos, plain
from tinyvision import backend
from tinyvision.backend import host_kernels
from tinyvision.data import Augment, Preprocess
from tinyvision.data import augment as steps
from tinyvision.data.augment import PRESETS, STEPS, augmented_examples
from tinyvision.data.dataset import Dataset
from tinyvision.errors import DataError

EVERYTHING = (
    "alternating-flip,flip,flip-vertical,crop=2,shift,rotate=20,scale=0.2,shear=10,brightness,contrast,saturation,"
    "hue,blur,noise,solarize,posterize,equalize,autocontrast,invert,gamma,sharpness,cutout=3,erase,"
    "randaugment,resized-crop"
)


def test_the_words_name_every_step():
    assert set(EVERYTHING.replace("=", ",").split(",")) >= STEPS.keys() - {"mixup", "cutmix"}


@pytest.mark.parametrize(
    "words", [*PRESETS, EVERYTHING, "mixup=0.4:0.5,cutmix", "crop=0,edge=mean"]
)
def test_words_are_read_and_written_back(words):
    augment = Augment.parse(words)
    assert Augment.parse(str(augment)) == augment
    assert str(Augment.parse(str(augment))) == str(augment)


def test_words_mean_what_they_say():
    assert Augment.parse(" flip, crop=3 ,erase=0.5:0.1,edge=mean") == Augment(
        (steps.Flip(), steps.Crop(3), steps.Erase(0.5, 0.1)), "mean"
    )
    assert str(Augment((steps.Rotate(12.3456789), steps.Flip()))) == (
        "rotate=12.3456789,flip=0.5,edge=mirror"
    )
    assert Augment.parse("cifar,noise=3").steps[-1] == steps.Noise(3)
    assert Augment.parse("digits").edge == "repeat"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("flipp", "no augmentation 'flipp'; did you mean 'flip'"),
        ("", "no augmentation ''"),
        ("flip,,crop", "no augmentation ''"),
        ("crop=a", "crop takes numbers, got 'a'"),
        ("crop=1.5", "Crop: pixels must be a whole number of at least 0, got 1.5"),
        ("crop=-1", "at least 0, got -1"),
        ("crop=1:2", "crop takes settings pixels, got '1:2'"),
        ("alternating-flip=1", "takes no settings, got '1'"),
        ("flip=2", "Flip: probability must be a number from 0 to 1, got 2"),
        ("solarize=300", "lowest must be a whole number from 0 to 255, got 300"),
        ("rotate=nan", "degrees must be a number from 0 to 180, got nan"),
        ("erase=0.5:0.3:0.2", "largest must be a number from 0.3 to 1, got 0.2"),
        ("mixup=0", "alpha must be a number from 0.01 to 100"),
        ("flip,edge=wrap", "edge must be one of mirror, repeat, mean, got 'wrap'"),
        ("cifar=1", "no augmentation 'cifar'"),
    ],
)
def test_mistakes_in_words_are_named(words, message):
    with pytest.raises(DataError) as error:
        Augment.parse(words)
    assert message in str(error.value)


def test_other_mistakes_are_named():
    with pytest.raises(DataError, match="takes steps such as Flip"):
        Augment(("flip",))
    with pytest.raises(DataError, match="C=1, but the network takes RGB"):
        augmented("flip", photos(C=1), prepare=plain(8, 9))
    with pytest.raises(DataError, match="uint8 of shape"):
        augmented("flip", photos().astype("f4"))
    with pytest.raises(DataError, match="float32 or bfloat16, not 'float16'"):
        augmented("flip", photos(), dtype="float16")


@pytest.mark.parametrize("words", ["flip", "crop=0", "rotate=0,hue=0", EVERYTHING])
def test_without_steps_that_change_anything_it_is_the_preprocessing(words):
    images = photos(5)
    prepare = Preprocess((8, 9), 3, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
    x = augmented(words, images, prepare=prepare)
    assert x.dtype == np.float32
    if words == "crop=0":  # to the bit: both look the same levels up
        np.testing.assert_array_equal(x, prepare.batch(images))
    elif words.startswith("rotate"):
        np.testing.assert_allclose(x, prepare.batch(images), atol=1e-5)
    else:
        assert (x != prepare.batch(images)).any()
    np.testing.assert_array_equal(
        augmented(Augment(), images, prepare=prepare), prepare.batch(images)
    )


@pytest.mark.parametrize("words", [EVERYTHING, "flip,crop=2,cutout=3"])
def test_an_image_is_changed_alike_in_any_batch(words):
    images = photos(9)
    whole = augmented(words, images, seed=3, epoch=5)
    for rows in ([0], [8, 2], [5, 5, 1, 7]):
        ids = np.array(rows)
        part = augmented(words, images[ids], seed=3, epoch=5, places=ids)
        np.testing.assert_array_equal(part, whole[ids])


def test_seed_epoch_and_place_decide():
    image = photos(1).repeat(3, axis=0)
    x = augmented(EVERYTHING, image, seed=1, epoch=2)
    assert (x[0] != x[1]).any() and (x[1] != x[2]).any()
    np.testing.assert_array_equal(augmented(EVERYTHING, image, seed=1, epoch=2), x)
    assert (augmented(EVERYTHING, image, seed=2, epoch=2) != x).any()
    assert (augmented(EVERYTHING, image, seed=1, epoch=3) != x).any()


def test_steps_of_one_kind_draw_apart():
    changes = augmented("crop=3,crop=3", photos(300, 3, 3))
    assert (changes != augmented("crop=6", photos(300, 3, 3))).any()
    places = np.arange(300)
    draw = steps.Draw(backend.get("reference").kernels, 0, 0, places, places)
    both = Augment.parse("crop=3,crop=3").changes((300, 9, 9, 3), draw)
    assert (both.down % 2).any(), "twice the same number would be even"


@pytest.mark.parametrize("words", [EVERYTHING, f"{EVERYTHING},mixup,cutmix,edge=mean", "cifar"])
@pytest.mark.parametrize("C", [1, 3])
def test_every_backend_gives_the_same(words, C):
    pytest.importorskip("numba", reason="the cpu kernels need Numba, which is not installed")
    images = photos(7, 10, 8, C)
    prepare = Preprocess((10, 8), C, mean=(0.4,), std=(0.25,))
    labels = np.arange(7) % 2
    (x, t), (y, u) = (
        Augment.parse(words).batch(
            images, labels, prepare, classes=2, seed=5, kernels=backend.get(name).kernels
        )
        for name in ("reference", "cpu")
    )
    np.testing.assert_allclose(x, y, atol=2e-5)
    np.testing.assert_array_equal(t, u)
    if words == "cifar":
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("words", ["cifar", "photos", "mixup,cutmix", f"{EVERYTHING},mixup"])
@pytest.mark.parametrize("name", ["reference", "cpu"])
def test_bfloat16_is_float32_rounded_once(words, name):
    if name == "cpu":
        pytest.importorskip("numba", reason="the cpu kernels need Numba, which is not installed")
    images, prepare = photos(40, 17, 13), Preprocess((17, 13), 3, mean=(0.4,), std=(0.25,))
    given = {"prepare": prepare, "kernels": backend.get(name).kernels, "seed": 2}
    wide = augmented(words, images, **given)
    for dtype in ("bfloat16", backend.BFLOAT16):
        narrow = augmented(words, images, dtype=dtype, **given)
        assert narrow.dtype == backend.BFLOAT16
        assert narrow.tobytes() == wide.astype(backend.BFLOAT16).tobytes()
    assert (narrow.astype(np.float32) != wide).mean() > 0.3, "it is rounded indeed"
    assert augmented(words, images[:0], dtype="bfloat16", **given).dtype == backend.BFLOAT16


def test_images_of_another_size_are_fitted_first():
    images = photos(2, 20, 30)
    prepare = plain(8, 9)
    np.testing.assert_array_equal(
        augmented(Augment(), images, prepare=prepare), prepare.batch(images)
    )


def test_an_empty_batch():
    images = photos()[:0]
    for words in (EVERYTHING, "cifar", "mixup,cutmix"):
        assert augmented(words, images).shape == (0, 8, 9, 3)


def test_kernels_are_those_of_the_backend_in_force():
    with backend.using("reference"):
        assert host_kernels() is backend.get("reference").kernels


def test_examples_show_each_image_and_what_is_made_of_it():
    labels = np.array([0, 0, 0, 2, 2])
    dataset = Dataset(photos(5), labels, ("a", "b", "c"), "toy")
    shown = augmented_examples(dataset, Augment.parse("flip=1"), versions=2)
    assert shown.labels.tolist() == [0, 0, 0, 2, 2, 2] and shown.classes == dataset.classes
    for first, row in ((0, 1), (3, 4)):
        np.testing.assert_array_equal(shown.images[first], dataset.images[row])
        np.testing.assert_array_equal(shown.images[first + 1], dataset.images[row][:, ::-1])
        np.testing.assert_array_equal(shown.images[first + 2], dataset.images[row][:, ::-1])
