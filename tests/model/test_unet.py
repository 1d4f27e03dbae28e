from pathlib import Path
from urllib.error import URLError

import h5py
import numpy as np
import pytest

from steelexp.errors import UserError
from steelexp.lazy import keras, segmentation_models, tf
from steelexp.model import unet as module
from steelexp.model.architectures import ARCHITECTURES
from steelexp.model.backbones import BACKBONES
from steelexp.model.truth import expand_bits
from steelexp.model.unet import unet

SMALL = {"backbone": "mobilenet", "decoder_filters": (8, 8, 8, 8, 8)}


def grey(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (2, height, width, 1), np.uint8)


def inner(model):
    """The network of segmentation-models within the model."""
    networks = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    assert len(networks) == 1
    return networks[0]


def encoder(backbone):
    """The encoder as segmentation-models builds it, with random weights."""
    names = ("backend", "layers", "models", "utils")
    return segmentation_models.backbones.backbones_factory.Backbones.get_backbone(
        backbone,
        input_shape=(None, None, 3),
        weights=None,
        include_top=False,
        **{name: getattr(keras, name) for name in names},
    )


def scramble(model):
    """Give every weight a value of its own: batch norms all start alike."""
    draw = np.random.default_rng(1)
    model.set_weights([draw.random(w.shape, np.float32) for w in model.get_weights()])


def assert_holds(model, weights):
    """The weights of the model begin with these: those of its encoder."""
    held = inner(model).get_weights()
    assert len(held) > len(weights)
    for ours, theirs in zip(held, weights, strict=False):
        np.testing.assert_array_equal(ours, theirs)


@pytest.fixture(scope="module")
def small():
    """A small U-Net with ImageNet's scaling."""
    return unet(3, **SMALL, weights="none", scaling="imagenet", batch_norm_momentum=0.25)


@pytest.fixture(scope="module")
def small_half():
    """A small U-Net at half resolution and in mixed precision."""
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        return unet(3, **SMALL, weights="none", resolution="half")
    finally:
        keras.mixed_precision.set_global_policy("float32")


@pytest.fixture
def mean_grey(monkeypatch):
    """In place of segmentation-models' network: two logits, the mean of the three channels."""

    def network(*_, classes, **__):
        image = keras.Input((None, None, 3))
        mean = keras.layers.Conv2D(
            classes,
            1,
            use_bias=False,
            kernel_initializer=keras.initializers.Constant(1 / 3),
            name="decoder_stage0_upsampling",
        )
        return keras.Model(image, mean(image))

    monkeypatch.setattr(module, "library_network", network)


# --- what it gives


def test_is_an_architecture():
    assert ARCHITECTURES["unet"] is unet


@pytest.mark.parametrize(("height", "width"), [(64, 64), (64, 96), (32, 160)])
def test_gives_float32_logits_of_the_inputs_size(small, height, width):
    logits = small(grey(height, width))
    assert logits.shape == (2, height, width, 3)
    assert logits.dtype == tf.float32
    assert small.input.dtype == tf.uint8


def test_gives_logits_and_no_scores(small):
    head = inner(small).get_layer("final_conv")
    kernel, bias = head.get_weights()
    head.set_weights([0 * kernel, np.array([-40.0, 0.5, 7.0], np.float32)])
    try:
        assert small(grey(32, 32)).numpy()[1, 3, 4].tolist() == [-40.0, 0.5, 7.0]
    finally:
        head.set_weights([kernel, bias])


def test_takes_images_one_by_one(small):
    images = grey(64, 96)
    together, alone = small(images).numpy(), small(images[1:]).numpy()
    np.testing.assert_allclose(together[1:], alone, atol=1e-5)
    assert np.ptp(together) > 0.01


@pytest.mark.parametrize(("height", "width"), [(64, 64), (32, 96)])
def test_at_half_resolution_gives_the_inputs_size(small_half, height, width):
    head = inner(small_half).get_layer("final_conv")
    head.set_weights([0 * head.get_weights()[0], np.array([1.0, 2.0, 3.0], np.float32)])
    logits = small_half(grey(height, width))
    assert logits.shape == (2, height, width, 3)
    assert (logits.numpy() == [1.0, 2.0, 3.0]).all()


def test_is_float16_within_and_float32_without_in_mixed_precision(small_half):
    assert inner(small_half).output.dtype == tf.float16
    assert small_half(grey(32, 32)).dtype == tf.float32


@pytest.mark.parametrize("width", [64, 96])
def test_half_resolution_by_hand(mean_grey, width):
    # Each 2 x 2 block is averaged, then interpolated between the blocks' centres.
    row = np.array([10, 20, 40, 60] + [100] * (width - 8) + [0, 10, 20, 30], np.uint8)
    image = np.stack([row + 5, row] * 16)[None, :, :, None]
    model = unet(1, backbone="mobilenet", weights="none", resolution="half")
    blocks = (row.reshape(-1, 2).mean(axis=1) + 2.5) / 255
    left, right = np.pad(blocks, (1, 0), "edge")[:-1], np.pad(blocks, (0, 1), "edge")[1:]
    expected = np.stack([0.75 * blocks + 0.25 * left, 0.75 * blocks + 0.25 * right], 1).ravel()
    logits = model(image).numpy()[0, :, :, 0]
    assert logits.shape == (32, width)
    np.testing.assert_allclose(logits, np.tile(expected, (32, 1)), atol=1e-5)


