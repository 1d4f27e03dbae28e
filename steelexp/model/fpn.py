"""Feature pyramid network with a pretrained encoder.

Lin et al., CVPR 2017, https://arxiv.org/abs/1612.03144, with the segmentation branch of Kirillov et
al., CVPR 2019, https://arxiv.org/abs/1901.02446. Layers and weights are those of
segmentation-models' FPN.
"""

from typing import Any, Literal

from steelexp.lazy import Tensor, keras
from steelexp.limits import FilterCount
from steelexp.model.assembly import Decoder, Head, assemble
from steelexp.model.decoder_layers import classify, convolve, drop_channels, repeat_pixels
from steelexp.model.encoders import (
    Backbone,
    DropoutRate,
    InputScaling,
    Momentum,
    Parts,
    Resolution,
    SharedSettings,
    build_encoder,
    skip_connections,
)


def fpn(
    classes: int,
    decoder: Decoder = "plain",
    head: Head | None = None,
    *,
    backbone: Backbone,
    weights: str = "imagenet",
    scaling: InputScaling = "unit",
    batch_norm_momentum: Momentum = 0.99,
    pyramid_filters: FilterCount = 256,
    aggregation: Literal["concat", "sum"] = "concat",
    dropout: DropoutRate = 0.0,
    resolution: Resolution = "full",
) -> Any:
    """Feature pyramid network of segmentation-models.

    Args:
        classes: Number of classes C, one output channel each.
        decoder: Form of the decoder; XLA needs the folded one. It is
            no setting of a spec.
        head: Head that scores whole images from the encoder's end; None for masks alone.
        backbone: Encoder, one of segmentation-models' 32.
        weights: Encoder weights: imagenet (downloaded at first use), none, or the path of an
            encoder's .h5 file.
        scaling: Input scaling: unit divides grey by 255, imagenet is the scaling that the
            backbone's ImageNet weights were trained with.
        batch_norm_momentum: Momentum of the moving averages in every batch-norm layer. At 0.99 the
            averages lag behind the weights in a short run; take 0.9 below about 1,000 steps.
        pyramid_filters: Channels of the four levels of the pyramid. The segmentation branch has
            half as many.
        aggregation: Operation that joins the levels before the last convolutions: concat or sum.
        dropout: Share of the channels of the joined levels that a training step drops.
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
        levels = _pyramid(
            encoder.output, skip_connections(backbone, encoder), pyramid_filters, decoder
        )
        branches = _segmentation_branches(levels, max(1, pyramid_filters // 2), decoder)
        if aggregation == "sum":
            joined = keras.layers.Add(name="aggregation_sum")(branches)
        else:
            joined = keras.layers.Concatenate(name="aggregation_concat")(branches)
        joined = drop_channels(joined, dropout, "pyramid_dropout")
        joined = convolve(joined, max(1, pyramid_filters // 2), 3, "final_stage")
        large = keras.layers.UpSampling2D(2, interpolation="bilinear", name="final_upsampling")(
            joined
        )
        network = keras.Model(encoder.input, classify(large, classes))
        return Parts(network, encoder, encoder.output)

    return assemble("fpn", build, settings, head)


def _pyramid(deepest: Tensor, skips: list[Tensor], filters: int, decoder: Decoder) -> list[Tensor]:
    """The levels at 1/16, 1/8, 1/4 and 1/2 of the image's size, each with that many channels."""
    levels = []
    deep = deepest
    if deep.shape[-1] != filters:
        deep = _project(deep, filters, "fpn_stage_p5_pre_conv")
    for stage, skip in zip((5, 4, 3, 2), skips, strict=True):
        prefix = f"fpn_stage_p{stage}"
        lateral = _project(skip, filters, f"{prefix}_conv")
        doubled = repeat_pixels(deep, 2, f"{prefix}_upsampling", decoder)
        deep = keras.layers.Add(name=f"{prefix}_add")([doubled, lateral])
        levels.append(deep)
    return levels


def _project(tensor: Tensor, filters: int, name: str) -> Tensor:
    layer = keras.layers.Conv2D(filters, 1, kernel_initializer="he_uniform", name=name)
    return layer(tensor)


def _segmentation_branches(levels: list[Tensor], filters: int, decoder: Decoder) -> list[Tensor]:
    """Each level convolved twice and brought to half of the image's size, largest level first."""
    branches = []
    for stage, factor, level in zip((5, 4, 3, 2), (8, 4, 2, 1), levels, strict=True):
        branch = convolve(level, filters, 3, f"segm_stage{stage}a")
        branch = convolve(branch, filters, 3, f"segm_stage{stage}b")
        if factor > 1:
            branch = repeat_pixels(branch, factor, f"upsampling_stage{stage}", decoder)
        branches.append(branch)
    return branches[::-1]
