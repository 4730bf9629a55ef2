"""RandAugment: what is taken how often, and how far it goes."""

import numpy as np

from tests.data.augment.drawn import MANY, SIGMA, augmented, drawn, photos
from tinyvision.data import augment as steps
from tinyvision_kernels.contract.retouch import EQUALIZE, KEEP, LOOK_UP, STRETCH


def test_randaugment_takes_every_kind_equally_often_and_as_strongly():
    changes = drawn(steps.RandAugment(0.5, 1), MANY)
    place, colour = changes.place, changes.colour
    kinds = {
        "rotate": np.isclose(np.abs(place[:, 0, 1]), np.sin(np.radians(15))),
        "sideways": np.isclose(np.abs(place[:, 1, 0]), 0.15) & np.isclose(place[:, 0, 0], 1),
        "down": np.isclose(np.abs(place[:, 0, 2]), 0.225 * 32),
        "right": np.isclose(np.abs(place[:, 1, 2]), 0.225 * 24),
        "scale": np.isclose(np.abs(np.log(place[:, 0, 0])), np.log(1.5) / 2),
        "contrast": np.isclose(np.abs(colour[:, 0, 3]), 0.45 * 127.5),
        "brightness": np.isclose(np.abs(colour[:, 0, :].sum(1) - 1), 0.45),
        "sharpness": np.isclose(np.abs(changes.sharpness), 0.45),
    }
    ((tones, tables),) = changes.tones
    inverted, few = [*range(128), *range(127, -1, -1)], np.arange(256) // 4 * 4
    kinds |= {
        "solarize": (tones == LOOK_UP) & (tables == inverted).all(1),
        "posterize": (tones == LOOK_UP) & (tables == few).all(1),
        "equalize": tones == EQUALIZE,
        "autocontrast": tones == STRETCH,
    }
    for name, chosen in kinds.items():
        assert abs(chosen.mean() - 1 / 15) < 0.016, name
    # each is one kind alone; "shear upwards" and "saturation" are left out above, and "nothing"
    assert np.sum(list(kinds.values()), 0).max() == 1
    assert abs(np.any(list(kinds.values()), 0).mean() - 12 / 15) < SIGMA
    still = (place == np.eye(3)).all((1, 2)) & (np.abs(colour - np.eye(3, 4)).max((1, 2)) < 1e-9)
    nothing = still & (changes.sharpness == 0) & (tones == KEEP)
    assert abs(nothing.mean() - 1 / 15) < 0.016
    assert len(drawn(steps.RandAugment(0.5, 2), MANY).tones) == 2


def test_randaugment_is_as_strong_as_it_is_told():
    for strength, inverted, bits in ((0.0, 0, 8), (0.1, 26, 8), (0.4, 102, 6), (1.0, 256, 4)):
        changes = drawn(steps.RandAugment(strength, 1), MANY)
        ((tones, tables),) = changes.tones
        levels = {tuple(table) for table in tables[tones == LOOK_UP]}
        solarized = [*range(256 - inverted), *range(inverted - 1, -1, -1)]
        posterized = (np.arange(256) >> (8 - bits)) << (8 - bits)
        assert levels == {tuple(solarized), tuple(posterized)}
        np.testing.assert_allclose(np.abs(changes.sharpness).max(), 0.9 * strength)
        assert (tones == EQUALIZE).any() and (tones == STRETCH).any()


def test_randaugment_changes_pixels_in_every_way_that_it_names():
    images = photos(300, 16, 16)
    still = (augmented("randaugment=1:1", images) == images).all((1, 2, 3))
    assert 0.03 < still.mean() < 0.12  # nothing is one of the fifteen
