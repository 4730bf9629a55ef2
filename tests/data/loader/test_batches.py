import threading
from itertools import chain

import numpy as np
import pytest

from tests.data.folders import put
from tinyvision.backend import BFLOAT16
from tinyvision.data import Augment, Batches, ImageFiles, Sample, Shards, pack, read_table
from tinyvision.data.dataset import Dataset
from tinyvision.data.preprocess import Preprocess
from tinyvision.errors import DataError

PLAIN = Preprocess((1, 1), 1, std=(1 / 255,))  # leaves a byte's value as it is


def make(n: int) -> Dataset:
    """Image i holds the value i and has the label i modulo 3."""
    images = np.arange(n, dtype=np.uint8).reshape(n, 1, 1, 1)
    return Dataset(images, np.arange(n) % 3, ("a", "b", "c"), "toy")


def numbers(batches: Batches, e: int) -> list[list[int]]:
    out = []
    for x, labels in batches.epoch(e):
        assert x.dtype == np.float32 and labels.dtype == np.int64
        assert x.shape == (len(labels), 1, 1, 1)
        values = np.rint(x[:, 0, 0, 0]).astype(int)
        assert (values % 3 == labels).all()  # images and labels stay together
        out.append(values.tolist())
    assert len(out) == len(batches)
    return out


def test_in_order() -> None:
    assert numbers(Batches(make(5), PLAIN, 2), 7) == [[0, 1], [2, 3], [4]]


def test_drop_last() -> None:
    assert numbers(Batches(make(5), PLAIN, 2, drop_last=True), 0) == [[0, 1], [2, 3]]
    assert numbers(Batches(make(4), PLAIN, 2, drop_last=True), 0) == [[0, 1], [2, 3]]


def test_one_batch_of_everything() -> None:
    assert numbers(Batches(make(3), PLAIN, 100), 0) == [[0, 1, 2]]


def test_no_images_no_batches() -> None:
    assert numbers(Batches(make(0), PLAIN, 4, shuffle=True, drop_last=True), 0) == []


def test_shuffle_has_every_image_once_in_an_order_of_its_own_each_epoch() -> None:
    batches = Batches(make(50), PLAIN, 8, shuffle=True, seed=1)
    epochs = [list(chain(*numbers(batches, e))) for e in range(3)]
    for order in epochs:
        assert sorted(order) == list(range(50))
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    assert abs(np.corrcoef(np.arange(50), epochs[0])[0, 1]) < 0.5


def test_an_epoch_depends_on_seed_and_number_alone() -> None:
    batches = Batches(make(50), PLAIN, 8, shuffle=True, seed=1)
    later = numbers(batches, 5)
    list(batches)  # iterating advances nothing
    assert numbers(batches, 5) == later
    larger = Batches(make(50), PLAIN, 11, shuffle=True, seed=1)
    assert list(chain(*numbers(larger, 5))) == list(chain(*later))
    assert numbers(Batches(make(50), PLAIN, 8, shuffle=True, seed=2), 5) != later


def test_iterating_is_epoch_0() -> None:
    batches = Batches(make(20), PLAIN, 8, shuffle=True)
    for (x, labels), (y, others) in zip(batches, batches.epoch(0), strict=True):
        np.testing.assert_array_equal(x, y)
        np.testing.assert_array_equal(labels, others)


def test_preprocess_is_applied() -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 6, 6, 3), np.uint8)
    steps = Preprocess((3, 3), 3, mean=(0.2, 0.4, 0.6), std=(0.1, 0.2, 0.3))
    ((x, _),) = Batches(Dataset(images, np.zeros(4, np.int64), ("a",), "toy"), steps, 4)
    np.testing.assert_array_equal(x, steps.batch(images))
    assert x.shape == (4, 3, 3, 3)


@pytest.mark.parametrize("augment", [None, Augment.parse("crop=2,rotate,mixup")])
def test_batches_in_bfloat16_are_those_in_float32_rounded_once(augment) -> None:
    images = np.random.default_rng(0).integers(0, 256, (30, 6, 6, 1), np.uint8)
    toy = Dataset(images, np.arange(30) % 2, ("a", "b"), "toy")
    steps = Preprocess((6, 6), 1, mean=(0.4,), std=(0.3,))
    wide, narrow = (
        list(Batches(toy, steps, 8, augment=augment, dtype=dtype))
        for dtype in ("float32", "bfloat16")
    )
    for (x, labels), (y, others) in zip(wide, narrow, strict=True):
        assert (x.dtype, y.dtype) == (np.float32, BFLOAT16)
        assert y.tobytes() == x.astype(BFLOAT16).tobytes()
        np.testing.assert_array_equal(labels, others)


