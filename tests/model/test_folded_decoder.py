import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelexp.lazy import keras, tf
from steelexp.model.backbones import BACKBONES
from steelexp.model.folded_decoder import FoldedConvolution, convolve_doubled, fold
from steelexp.model.unet import unet
from steelexp.training import checkpoint

FILTERS = (9, 8, 7, 6, 5)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def plain_stage(inputs, kernel):
    """Upsampling, concatenation and convolution, as segmentation-models has them."""
    doubled = tf.repeat(tf.repeat(inputs[0], 2, axis=1), 2, axis=2)
    return tf.nn.conv2d(tf.concat([doubled, *inputs[1:]], axis=3), kernel, 1, "SAME")


def scramble(model):
    """Change every weight a little: batch norms all start alike."""
    draw = np.random.default_rng(1)
    changes = [draw.normal(size=w.shape).clip(-2, 2) / 10 for w in model.get_weights()]
    model.set_weights(
        [
            w * (1 + change) + change / 10
            for w, change in zip(model.get_weights(), changes, strict=True)
        ]
    )


def pair(backbone="mobilenetv2", **others):
    """The plain and the folded network with equal weights, different in every layer."""
    others = {"weights": "none", "decoder_filters": FILTERS} | others
    plain = unet(3, "plain", backbone=backbone, **others)
    folded = unet(3, "folded", backbone=backbone, **others)
    scramble(plain)
    head = inner(plain).get_layer("final_conv")
    kernel, bias = head.get_weights()
    spread = np.std(plain(grey(1, 64, 64)))
    head.set_weights([kernel / spread, bias])  # logits of about 1, like those of a trained network
    folded.set_weights(plain.get_weights())
    return plain, folded


def inner(model):
    """The network of segmentation-models within the model."""
    return next(layer for layer in model.layers if isinstance(layer, keras.Model))


def grey(batch, height, width):
    return np.random.default_rng(0).integers(0, 256, (batch, height, width, 1), np.uint8)


def gradients(model, image, target):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((tf.sigmoid(model(image, training=True)) - target) ** 2)
    return tape.gradient(loss, model.trainable_weights)


# --- one stage


def test_fold_by_hand():
    kernel = np.arange(1, 10, dtype=np.float32).reshape(3, 3, 1, 1)
    assert fold(tf.constant(kernel)).numpy()[..., 0, 0].tolist() == [
        [9, 17, 15, 7],
        [15, 28, 24, 11],
        [9, 16, 12, 5],
        [3, 5, 3, 1],
    ]


def test_a_doubled_pixel_by_hand():
    kernel = np.arange(1, 10, dtype=np.float32).reshape(3, 3, 1, 1)
    result = convolve_doubled(tf.ones([1, 1, 1, 1]), tf.constant(kernel))
    # The pixel [0, 0] of the four sees itself (5), right (6), below (8) and both (9).
    assert result.numpy()[0, ..., 0].tolist() == [[28, 24], [16, 12]]


@settings(max_examples=15, deadline=None)
@given(
    batch=st.integers(1, 3),
    height=st.integers(1, 7),
    width=st.integers(1, 7),
    deep=st.integers(1, 5),
    skip=st.integers(0, 5),
    filters=st.integers(1, 5),
)
def test_a_folded_stage_is_the_plain_stage(batch, height, width, deep, skip, filters):
    inputs = [tf.constant(normal(batch, height, width, deep))]
    if skip:
        inputs.append(tf.constant(normal(batch, 2 * height, 2 * width, skip, seed=1)))
    layer = convolution(deep + skip, filters)
    weights = normal(batch, 2 * height, 2 * width, filters, seed=2)
    folded = with_gradients(FoldedConvolution(layer), inputs, layer.kernel, weights)
    plain = with_gradients(lambda x: plain_stage(x, layer.kernel), inputs, layer.kernel, weights)
    for ours, theirs in zip(folded, plain, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def convolution(channels, filters):
    """A built layer with a random kernel."""
    layer = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False, name="stage_conv")
    layer.build((None, None, None, channels))
    return layer


def with_gradients(act, inputs, kernel, weights):
    """The result of a stage, and the gradients of its weighted sum to the inputs and the kernel."""
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        result = act(inputs)
        total = tf.reduce_sum(result * weights)
    return [result, *tape.gradient(total, [*inputs, kernel])]


def test_a_folded_stage_has_the_kernel_of_the_plain_one():
    layer = convolution(3, 2)
    folded = FoldedConvolution(layer)
    assert folded.name == "stage_conv"
    assert [weight is layer.kernel for weight in folded.trainable_weights] == [True]


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_a_kernel_is_folded_before_it_is_rounded(precision):
    layer = convolution(1, 1)
    kernel = np.zeros((3, 3, 1, 1), np.float32)
    kernel[1:, 1:] = (
        1 + 1 / 1024
    )  # rounds to 1 in bfloat16; four times that, 4.004, does not add up
    layer.kernel.assign(kernel)
    pixel = tf.ones([1, 1, 1, 1], precision)
    result = FoldedConvolution(layer)([pixel])
    assert result.dtype == precision
    assert float(result[0, 0, 0, 0]) == float(tf.cast(kernel.sum(), precision))


# --- the network


@pytest.fixture(scope="module")
def networks():
    return pair()


