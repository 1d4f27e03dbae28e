"""The architectures beside U-Net: layers of segmentation-models, any size, any form."""

import numpy as np
import pytest

from steelexp.lazy import keras, segmentation_models, tf
from steelexp.model.architectures import ARCHITECTURES
from steelexp.model.decoder_layers import repeat_pixels
from steelexp.model.encoders import SharedSettings, build_encoder
from steelexp.model.step_noise import follow_steps

SMALL = {
    "unet": {"decoder_filters": (8, 8, 8, 8, 8)},
    "fpn": {"pyramid_filters": 8},
    "linknet": {"last_filters": 4},
    "pspnet": {"pyramid_filters": 8},
}
OTHERS = ("fpn", "linknet", "pspnet")


def build(name, *arguments, classes=3, **settings):
    common = {"backbone": "mobilenetv2", "weights": "none"}
    return ARCHITECTURES[name](classes, *arguments, **(common | SMALL[name] | settings))


def grey(height, width, count=2):
    draw = np.random.default_rng(0)
    return draw.integers(0, 256, (count, height, width, 1), np.uint8)


def inner(model):
    """The network within the model, from scaled image to scores."""
    (network,) = (layer for layer in model.layers if isinstance(layer, keras.Model))
    return network


@pytest.fixture(scope="module", params=OTHERS)
def model(request):
    keras.utils.set_random_seed(1)
    return build(request.param)


def test_every_architecture_has_small_settings_here():
    assert list(SMALL) == list(ARCHITECTURES)


LIBRARY = [
    ("fpn", "FPN", {"pyramid_block_filters": 8}, {}),
    ("linknet", "Linknet", {"decoder_filters": (None, None, None, None, 4)}, {}),
    ("pspnet", "PSPNet", {"psp_conv_filters": 8, "downsample_factor": 4}, {"downsample_factor": 4}),
]


@pytest.mark.parametrize(("name", "theirs", "their_settings", "settings"), LIBRARY)
def test_is_that_of_segmentation_models(name, theirs, their_settings, settings):
    network = inner(build(name, batch_norm_momentum=0.0, **settings))
    library = getattr(segmentation_models, theirs)(
        "mobilenetv2",
        input_shape=(96, 96, 3),  # the library's pyramid takes multiples of 48
        classes=3,
        activation="linear",
        encoder_weights=None,
        **their_settings,
    )
    # The library leaves the name of LinkNet's last layer to Keras.
    last = "conv2d" if name == "linknet" else "head_conv"
    expected = [(w.name.replace(last, "final_conv"), w.shape) for w in library.weights]
    assert [(w.name, w.shape) for w in network.weights] == expected
    image = grey(96, 96).repeat(3, axis=-1) / np.float32(255)
    network(image, training=True)  # its batch norms keep what they see
    library.set_weights(network.get_weights())
    scores = library(image).numpy()
    np.testing.assert_allclose(network(image), scores, atol=1e-4)
    assert np.ptp(scores) > 0.1


def test_levels_are_added_or_concatenated():
    joined = {
        how: inner(build("fpn", aggregation=how)).get_layer(f"aggregation_{how}").output.shape[-1]
        for how in ("sum", "concat")
    }
    assert joined == {"sum": 4, "concat": 16}


def test_vgg_gets_a_centre_block_in_linknet():
    network = inner(build("linknet", backbone="vgg16"))
    assert network.get_layer("center_block2_conv").filters == 512


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 224)])
def test_gives_float32_logits_of_the_inputs_size(model, height, width):
    logits = model(grey(height, width))
    assert logits.shape == (2, height, width, 3)
    assert logits.dtype == tf.float32
    assert np.isfinite(logits).all()


def test_each_image_is_scored_by_itself(model):
    images = grey(64, 96)
    np.testing.assert_allclose(model(images)[1:], model(images[1:]), atol=1e-5)


@pytest.mark.parametrize("name", OTHERS)
def test_half_resolution_a_head_and_mixed_precision(name):
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        pool = keras.layers.GlobalAveragePooling2D()
        half = build(
            name,
            "plain",
            lambda end, cell: pool(end),
            resolution="half",
            scaling="imagenet",
            batch_norm_momentum=0.5,
        )
    finally:
        keras.mixed_precision.set_global_policy("float32")
    logits, image_logits = half(grey(32, 96))
    assert logits.shape == (2, 32, 96, 3)
    assert image_logits.shape[0] == 2
    assert [output.dtype for output in half.outputs] == [tf.float32, tf.float32]
    assert inner(half).get_layer("final_conv").compute_dtype == "bfloat16"
    norms = [
        layer for layer in inner(half).layers if isinstance(layer, keras.layers.BatchNormalization)
    ]
    assert {layer.momentum for layer in norms} == {0.5}