def test_refused() -> None:
    with pytest.raises(DataError, match="float32 or bfloat16, not 'float64'"):
        Batches(make(3), PLAIN, 1, dtype="float64")
    with pytest.raises(DataError, match="at least 1 image, got a batch size of 0"):
        Batches(make(3), PLAIN, 0)
    with pytest.raises(DataError, match="toy: its 3 images are fewer than one batch of 4"):
        Batches(make(3), PLAIN, 4, drop_last=True)


# --- files and streams ----------------------------------------------------------------------------

SOURCES = ("memory", "files", "stream")
GRAY = Preprocess((6, 6), 1)


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> dict[str, Dataset | ImageFiles | Shards]:
    """Three forms of the same 43 images: image i is gray of the value 5 i, of class i modulo 3."""
    root = tmp_path_factory.mktemp("sources")
    files = [(put(root / "images" / f"{i:02d}.png", 5 * i), i % 3) for i in range(43)]
    (root / "list.csv").write_text("".join(f"images/{path.name},{k}\n" for path, k in files))
    listed = read_table(root / "list.csv")
    pack(listed, root / "packed", shard_bytes=4000, shuffle=False)
    memory, _, _ = listed.in_memory((6, 6), 1)
    return {"memory": memory, "files": listed, "stream": Shards(root / "packed", window=16)}


def flat(batches: Batches, e: int = 0, start: int = 0) -> list[bytes]:
    return [x.tobytes() + y.tobytes() for x, y in batches.epoch(e, start=start)]


@pytest.mark.parametrize("form", SOURCES)
def test_same_bits_for_any_number_of_workers_from_any_batch_on(sources, form) -> None:
    for shuffle in (False, True):
        alone = Batches(sources[form], GRAY, 4, shuffle=shuffle, seed=3, workers=0)
        expected = flat(alone, 1)
        assert len(expected) == len(alone) == 11
        for workers in (1, 2, 4):
            several = Batches(sources[form], GRAY, 4, shuffle=shuffle, seed=3, workers=workers)
            assert flat(several, 1) == expected
            for start in (0, 5, 10, 11):
                assert flat(several, 1, start) == expected[start:]


@pytest.mark.parametrize("form", SOURCES)
def test_an_epoch_has_every_image_once_with_its_label(sources, form) -> None:
    for shuffle in (False, True):
        for drop_last in (False, True):
            batches = Batches(sources[form], GRAY, 4, shuffle=shuffle, drop_last=drop_last)
            seen = []
            for x, labels in batches:
                assert x.dtype == np.float32 and x.shape[1:] == (6, 6, 1)
                numbers = np.rint(x[:, 0, 0, 0] * 51).astype(int)
                assert (numbers % 3 == labels).all()
                seen += numbers.tolist()
            assert len(set(seen)) == len(seen) == (40 if drop_last else 43)


def test_memory_and_files_come_in_one_order(sources) -> None:
    options = {"shuffle": True, "seed": 1}
    memory, files = (Batches(sources[form], GRAY, 8, **options) for form in ("memory", "files"))
    assert flat(memory) == flat(files)


def test_balanced(sources) -> None:
    files = sources["files"].subset([*range(0, 30, 3), 1, 2])  # 10, 1 and 1 of the classes
    labels = np.concatenate([y for _, y in Batches(files, GRAY, 5, balanced=True, seed=2)])
    assert np.bincount(labels).tolist() == [4, 4, 4]
    with pytest.raises(DataError, match="cannot be balanced in a stream"):
        Batches(sources["stream"], GRAY, 5, balanced=True)


def test_tags_come_as_ones_and_zeros(tmp_path) -> None:
    for i in range(3):
        put(tmp_path / f"{i}.png", i)
    (tmp_path / "t.csv").write_text("path,labels\n0.png,a|b\n1.png,\n2.png,b\n")
    files = read_table(tmp_path / "t.csv")
    pack(files, tmp_path / "packed", shuffle=False)
    for source in (files, Shards(tmp_path / "packed")):
        ((_, y),) = Batches(source, GRAY, 3)
        assert y.dtype == np.float32 and y.tolist() == [[1, 1], [0, 0], [0, 1]]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_image_is_named_in_its_place(tmp_path, workers) -> None:
    for i in range(12):
        put(tmp_path / f"{i}.png", i)
    (tmp_path / "7.png").write_bytes(b"torn")
    (tmp_path / "t.csv").write_text("".join(f"{i}.png,{i % 2}\n" for i in range(12)))
    files = read_table(tmp_path / "t.csv")
    pack(files, tmp_path / "packed", shuffle=False, check=True)
    batches = Batches(files, GRAY, 2, workers=workers).epoch(0)
    assert [len(next(batches)[1]) for _ in range(3)] == [2, 2, 2]
    with pytest.raises(DataError, match=r"7\.png: it holds text, not an image"):
        next(batches)
    assert not [t for t in threading.enumerate() if "loader" in t.name]