@pytest.mark.parametrize(("batch", "height", "width"), [(1, 64, 64), (2, 32, 96), (3, 96, 160)])
def test_logits_are_those_of_the_plain_network(networks, batch, height, width):
    plain, folded = (model(grey(batch, height, width)).numpy() for model in networks)
    assert np.ptp(plain) > 1
    np.testing.assert_allclose(folded, plain, atol=1e-4)


def test_weights_are_those_of_the_plain_network_in_its_order(networks):
    plain, folded = networks
    assert described(folded.weights) == described(plain.weights)
    assert described(folded.trainable_weights) == described(plain.trainable_weights)


def described(weights):
    return [(weight.name, tuple(weight.shape)) for weight in weights]


def test_gradients_are_those_of_the_plain_network(networks):
    plain, folded = networks
    before = plain.get_weights()
    target = np.random.default_rng(3).integers(0, 2, (2, 64, 96, 3)).astype(np.float32)
    results = [gradients(model, grey(2, 64, 96), target) for model in networks]
    largest = max(float(tf.reduce_max(tf.abs(each))) for each in results[0])
    for theirs, ours, weight in zip(*results, plain.trainable_weights, strict=True):
        # Batch norm takes some gradients to 0; what is left of them is rounding.
        bound = 1e-3 * np.abs(theirs).max() + 1e-5 * largest
        np.testing.assert_allclose(ours, theirs, atol=bound, err_msg=weight.name)
    for ours, theirs in zip(folded.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)  # moving averages
    for model in networks:
        model.set_weights(before)


def test_no_tensor_is_upsampled_or_concatenated_in_the_decoder(networks):
    names = [layer.name for layer in networks[1]._flatten_layers()]
    assert [name for name in names if "decoder" in name and name.endswith("a_conv")]
    assert not [name for name in names if name.endswith(("_upsampling", "_concat"))]


@pytest.mark.parametrize(
    ("backbone", "others"),
    [
        pytest.param("vgg16", {}, marks=pytest.mark.slow),  # a centre block
        ("resnet18", {"resolution": "half", "scaling": "imagenet"}),
    ],
)
def test_other_networks_are_folded_too(backbone, others):
    plain, folded = pair(backbone, **others)
    assert described(folded.weights) == described(plain.weights)
    image = grey(2, 32, 64)
    np.testing.assert_allclose(folded(image), plain(image), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_backbone_is_folded(backbone):
    plain, folded = pair(backbone)
    assert described(folded.weights) == described(plain.weights)
    np.testing.assert_allclose(folded(grey(1, 64, 64)), plain(grey(1, 64, 64)), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_in_mixed_precision_the_difference_is_rounding(precision):
    exact, _ = pair("mobilenet")
    keras.mixed_precision.set_global_policy(precision)
    try:
        plain, folded = pair("mobilenet")
        assert inner(folded).output.dtype == inner(plain).output.dtype == precision[len("mixed_") :]
    finally:
        keras.mixed_precision.set_global_policy("float32")
    image = grey(2, 64, 64)
    wanted, ours, theirs = (model(image).numpy() for model in (exact, folded, plain))
    assert np.abs(ours - wanted).max() <= 2 * np.abs(theirs - wanted).max()


# --- checkpoints


@pytest.mark.parametrize(
    "forms",
    [("plain", "folded"), pytest.param(("folded", "plain"), marks=pytest.mark.slow)],
)
def test_checkpoints_are_read_by_the_other_form(tmp_path, forms):
    models = {form: compiled(form) for form in forms}
    writer, reader = (models[form] for form in forms)
    scramble(writer)
    for number, variable in enumerate(writer.optimizer.variables):
        variable.assign(tf.fill(variable.shape, tf.cast(number + 1, variable.dtype)))
    checkpoint.save(tmp_path / "last.h5", writer, [], "d1")
    checkpoint.restore(tmp_path / "last.h5", reader, "d1")
    for ours, theirs in zip(reader.get_weights(), writer.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for ours, theirs in zip(reader.optimizer.variables, writer.optimizer.variables, strict=True):
        assert ours.name == theirs.name
        np.testing.assert_array_equal(ours, theirs)


def compiled(form):
    model = unet(2, form, backbone="resnet18", weights="none", decoder_filters=FILTERS)
    model.compile(keras.optimizers.Adam(), "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def test_an_encoders_file_is_loaded_into_both_forms(tmp_path):
    network = inner(unet(2, backbone="resnet18", weights="none", decoder_filters=FILTERS))
    encoder = keras.Model(network.input, network.get_layer("decoder_stage0_upsampling").input)
    encoder.save_weights(tmp_path / "encoder.h5")
    loaded = unet(2, "folded", backbone="resnet18", weights=str(tmp_path / "encoder.h5"))
    for ours, theirs in zip(loaded.get_weights(), encoder.get_weights(), strict=False):
        np.testing.assert_array_equal(ours, theirs)


def test_the_same_seed_draws_the_same_weights_for_both_forms():
    drawn = []
    for form in ("plain", "folded"):
        keras.utils.set_random_seed(7)
        drawn.append(compiled(form).get_weights())
    for ours, theirs in zip(*drawn, strict=True):
        np.testing.assert_array_equal(ours, theirs)
