"""What all architectures share: input scaling, resolution, float32 logits, and a head.

An architecture builds its decoder on an encoder of segmentation-models (`model/encoders.py`) and
hands both to `assemble`. The assembled network takes grey images as they are in the file. Input
scaling happens here and nowhere else.
"""

from collections.abc import Callable
from typing import Any, Literal

from steelexp.lazy import Tensor, keras, tf
from steelexp.model.backbones import BACKBONES, UNIT
from steelexp.model.encoders import Parts, SharedSettings, load_encoder, weights_file

Decoder = Literal["plain", "folded"]
"""Forms of the decoder; both compute the same from the same weights."""

_ENCODER = "encoder_variable_names"
"""Attribute of an assembled network."""

Head = Callable[[Tensor, int], Tensor]
"""From the encoder's end [B, h, w, K], and the pixels between its cells, to the logits of the
images [B, C]."""


def assemble(
    name: str, build: Callable[[], Parts], settings: SharedSettings, head: Head | None = None
) -> Any:
    """The network of an architecture, with all that the architectures share.

    Args:
        name: Name of the architecture.
        build: Builds its parts, with ImageNet's weights or random ones.
        settings: Settings that every architecture has.
        head: Head that scores whole images; None for masks alone.

    Returns:
        A tf_keras.Model: grey [B, h, w, 1] uint8 -> logits [B, h, w, C] float32. With a head it has
        the logits of the images, [B, C] float32, as second output.

    Raises:
        UserError: The weights file is missing, cannot be downloaded or does not fit the backbone.
    """
    file = weights_file(settings.weights)
    if not tf.distribute.has_strategy():  # clearing the session ends a strategy's scope
        keras.backend.clear_session()
    parts = build()
    network = parts.network
    if file is not None:
        load_encoder(parts.encoder, settings.backbone, file)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = settings.batch_norm_momentum
    if head is not None:
        network = keras.Model(network.input, [network.output, parts.encoder_end], name=network.name)
    grey = keras.Input((None, None, 1), dtype="uint8", name="grey")
    mean, std = BACKBONES[str(settings.backbone)] if settings.scaling == "imagenet" else UNIT
    image = keras.layers.Lambda(lambda x: _scale(x, mean, std), name="scale")(grey)
    apply = _at_half_resolution(network) if settings.resolution == "half" else network
    scores = apply(image)
    name = f"{name}_{settings.backbone}"
    outputs = _as_float32(scores, "logits") if head is None else None
    if head is not None:
        cell = _pixels_of_a_cell(parts) * (2 if settings.resolution == "half" else 1)
        image_logits = _as_float32(head(scores[1], cell), "image_logits")
        outputs = [_as_float32(scores[0], "logits"), image_logits]
    model = keras.Model(grey, outputs, name=name)
    setattr(model, _ENCODER, tuple(variable.name for variable in parts.encoder.weights))
    return model


def encoder_variables(model: Any) -> list[Any]:
    """The variables of the encoder of an assembled network, moving averages among them.

    Args:
        model: Network as `assemble` returns it.
    """
    names = frozenset(getattr(model, _ENCODER))
    return [variable for variable in model.weights if variable.name in names]


def _pixels_of_a_cell(parts: Parts) -> int:
    """Pixels of an image from one cell of the encoder's end to the next."""
    side = 512
    to_end = keras.Model(parts.network.input, parts.encoder_end)
    return side // int(to_end.compute_output_shape((1, side, side, 3))[1])


def _as_float32(scores: Tensor, name: str) -> Tensor:
    return keras.layers.Activation("linear", dtype="float32", name=name)(scores)


def _scale(grey: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """[B, h, w, 1] uint8 -> [B, h, w, 3] float, in the policy's precision."""
    scaled = (tf.cast(grey, tf.float32) - tf.constant(mean)) / tf.constant(std)
    return tf.cast(scaled, keras.mixed_precision.global_policy().compute_dtype)


def _at_half_resolution(network: Any) -> Callable[[Tensor], Any]:
    """Apply the network to averages of 2 x 2 pixels; its second output stays as it is."""
    layers = keras.layers

    def scores(image: Tensor) -> Any:
        # A multiple of 64 at full size is one of 32 at half. Reflection fills up the image.
        padded = layers.Lambda(_reflect_to_64, name="mirror")(image)
        outputs = network(layers.AveragePooling2D(2, name="half")(padded))
        small = outputs[0] if isinstance(outputs, list) else outputs
        large = layers.UpSampling2D(2, interpolation="bilinear", name="full")(small)
        crop = layers.Lambda(lambda x: x[0][:, : tf.shape(x[1])[1], : tf.shape(x[1])[2]])
        result = crop([large, image])
        return [result, *outputs[1:]] if isinstance(outputs, list) else result

    return scores


def _reflect_to_64(image: Tensor) -> Tensor:
    """Pad height and width by reflection to multiples of 64."""
    # By index, not tf.pad: its unknown amounts would hide from TFLite how many channels there are.
    for axis in (1, 2):
        size = image.shape[axis] or tf.shape(image)[axis]
        # Of whole numbers only: a remainder of -size has another sign in ONNX Runtime.
        place = tf.range((size + 63) // 64 * 64)
        image = tf.gather(image, tf.minimum(place, 2 * size - 1 - place), axis=axis)
    return image
