"""What all architectures share: encoder weights, input scaling, resolution and float32 logits.

An architecture builds its decoder on an encoder of segmentation-models and hands both to
`assemble`. The assembled network takes grey images as they are in the file. Input scaling happens
here and nowhere else.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from steelexp.errors import UserError
from steelexp.lazy import Tensor, keras, segmentation_models, tf
from steelexp.model.backbones import BACKBONES, UNIT
from steelexp.model.finiteness import check_weights
from steelexp.spec.component import one_of

Backbone: Any = one_of(BACKBONES)
"""Names of encoders."""
Momentum = Annotated[float, Field(ge=0, lt=1)]
InputScaling = Literal["unit", "imagenet"]
Resolution = Literal["full", "half"]

Decoder = Literal["plain", "folded"]
"""Forms of the decoder; both compute the same from the same weights."""

_ENCODER = "encoder_variable_names"
"""Attribute of an assembled network."""

Head = Callable[[Tensor], Tensor]
"""From the encoder's end [B, h, w, K] to the logits of the images [B, C]."""


class Parts(NamedTuple):
    """A network whose parts are known.

    Attributes:
        network: tf_keras.Model, image [B, h, w, 3] -> scores [B, h, w, C].
        encoder: tf_keras.Model of the layers that an encoder's weights file fills.
        encoder_end: Tensor of the network that the decoder starts from.
    """

    network: Any
    encoder: Any
    encoder_end: Tensor


class SharedSettings(NamedTuple):
    """Settings that every architecture has; see `unet` for each."""

    backbone: Any
    weights: str
    scaling: InputScaling
    batch_norm_momentum: float
    resolution: Resolution


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
    file = _weights_file(settings.weights)
    if not tf.distribute.has_strategy():  # clearing the session ends a strategy's scope
        keras.backend.clear_session()
    parts = build()
    network = parts.network
    if file is not None:
        _load_encoder(parts.encoder, settings.backbone, file)
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
        image_logits = _as_float32(head(scores[1]), "image_logits")
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


def library_network(architecture: str, settings: SharedSettings, **others: Any) -> Any:
    """A network of segmentation-models, with ImageNet's weights or random ones.

    Args:
        architecture: Name of the library's function, such as Unet.
        settings: Settings that every architecture has.
        **others: Other settings of the library's function.

    Raises:
        UserError: ImageNet's weights cannot be downloaded.
    """
    return _with_imagenet(
        settings,
        lambda weights: getattr(segmentation_models, architecture)(
            settings.backbone,
            input_shape=(None, None, 3),
            activation="linear",
            encoder_weights=weights,
            **others,
        ),
    )


def parts_of_library(network: Any, first_layers: tuple[str, ...]) -> Parts:
    """The parts of a network of segmentation-models.

    Args:
        network: The network.
        first_layers: Names of the layer that begins the decoder; the first one that there is.
    """
    layers = {layer.name: layer for layer in network.layers}
    end = next(layers[name] for name in first_layers if name in layers).input
    return Parts(network, keras.Model(network.input, end, name="encoder"), end)


def _with_imagenet(settings: SharedSettings, build: Callable[[str | None], Any]) -> Any:
    """Build with the weights that segmentation-models knows, imagenet or None."""
    try:
        return build("imagenet" if settings.weights == "imagenet" else None)
    except Exception as error:
        if settings.weights != "imagenet":
            raise
        # Keras raises a plain Exception for a failed download, ValueError for unknown weights.
        raise UserError(
            f"model.weights: imagenet: the weights of {settings.backbone} cannot be downloaded "
            f"({_first_line(error)}); set model.weights=none, or model.weights=path/to/file.h5"
        ) from error


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
        size = tf.shape(image)[axis]
        # Of whole numbers only: a remainder of -size has another sign in ONNX Runtime.
        place = tf.range((size + 63) // 64 * 64)
        image = tf.gather(image, tf.minimum(place, 2 * size - 1 - place), axis=axis)
    return image


def _weights_file(weights: str) -> Path | None:
    """Path of the encoder's weights file; None for imagenet and none."""
    if weights in {"imagenet", "none"}:
        return None
    if not Path(weights).is_file():
        raise UserError(
            f"model.weights: there is no file {weights}; give the path of the encoder's .h5 file, "
            "or one of: imagenet, none"
        )
    return Path(weights)


def _load_encoder(encoder: Any, backbone: Any, file: Path) -> None:
    """Load an encoder's .h5 file."""
    try:
        encoder.load_weights(file)
    except (OSError, ValueError) as error:
        raise UserError(
            f"model.weights: {file} does not hold the encoder weights of {backbone} "
            f"({_first_line(error)}); give the file of that backbone without its top, or none"
        ) from error
    check_weights(encoder, f"model.weights: {file}")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
