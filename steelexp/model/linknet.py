"""LinkNet with a pretrained encoder.

Chaurasia and Culurciello, VCIP 2017, https://arxiv.org/abs/1707.03718. Layers and weights are those
of segmentation-models' Linknet. A decoder stage adds the skip connection where U-Net concatenates
it.
"""

from typing import Any

from steelexp.lazy import Tensor, keras
from steelexp.limits import FilterCount
from steelexp.model.assembly import Decoder, Head, assemble
from steelexp.model.decoder_layers import centre, classify, convolution, convolve, normalize
from steelexp.model.encoders import (
    Backbone,
    InputScaling,
    Momentum,
    Parts,
    Resolution,
    SharedSettings,
    build_encoder,
    skip_connections,
)


def linknet(
    classes: int,
    decoder: Decoder = "plain",
    head: Head | None = None,
    *,
    backbone: Backbone,
    weights: str = "imagenet",
    scaling: InputScaling = "unit",
    batch_norm_momentum: Momentum = 0.99,
    last_filters: FilterCount = 16,
    resolution: Resolution = "full",
) -> Any:
    """LinkNet of segmentation-models.

    Args:
        classes: Number of classes C, one output channel each.
        decoder: Form of the decoder; the folded one computes the same with less work. It is
            no setting of a spec.
        head: Head that scores whole images from the encoder's end; None for masks alone.
        backbone: Encoder, one of segmentation-models' 32.
        weights: Encoder weights: imagenet (downloaded at first use), none, or the path of an
            encoder's .h5 file.
        scaling: Input scaling: unit divides grey by 255, imagenet is the scaling that the
            backbone's ImageNet weights were trained with.
        batch_norm_momentum: Momentum of the moving averages in every batch-norm layer. At 0.99 the
            averages lag behind the weights in a short run; take 0.9 below about 1,000 steps.
        last_filters: Channels of the last decoder stage. The four before have as many as the
            skip connections that are added to them.
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
        encoder = build_encoder(settings)
        tensor = centre(encoder)
        skips = skip_connections(backbone, encoder)
        for stage, skip in enumerate([*skips, None]):
            filters = last_filters if skip is None else skip.shape[-1]
            tensor = _stage(tensor, filters, f"decoder_stage{stage}", decoder)
            if skip is not None:
                tensor = keras.layers.Add(name=f"decoder_stage{stage}_add")([tensor, skip])
        network = keras.Model(encoder.input, classify(tensor, classes))
        return Parts(network, encoder, encoder.output)

    return assemble("linknet", build, settings, head)


def _stage(tensor: Tensor, filters: int, prefix: str, decoder: Decoder) -> Tensor:
    """Fewer channels, twice the size, then the filters: [B, h, w, I] -> [B, 2h, 2w, filters]."""
    inner = max(1, tensor.shape[-1] // 4)
    narrow = convolve(tensor, inner, 1, f"{prefix}a")
    layer = convolution(inner, 3, f"{prefix}b")
    large = layer(keras.layers.UpSampling2D(2, name=f"{prefix}_upsampling")(narrow))
    if decoder == "folded":
        from steelexp.model.folded_decoder import FoldedConvolution  # imports TensorFlow

        large = FoldedConvolution(layer)([narrow])
    return convolve(normalize(large, f"{prefix}b"), filters, 1, f"{prefix}c")