@pytest.mark.parametrize("name", ["fpn", "linknet"])
def test_the_folded_form_has_the_same_weights_and_logits(name):
    plain, folded = build(name), build(name, "folded")
    assert [w.name for w in folded.weights] == [w.name for w in plain.weights]
    folded.set_weights(plain.get_weights())
    image = grey(32, 64)
    np.testing.assert_allclose(folded(image), plain(image), atol=1e-4)


@pytest.mark.slow  # XLA compiles each network
@pytest.mark.parametrize("name", OTHERS)
def test_xla_compiles_the_folded_form_and_its_gradient(name):
    # Statistics of a batch of so few values would make rounding 1e-3 of the largest logit.
    keras.utils.set_random_seed(1)
    model = build(name, "folded")
    image = grey(64, 64)
    upstream = np.random.default_rng(1).normal(size=(2, 64, 64, 3)).astype(np.float32)

    def outcome(*, xla):
        @tf.function(jit_compile=xla)
        def gradients():
            with tf.GradientTape() as tape:
                logits = model(image, training=False)
                cost = tf.reduce_mean(logits * upstream)
            return logits, tape.gradient(cost, model.trainable_weights[-8:])

        return gradients()

    logits, gradients = outcome(xla=False)
    compiled = outcome(xla=True)
    for theirs, ours in zip((compiled[0], *compiled[1]), (logits, *gradients), strict=True):
        np.testing.assert_allclose(theirs, ours, atol=2e-5 * np.abs(ours).max())


@pytest.mark.parametrize("factor", [2, 8])
def test_repeated_pixels_and_their_gradient_by_hand(factor):
    image = tf.constant([[[[1.0], [2.0]]]])
    upstream = tf.reshape(tf.range(2.0 * factor**2), [1, factor, 2 * factor, 1])

    @tf.function(jit_compile=True)
    def repeat():
        with tf.GradientTape() as tape:
            tape.watch(image)
            large = repeat_pixels(image, factor, "large", "folded")
        return large, tape.gradient(large, image, upstream)

    large, gradient = repeat()
    assert large.numpy()[0, :, :, 0].tolist() == [[1.0] * factor + [2.0] * factor] * factor
    sums = upstream.numpy().reshape(factor, 2, factor).sum((0, 2))
    assert gradient.numpy().ravel().tolist() == pytest.approx(sums.tolist())


@pytest.mark.parametrize("name", ["fpn", "pspnet"])
def test_dropout_follows_the_steps(name):
    model = build(name, dropout=0.5)
    step = tf.Variable(3, dtype=tf.int64)
    follow_steps(model, 1, step)
    image = grey(32, 32)
    first = model(image, training=True)
    np.testing.assert_allclose(model(image, training=True), first, atol=1e-6)
    step.assign(4)
    assert np.abs(model(image, training=True) - first).max() > 1e-3


def test_an_encoders_file_is_loaded_whole_though_pspnet_leaves_out_its_end(tmp_path):
    file = tmp_path / "encoder.h5"
    encoder = build_encoder(SharedSettings("mobilenetv2", "none", "unit", 0.99, "full"))
    encoder.save_weights(file)
    loaded = inner(build("pspnet", weights=str(file)))
    assert len(loaded.layers) < len(encoder.layers)
    for name in ("Conv1", "block_6_expand"):
        kernel = encoder.get_layer(name).get_weights()[0]
        np.testing.assert_array_equal(loaded.get_layer(name).get_weights()[0], kernel)


@pytest.mark.parametrize("resolution", ["full", "half"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_head_gets_the_pixels_of_a_cell(name, resolution):
    given = []

    def head(encoder_end, cell):
        given.append(cell)
        return tf.reduce_mean(encoder_end, axis=[1, 2])[:, :3]

    model = build(name, "plain", head, resolution=resolution)
    _, image_logits = model(grey(128, 192))
    assert image_logits.shape == (2, 3)
    end = {"pspnet": 8}.get(name, 32)
    assert given == [end * (2 if resolution == "half" else 1)]