def test_has_the_weights_of_earlier_checkpoints(small):
    names = [weight.name for weight in small.weights]
    assert len(names) == 187
    assert names[0] == "conv1/kernel:0"
    decoder = [
        "decoder_stage0a_conv/kernel:0",
        "decoder_stage0a_bn/gamma:0",
        "decoder_stage0a_bn/beta:0",
    ]
    assert names[135:138] == decoder
    assert names[-2:] == ["final_conv/kernel:0", "final_conv/bias:0"]


@pytest.mark.parametrize(("decoder", "resolution"), [("plain", "half"), ("folded", "full")])
def test_a_head_scores_images_from_the_encoders_end(small, decoder, resolution):
    def head(features, cell):
        return keras.layers.GlobalAveragePooling2D()(features)

    settings = SMALL | {"scaling": "imagenet", "weights": "none", "resolution": resolution}
    plain, model = unet(3, decoder, **settings), unet(3, decoder, head, **settings)
    model.set_weights(plain.get_weights())
    image = grey(64, 64)
    logits, image_logits = model(image)
    np.testing.assert_array_equal(logits, plain(image))
    assert model.output_names == ["logits", "image_logits"]
    network = inner(plain)
    end = keras.Model(network.input, network.get_layer("conv_pw_13_relu").output)
    scaled = keras.Model(plain.input, plain.get_layer("scale").output)(image)
    if resolution == "half":
        scaled = tf.nn.avg_pool2d(scaled, 2, 2, "VALID")
    np.testing.assert_allclose(image_logits, tf.reduce_mean(end(scaled), (1, 2)), atol=1e-5)


# --- its scaling


def test_unit_scaling_divides_by_255(mean_grey):
    model = unet(2, backbone="vgg16", weights="none")
    image = np.array([0, 51, 102, 255], np.uint8).reshape(1, 2, 2, 1)
    expected = [0.0, 0.0, 0.2, 0.2, 0.4, 0.4, 1.0, 1.0]
    assert model(image).numpy().ravel() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_imagenet_scaling_is_that_of_segmentation_models(mean_grey, backbone):
    model = unet(1, backbone=backbone, weights="none", scaling="imagenet")
    image = grey(4, 4)
    scaled = keras.Model(model.input, model.get_layer("scale").output)(image)
    preprocess = segmentation_models.get_preprocessing(backbone)
    expected = preprocess(image.repeat(3, axis=-1).astype(np.float64))
    np.testing.assert_allclose(scaled.numpy(), expected, atol=1e-4)
    assert float(model(image)[0, 0, 0, 0]) == pytest.approx(expected[0, 0, 0].mean(), abs=1e-4)


def test_the_network_is_given_what_was_scaled(small):
    image = grey(32, 32)
    scaled = (image.repeat(3, axis=-1) / np.float32(127.5)) - 1  # mobilenet's
    np.testing.assert_allclose(small(image), inner(small)(scaled), atol=1e-4)


# --- its batch norms


def test_momentum_is_that_of_every_batch_norm(small):
    norms = [
        layer
        for layer in small._flatten_layers()
        if "normalization" in type(layer).__name__.lower()
    ]
    assert len(norms) == 27 + 10  # MobileNet's, and two in each of five decoder stages
    assert {layer.momentum for layer in norms} == {0.25}


def test_momentum_is_the_share_of_the_old_average_that_a_step_keeps(small):
    network = inner(small)
    norm = network.get_layer("conv1_bn")
    before = norm.moving_mean.numpy()
    image = grey(64, 64).repeat(3, axis=-1) / np.float32(255)
    mean = keras.Model(network.input, norm.input)(image).numpy().mean((0, 1, 2))
    network(image, training=True)
    np.testing.assert_allclose(norm.moving_mean, 0.25 * before + 0.75 * mean, atol=1e-4)
    assert np.abs(mean - before).max() > 0.01


# --- its weights


@pytest.fixture(scope="module")
def resnet18_file(tmp_path_factory):
    """The weights of another backbone."""
    path = tmp_path_factory.mktemp("weights") / "resnet18.h5"
    encoder("resnet18").save_weights(path)
    return path


@pytest.fixture
def built_before(small, monkeypatch):
    """Give the network of `small` again: loading is what is tested."""
    monkeypatch.setattr(module, "library_network", lambda *_, **__: inner(small))


