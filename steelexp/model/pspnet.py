"""Pyramid scene parsing network with a pretrained encoder.

Zhao et al., CVPR 2017, https://arxiv.org/abs/1612.01105. Layers and weights are those of
segmentation-models' PSPNet, whose pooling takes one size of image, a multiple of 48. Here the
pyramid pooling takes any size (`model/pyramid_pooling.py`).
"""

from typing import Any, Literal

from steelexp.lazy import Tensor, keras
from steelexp.limits import FilterCount
from steelexp.model.assembly import Decoder, Head, assemble
from steelexp.model.decoder_layers import classify, convolve, drop_channels
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
from steelexp.model.pyramid_pooling import interpolate_bins, pool_bins

_LEVELS = (1, 2, 3, 6)
"""Bins along each side, as in the paper."""


def pspnet(
    classes: int,
    decoder: Decoder = "plain",
    head: Head | None = None,
    *,
    backbone: Backbone,
    weights: str = "imagenet",
    scaling: InputScaling = "unit",
    batch_norm_momentum: Momentum = 0.99,
    downsample_factor: Literal[4, 8, 16] = 8,
    pyramid_filters: FilterCount = 512,
    dropout: DropoutRate = 0.0,
    resolution: Resolution = "full",
) -> Any:
    """PSPNet, whose pyramid pooling takes any size of image.

    Args:
        classes: Number of classes C, one output channel each.
        decoder: Form of the decoder; both forms are one here. It is
            no setting of a spec.
        head: Head that scores whole images from the encoder's end; None for masks alone.
        backbone: Encoder, one of segmentation-models' 32.
        weights: Encoder weights: imagenet (downloaded at first use), none, or the path of an
            encoder's .h5 file.
        scaling: Input scaling: unit divides grey by 255, imagenet is the scaling that the
            backbone's ImageNet weights were trained with.
        batch_norm_momentum: Momentum of the moving averages in every batch-norm layer. At 0.99 the
            averages lag behind the weights in a short run; take 0.9 below about 1,000 steps.
        downsample_factor: Size of the image beside that of the encoder's tensor that is pooled. The
            encoder's layers behind that tensor are left out.
        pyramid_filters: Channels of each level of the pyramid and of the convolution after it.
        dropout: Share of the channels after that convolution that a training step drops.
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
        end = skip_connections(backbone, encoder)[(16, 8, 4).index(downsample_factor)]
        levels = [_level(end, bins, pyramid_filters) for bins in _LEVELS]
        joined = keras.layers.Concatenate(name="psp_concat")([end, *levels])
        joined = convolve(joined, pyramid_filters, 1, "aggregation")
        scores = classify(drop_channels(joined, dropout, "spatial_dropout"), classes)
        large = keras.layers.UpSampling2D(
            downsample_factor, interpolation="bilinear", name="final_upsampling"
        )(scores)
        return Parts(keras.Model(encoder.input, large), encoder, end)

    return assemble("pspnet", build, settings, head)


def _level(end: Tensor, bins: int, filters: int) -> Tensor:
    """A level of the pyramid: means over bins, convolved and interpolated to the old size."""
    layers = keras.layers
    name = f"psp_level{bins}"
    pooled = layers.Lambda(lambda x: pool_bins(x, bins), name=f"{name}_pooling")(end)
    pooled = convolve(pooled, filters, 1, name)
    large = layers.Lambda(lambda x: interpolate_bins(*x), name=f"{name}_upsampling")
    return large([pooled, end])
