"""U-Net with a pretrained encoder.

Ronneberger et al., MICCAI 2015, https://arxiv.org/abs/1505.04597.

The network takes grey images as they are in the file and returns logits. Input scaling happens
here and nowhere else.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, Strict

from steelexp.errors import UserError
from steelexp.lazy import Tensor, keras, segmentation_models, tf
from steelexp.limits import FilterCount
from steelexp.model.backbones import BACKBONES, UNIT
from steelexp.model.finiteness import check_weights
from steelexp.spec.component import one_of

Backbone = one_of(BACKBONES)
Momentum = Annotated[float, Field(ge=0, lt=1)]
Decoder = Literal["plain", "folded"]
Filters = Annotated[tuple[FilterCount, ...], Strict(False), Field(min_length=5, max_length=5)]


def unet(
    classes: int,
    decoder: Decoder = "plain",
    *,
    backbone: Backbone,  # type: ignore[valid-type]  # a str; the names come from BACKBONES
    weights: str = "imagenet",
    scaling: Literal["unit", "imagenet"] = "unit",
    batch_norm_momentum: Momentum = 0.99,
    decoder_filters: Filters = (256, 128, 64, 32, 16),
    resolution: Literal["full", "half"] = "full",
) -> Any:
    """U-Net of segmentation-models.

    Args:
        classes: Number of classes C, one output channel each.
        decoder: Form of the decoder: plain, or folded, which computes the same with less work and
            from the same weights (`model/folded_decoder.py`). It is no setting of a spec.
        backbone: Encoder, one of segmentation-models' 32.
        weights: Encoder weights: imagenet (downloaded at first use), none, or the path of an
            encoder's .h5 file.
        scaling: Input scaling: unit divides grey by 255, imagenet is the scaling that the
            backbone's ImageNet weights were trained with.
        batch_norm_momentum: Momentum of the moving averages in every batch-norm layer. At 0.99 the
            averages lag behind the weights in a short run; take 0.9 below about 1,000 steps.
        decoder_filters: Channels of the five decoder stages, deepest first.
        resolution: Resolution of the network: full, or half, which averages 2 x 2 pixels before the
            network and interpolates the logits after it. half is about four times as fast and
            misses defects that are a pixel or two wide.

    Returns:
        A tf_keras.Model: grey [B, h, w, 1] uint8 -> logits [B, h, w, C] float32, h and w multiples
        of 32.

    Raises:
        UserError: The weights file is missing, cannot be downloaded or does not fit the
            backbone.
    """
    file = _weights_file(weights)
    if not tf.distribute.has_strategy():  # clearing the session ends a strategy's scope
        keras.backend.clear_session()
    network = _network(backbone, weights, classes=classes, decoder_filters=decoder_filters)
    if file is not None:
        _load_encoder(network, backbone, file)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = batch_norm_momentum
    if decoder == "folded":
        from steelexp.model.folded_decoder import fold_decoder  # imports TensorFlow

        network = fold_decoder(network)
    grey = keras.Input((None, None, 1), dtype="uint8", name="grey")
    mean, std = BACKBONES[str(backbone)] if scaling == "imagenet" else UNIT
    image = keras.layers.Lambda(lambda x: _scale(x, mean, std), name="scale")(grey)
    scores = _at_half_resolution(network)(image) if resolution == "half" else network(image)
    logits = keras.layers.Activation("linear", dtype="float32", name="logits")(scores)
    return keras.Model(grey, logits, name=f"unet_{backbone}")


def _scale(grey: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """[B, h, w, 1] uint8 -> [B, h, w, 3] float, in the policy's precision."""
    scaled = (tf.cast(grey, tf.float32) - tf.constant(mean)) / tf.constant(std)
    return tf.cast(scaled, keras.mixed_precision.global_policy().compute_dtype)


def _at_half_resolution(network: Any) -> Callable[[Tensor], Tensor]:
    """Apply the network to averages of 2 x 2 pixels."""
    layers = keras.layers

    def scores(image: Tensor) -> Tensor:
        # A multiple of 64 at full size is one of 32 at half. Reflection fills up the image.
        padded = layers.Lambda(_reflect_to_64, name="mirror")(image)
        small = network(layers.AveragePooling2D(2, name="half")(padded))
        large = layers.UpSampling2D(2, interpolation="bilinear", name="full")(small)
        crop = layers.Lambda(lambda x: x[0][:, : tf.shape(x[1])[1], : tf.shape(x[1])[2]])
        return crop([large, image])

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


def _network(backbone: Any, weights: str, **settings: Any) -> Any:
    """Build segmentation-models' network, with ImageNet's weights or none."""
    try:
        return segmentation_models.Unet(
            backbone,
            input_shape=(None, None, 3),
            activation="linear",
            encoder_weights="imagenet" if weights == "imagenet" else None,
            **settings,
        )
    except Exception as error:
        if weights != "imagenet":
            raise
        # Keras raises a plain Exception for a failed download, ValueError for unknown weights.
        raise UserError(
            f"model.weights: imagenet: the weights of {backbone} cannot be downloaded "
            f"({_first_line(error)}); set model.weights=none, or model.weights=path/to/file.h5"
        ) from error


def _load_encoder(network: Any, backbone: Any, file: Path) -> None:
    """Load an encoder's .h5 file into the encoder half of the network."""
    bridge = {layer.name: layer for layer in network.layers}
    first = bridge.get("center_block1_conv") or bridge["decoder_stage0_upsampling"]
    encoder = keras.Model(network.input, first.input)
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