@pytest.mark.parametrize(
    "backbone",
    ["mobilenet", "vgg16", "seresnet18"],  # named layers; a centre block; unnamed layers
)
def test_an_encoders_file_is_loaded_into_the_encoder(tmp_path, backbone):
    keras.backend.clear_session()
    keras.layers.Conv2D(1, 1), keras.layers.BatchNormalization()  # Keras counts unnamed layers
    source = encoder(backbone)
    scramble(source)
    file = tmp_path / f"{backbone}.h5"
    source.save_weights(file)
    model = unet(2, backbone=backbone, weights=str(file), decoder_filters=(8, 8, 8, 8, 8))
    assert_holds(model, source.get_weights())


def test_none_draws_the_weights_from_the_seed():
    drawn = []
    for _ in range(2):
        keras.utils.set_random_seed(1)
        model = unet(1, backbone="resnet18", weights="none", decoder_filters=(8, 8, 8, 8, 8))
        drawn.append(model.get_weights())
    for first, second in zip(*drawn, strict=True):
        np.testing.assert_array_equal(first, second)


def test_imagenet_without_a_network_says_what_else_there_is(tmp_path, monkeypatch):
    def raise_if(url, *_, **__):
        assert url.startswith("https://")
        raise URLError("Name or service not known")

    (tmp_path / ".keras").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("tf_keras.src.utils.data_utils.urlretrieve", raise_if)
    with pytest.raises(UserError) as error:
        unet(4, backbone="resnet18", weights="imagenet")
    assert str(error.value).startswith(
        "model.weights: imagenet: the weights of resnet18 cannot be downloaded "
        "(URL fetch failure on https://"
    )
    assert "Name or service not known" in str(error.value)
    assert str(error.value).endswith("set model.weights=none, or model.weights=path/to/file.h5")
    assert "\n" not in str(error.value)


def test_a_fault_without_weights_is_not_taken_for_a_failed_download(monkeypatch):
    def fault(*_, **__):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(segmentation_models, "Unet", fault, raising=False)
    with pytest.raises(RuntimeError, match="out of memory"):
        unet(4, backbone="resnet18", weights="none")


def test_a_missing_file_is_refused_before_anything_is_built(monkeypatch):
    monkeypatch.setattr(module, "library_network", lambda *_, **__: pytest.fail("built"))
    with pytest.raises(UserError) as error:
        unet(4, backbone="mobilenet", weights="imagnet")
    assert str(error.value) == (
        "model.weights: there is no file imagnet; give the path of the encoder's .h5 file, "
        "or one of: imagenet, none"
    )


def refusal(weights: Path) -> str:
    with pytest.raises(UserError) as error:
        unet(3, **SMALL, weights=str(weights))
    return str(error.value)


WAY_OUT = "); give the file of that backbone without its top, or none"


@pytest.mark.usefixtures("built_before")
class TestWrongFile:
    @pytest.mark.parametrize("name", ["text.h5", "text.txt", "text.keras", "text.weights.h5"])
    def test_that_holds_no_weights(self, tmp_path, name):
        file = tmp_path / name
        file.write_text("<html>404: not found</html>")
        message = refusal(file)
        assert message.startswith(
            f"model.weights: {file} does not hold the encoder weights of mobilenet ("
        )
        assert message.endswith(WAY_OUT)
        assert "\n" not in message

    def test_that_is_an_hdf5_file_of_something_else(self, tmp_path):
        file = tmp_path / "other.h5"
        with h5py.File(file, "w") as other:
            other["pixels"] = np.zeros(3)
        assert refusal(file).endswith(WAY_OUT)

    def test_that_is_another_backbones(self, small, resnet18_file):
        before = inner(small).get_weights()
        message = refusal(resnet18_file)
        assert "Layer count mismatch" in message
        assert message.endswith(WAY_OUT)
        for ours, theirs in zip(inner(small).get_weights(), before, strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.realdata
def test_the_real_mobilenet_weights_load(realdata):
    file = realdata / "mobilenet_1_0_224_tf_no_top_partial.h5"
    model = unet(4, **SMALL, weights=str(file))
    with h5py.File(file) as weights:
        kernel = weights["conv1/conv1/kernel:0"][()]
    np.testing.assert_array_equal(inner(model).get_layer("conv1").get_weights()[0], kernel)


# --- bits


def test_expand_bits_by_hand():
    bits = tf.constant([[[[0], [1]], [[2], [5]]], [[[7], [4]], [[3], [6]]]], tf.uint8)
    expected = [
        [[[0, 0, 0], [1, 0, 0]], [[0, 1, 0], [1, 0, 1]]],
        [[[1, 1, 1], [0, 0, 1]], [[1, 1, 0], [0, 1, 1]]],
    ]
    channels = expand_bits(bits, 3)
    assert channels.dtype == tf.float32
    assert channels.numpy().tolist() == expected


def test_expand_bits_takes_eight_classes_and_leaves_out_the_bits_above():
    bits = tf.constant(0b10000001, tf.uint8, shape=(1, 1, 1, 1))
    assert expand_bits(bits, 8).numpy().ravel().tolist() == [1, 0, 0, 0, 0, 0, 0, 1]
    assert expand_bits(bits, 2).numpy().ravel().tolist() == [1, 0]
