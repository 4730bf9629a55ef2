"""Reading networks from model files, and turning their weights into other layouts."""

import numpy as np

from benchmarks.networks import nets
from benchmarks.networks.network import filters_first, read, rows_by_channel
from tinyvision import models


def test_a_network_is_read_as_it_was_written(tmp_path):
    network = read(nets.write("resnet20", tmp_path / "r.safetensors", dropout=True))
    assert network.input_shape == (32, 32, 3)
    state = models.create("resnet20", (32, 32, 3), 10).state()
    assert {k: v.shape for k, v in network.weights.items()} == {
        k: v.shape for k, v in state.items()
    }
    blocks = [step for step in network.steps if step.kind == "Residual"]
    assert len(blocks) == 9
    assert [len(block.shortcut) for block in blocks] == [0, 0, 0, 1, 0, 0, 1, 0, 0]
    assert blocks[3].shortcut[0].settings == {"filters": 32, "stride": 2}
    assert blocks[3].body[0].settings == {"stride": 2, "pad": 1}
    # weights belong to steps, in the order of the model
    paths = dict.fromkeys(path.rpartition(".")[0] for path in state)
    assert [step.path for step in network.flat() if step.path in paths] == list(paths)


def test_settings_that_a_file_leaves_out_are_filled_in(tmp_path):
    network = read(nets.write("lenet5", tmp_path / "l.safetensors", dropout=True))
    settings = {step.path: step.settings for step in network.steps}
    assert settings["conv1"] == {"stride": 1, "pad": 2}  # 5 x 5, "same"
    assert settings["conv2"] == {"stride": 1, "pad": 0}
    assert settings["pool1"] == {"window": 2}


def test_dropout_is_off_where_results_are_compared(tmp_path):
    for dropout, rates in ((True, [0.1, 0.3]), (False, [0.0, 0.0])):
        network = read(nets.write("small_cnn", tmp_path / "s.safetensors", dropout=dropout))
        steps = [step for step in network.steps if step.kind == "Dropout"]
        assert [step.settings["rate"] for step in steps] == rates


def test_nothing_that_could_be_mixed_up_is_0_or_1(tmp_path):
    weights = read(nets.write("vgg_small", tmp_path / "v.safetensors", dropout=True)).weights
    for path, value in weights.items():
        assert len(np.unique(value)) > value.size // 2, path
        assert path.endswith("running_var") <= bool((value > 0).all()), path


def test_everybody_works_on_the_same_batch(tmp_path):
    network = read(nets.write("mlp", tmp_path / "m.safetensors", dropout=True))
    (images, labels), again = network.batch(3), network.batch(3)
    assert images.shape == (3, 28, 28, 1)
    assert images.dtype == np.float32
    assert labels.shape == (3,)
    np.testing.assert_array_equal(images, again[0])
    np.testing.assert_array_equal(labels, again[1])


def test_a_dense_layer_after_an_image_that_is_laid_out_by_channel():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 3, 4, 5)), rng.standard_normal((3 * 4 * 5, 6))
    by_channel = x.transpose(0, 3, 1, 2).reshape(2, -1)  # (N, H, W, C) -> (N, C*H*W)
    expected = x.reshape(2, -1) @ w  # (N, H*W*C) @ (H*W*C, O)
    np.testing.assert_allclose(by_channel @ rows_by_channel(w, 5).T, expected, rtol=1e-12)


def test_filters_first():
    w = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    assert filters_first(w).shape == (5, 4, 2, 3)
    assert filters_first(w)[1, 2, 0, 1] == w[0, 1, 2, 1]
