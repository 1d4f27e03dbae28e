"""Encoders of segmentation-models with their weights, and networks that begin with one."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from steelexp.errors import UserError
from steelexp.lazy import Tensor, keras, segmentation_models
from steelexp.model.backbones import BACKBONES
from steelexp.model.finiteness import check_weights
from steelexp.spec.component import one_of

Backbone: Any = one_of(BACKBONES)
"""Names of encoders."""
Momentum = Annotated[float, Field(ge=0, lt=1)]
InputScaling = Literal["unit", "imagenet"]
Resolution = Literal["full", "half"]
DropoutRate = Annotated[float, Field(ge=0, lt=1)]


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


def build_encoder(settings: SharedSettings) -> Any:
    """An encoder without its classification layers, with ImageNet's weights or random ones.

    Args:
        settings: Settings that every architecture has.

    Returns:
        tf_keras.Model, image [B, h, w, 3] -> [B, h / 32, w / 32, K].

    Raises:
        UserError: ImageNet's weights cannot be downloaded.
    """
    modules = {name: getattr(keras, name) for name in ("backend", "layers", "models", "utils")}
    return _with_imagenet(
        settings,
        lambda weights: _library_encoders().get_backbone(
            settings.backbone,
            input_shape=(None, None, 3),
            weights=weights,
            include_top=False,
            **modules,
        ),
    )


def skip_connections(backbone: Any, encoder: Any) -> list[Tensor]:
    """The tensors of an encoder at 1/16, 1/8, 1/4 and 1/2 of the image's size.

    Args:
        backbone: Name of the encoder.
        encoder: The encoder.
    """
    return [
        (encoder.get_layer(place) if isinstance(place, str) else encoder.layers[place]).output
        for place in _library_encoders().get_feature_layers(backbone, n=4)
    ]


def _library_encoders() -> Any:
    return segmentation_models.backbones.backbones_factory.Backbones


def weights_file(weights: str) -> Path | None:
    """Path of the encoder's weights file; None for imagenet and none.

    Raises:
        UserError: There is no such file.
    """
    if weights in {"imagenet", "none"}:
        return None
    if not Path(weights).is_file():
        raise UserError(
            f"model.weights: there is no file {weights}; give the path of the encoder's .h5 file, "
            "or one of: imagenet, none"
        )
    return Path(weights)


def load_encoder(encoder: Any, backbone: Any, file: Path) -> None:
    """Load an encoder's .h5 file.

    Raises:
        UserError: The file does not fit the encoder, or a weight is no number.
    """
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