def test_the_decoder_is_the_caller_s(sources) -> None:
    def number(sample: Sample) -> np.ndarray:
        return np.full((6, 6, 1), len(sample.content) % 256, np.uint8)

    ((x, _), *_) = Batches(sources["stream"], GRAY, 4, decode=number)
    first = next(iter(sources["stream"].epoch(0)))
    assert round(float(x[0, 0, 0, 0]) * 255) == len(first.content) % 256

    def uneven(sample: Sample) -> np.ndarray:
        return np.zeros((6, 5 + sample.labels[0], 1), np.uint8)

    with pytest.raises(DataError, match=r"01\.png was decoded to uint8 of shape \(6, 6, 1\), and"):
        list(Batches(sources["files"], GRAY, 4, decode=uneven))

    def failing(sample: Sample) -> np.ndarray:
        raise KeyError("nothing")

    with pytest.raises(DataError, match=r"00\.png could not be decoded \(KeyError: 'nothing'\)"):
        list(Batches(sources["files"], GRAY, 4, decode=failing))


def test_workers_refused(sources) -> None:
    for wrong in ({"workers": -1}, {"ahead": 0}):
        with pytest.raises(DataError, match="0 workers or more and at least 1 batch ahead"):
            Batches(sources["files"], GRAY, 4, **wrong)


# --- augmented ------------------------------------------------------------------------------------

CHANGES = Augment.parse("alternating-flip,crop=2,rotate=20,brightness,noise,cutout=3,mixup")


@pytest.mark.parametrize("form", SOURCES)
def test_augmented_batches_have_the_same_bits_for_any_number_of_workers(sources, form) -> None:
    def batches(workers: int, seed: int = 3) -> Batches:
        return Batches(
            sources[form], GRAY, 4, shuffle=True, seed=seed, augment=CHANGES, workers=workers
        )

    expected = flat(batches(0), 1)
    for workers in (1, 2, 4):
        assert flat(batches(workers), 1) == expected
        assert flat(batches(workers), 1, start=7) == expected[7:]
    assert not set(flat(batches(0), 2)) & set(expected)
    assert not set(flat(batches(0, seed=4), 1)) & set(expected)


def test_augmentation_is_another_in_each_epoch(sources) -> None:
    in_order = Batches(sources["files"], GRAY, 4, augment=Augment.parse("crop=2,noise"))
    assert not set(flat(in_order, 0)) & set(flat(in_order, 1))


def test_augmented_images_do_not_depend_on_the_size_of_a_batch(sources) -> None:
    alone = Augment.parse("alternating-flip,crop=2,rotate=20,brightness,noise,cutout=3")

    def images(size: int) -> np.ndarray:
        made = Batches(sources["files"], GRAY, size, shuffle=True, seed=3, augment=alone)
        return np.concatenate([x for x, _ in made.epoch(2)])

    np.testing.assert_array_equal(images(4), images(43))


def test_an_image_that_comes_twice_is_changed_in_two_ways() -> None:
    rare = np.random.default_rng(0).integers(0, 256, (9, 6, 6, 1), np.uint8)
    dataset = Dataset(rare, np.array([0] * 8 + [1]), ("many", "one"), "toy")
    made = Batches(dataset, GRAY, 9, balanced=True, augment=Augment.parse("crop=2"))
    ((x, labels),) = made.epoch(0)
    of_one = x[labels == 1]
    assert len(of_one) >= 4 and len({image.tobytes() for image in of_one}) > 1


def test_mixed_labels_are_shares_of_classes(sources) -> None:
    made = Batches(sources["memory"], GRAY, 10, augment=Augment.parse("cutmix=1:1"))
    for x, labels in made:
        assert labels.dtype == np.float32 and labels.shape == (len(x), 3)
        np.testing.assert_allclose(labels.sum(1), 1, rtol=1e-6)
