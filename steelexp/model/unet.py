"""U-Net with a pretrained encoder.

Ronneberger et al., MICCAI 2015, https://arxiv.org/abs/1505.04597.
"""

from typing import Annotated, Any

from pydantic import Field, Strict

from steelexp.limits import FilterCount
from steelexp.model.assembly import Decoder, Head, assemble
from steelexp.model.encoders import (
    Backbone,
    InputScaling,
    Momentum,
    Parts,
    Resolution,
    SharedSettings,
    library_network,
    parts_of_library,
)

Filters = Annotated[tuple[FilterCount, ...], Strict(False), Field(min_length=5, max_length=5)]


def unet(
    classes: int,
    decoder: Decoder = "plain",
    head: Head | None = None,
    *,
    backbone: Backbone,
    weights: str = "imagenet",
    scaling: InputScaling = "unit",
    batch_norm_momentum: Momentum = 0.99,
    decoder_filters: Filters = (256, 128, 64, 32, 16),
    resolution: Resolution = "full",
) -> Any:
    """U-Net of segmentation-models.

    Args:
        classes: Number of classes C, one output channel each.
        decoder: Form of the decoder: plain, or folded, which computes the same with less work and
            from the same weights (`model/folded_decoder.py`). It is no setting of a spec.
        head: Head that scores whole images from the encoder's end; None for masks alone.
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
        of 32; with a head also the logits of the images, [B, C] float32.

    Raises:
        UserError: The weights file is missing, cannot be downloaded or does not fit the
            backbone.
    """
    settings = SharedSettings(backbone, weights, scaling, batch_norm_momentum, resolution)

    def build() -> Parts:
        network = library_network(
            "Unet", settings, classes=classes, decoder_filters=decoder_filters
        )
        first_layers = ("center_block1_conv", "decoder_stage0_upsampling")
        parts = parts_of_library(network, first_layers)
        if decoder == "plain":
            return parts
        from steelexp.model.folded_decoder import fold_decoder  # imports TensorFlow

        return parts._replace(network=fold_decoder(network))

    return assemble("unet", build, settings, head)
