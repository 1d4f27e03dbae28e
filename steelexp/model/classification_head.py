"""A classification head beside the decoder: whether an image holds a class at all.

A 1 x 1 convolution at the encoder's end gives each cell of the deepest feature map a logit for each
class, and pooling makes one logit of the cells. Encoder and head learn together. The label of a
tile follows from its mask.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

from pydantic import PositiveFloat, PositiveInt

from steelexp.lazy import Tensor, keras, tf

Pooling = Literal["mean", "window_maximum", "log_sum_exp"]

SHARPNESS = 5.0
"""Sharpness r of log_sum_exp, as in its source: 0 would be the mean, infinity the maximum."""

SHOWN = 0.5
"""Share of pixels that must not be ignored, for an image without a class to say that it is absent.

A defect under the ignored part would make the label wrong.
"""

FOCUS = 2.0
"""Focusing parameter gamma of the focal loss, as in its source."""


class ClassificationHead(NamedTuple):
    """A head and its loss.

    Attributes:
        attach: Function from the encoder's end, [B, h, w, K], and the pixels from one of its cells
            to the next to the image logits, [B, C].
        loss: Function (y_true [B, h, w, C], image_logits [B, C], valid=[B, h, w, 1] or None) ->
            loss of each tile, [B], times its weight.
    """

    attach: Callable[[Tensor, int], Tensor]
    loss: Callable[..., Tensor]


def no_head(classes: int, tile: tuple[int, int] | None) -> None:
    """No classification head: the network gives masks alone.

    Args:
        classes: Number of classes C.
        tile: Height and width of a training tile in pixels; None for whole images.
    """


def linear(
    classes: int,
    tile: tuple[int, int] | None,
    *,
    pooling: Pooling = "window_maximum",
    loss: Literal["bce", "focal"] = "bce",
    weight: PositiveFloat = 0.1,
    min_pixels: PositiveInt = 1,
) -> ClassificationHead:
    """One linear layer on the encoder's end, pooled over the image.

    The total loss is that of the masks plus weight times that of the head, the mean over classes.
    A tile holds a class if at least min_pixels of its pixels do. Ignored pixels do not count. A
    tile with some pixels of a class, but fewer, says nothing of it and costs nothing, and neither
    does a tile of which more than half is ignored and that does not show it.

    Post-processing tunes on the validation images whether and how the image scores gate the masks.
    A spec without test images tunes none, so its head is a second loss and no more.

    Args:
        classes: Number of classes C.
        tile: Height and width of a training tile in pixels; None for whole images.
        pooling: Pooling of the cells to one logit: mean of all; window_maximum, the largest mean of
            a window of the training tiles' size, at any place; or log_sum_exp, a mean that the
            largest dominate. On a training tile, and with whole images as tiles, window_maximum is
            the mean. A defect that fills a tile is a small part of a whole image, where mean
            dilutes it. A cell that reaches beyond the image counts as a whole one.
        loss: Loss of the image logits: bce, or focal with gamma = 2.
        weight: Weight of the head's loss beside that of the masks.
        min_pixels: Pixels from which a tile holds a class. Those at the edge of a cut defect tell
            little.

    Sources: mean, Lin et al., Network in network, https://arxiv.org/abs/1312.4400; log_sum_exp,
    Pinheiro and Collobert, CVPR 2015, https://arxiv.org/abs/1411.6228; focal, Lin et al., ICCV
    2017, https://arxiv.org/abs/1708.02002.
    """

    def attach(encoder_end: Tensor, cell: int) -> Tensor:
        # In float32 under mixed precision too: the layer casts its input.
        cells = keras.layers.Conv2D(classes, 1, dtype="float32", name="image_classes")(encoder_end)
        window = None if tile is None else (-(-tile[0] // cell), -(-tile[1] // cell))
        pool = keras.layers.Lambda(
            lambda values: pool_cells(values, pooling, window),
            name="image_pooling",
            dtype="float32",
        )
        return pool(cells)

    def head_loss(y_true: Tensor, image_logits: Tensor, valid: Tensor | None = None) -> Tensor:
        y, is_certain = labels_of(y_true, valid, min_pixels)
        x = tf.cast(image_logits, tf.float32)
        logits = (2.0 * y - 1.0) * x  # of the true side: p_t is their sigmoid
        losses = tf.nn.softplus(-logits)
        if loss == "focal":
            losses *= tf.sigmoid(-logits) ** FOCUS
        total = tf.reduce_sum(tf.where(is_certain, losses, 0.0), axis=-1)
        return (
            weight
            * total
            / tf.maximum(tf.reduce_sum(tf.cast(is_certain, tf.float32), axis=-1), 1.0)
        )

    return ClassificationHead(attach, head_loss)


def pool_cells(cells: Tensor, pooling: Pooling, window: tuple[int, int] | None) -> Tensor:
    """One logit of the cells of an image: [B, h, w, C] -> [B, C].

    Args:
        cells: Logits of the cells.
        pooling: Kind of pooling; see `linear`.
        window: Height and width in cells of the windows of window_maximum; None for all cells.
    """
    if pooling == "log_sum_exp":
        count = tf.cast(tf.reduce_prod(tf.shape(cells)[1:3]), tf.float32)
        sums = tf.reduce_logsumexp(SHARPNESS * cells, axis=[1, 2])
        return (sums - tf.math.log(count)) / SHARPNESS
    if pooling == "mean" or window is None:
        return tf.reduce_mean(cells, axis=[1, 2])
    for axis, size in zip((1, 2), window, strict=True):
        cells = _fill_window(cells, size, axis)
    means = tf.nn.avg_pool2d(cells, window, strides=1, padding="VALID")
    return tf.reduce_max(means, axis=[1, 2])


def _fill_window(cells: Tensor, size: int, axis: int) -> Tensor:
    """Add zeros to the cells of an image that is smaller than a window, which keeps their mean."""
    count = tf.shape(cells)[axis]
    filled = tf.maximum(count, size)
    place = tf.range(filled)
    # By index, as an image is reflected: TFLite keeps the number of channels.
    values = tf.gather(cells, tf.minimum(place, count - 1), axis=axis)
    shape = [1, 1, 1, 1]
    shape[axis] = -1
    share = tf.cast(filled, tf.float32) / tf.cast(count, tf.float32)
    return values * tf.reshape(tf.where(place < count, share, 0.0), shape)


def labels_of(y_true: Tensor, valid: Tensor | None, min_pixels: int) -> tuple[Tensor, Tensor]:
    """Which classes a tile holds, and whether its mask tells.

    Args:
        y_true: Ground truth, [B, h, w, C] of 0 and 1; 0 at ignored pixels.
        valid: 1 where a pixel counts and 0 where it is ignored, [B, h, w, 1]. None: all count.
        min_pixels: Pixels from which a tile holds a class.

    Returns:
        [B, C] float32 of 0 and 1, and [B, C] bool.
    """
    pixels = tf.reduce_sum(tf.cast(y_true, tf.float32), axis=[1, 2])
    holds = pixels >= min_pixels
    is_absent = pixels == 0
    if valid is not None:
        is_absent &= tf.reduce_mean(tf.cast(valid > 0, tf.float32), axis=[1, 2]) >= SHOWN
    is_certain = holds | is_absent
    return tf.cast(holds, tf.float32), is_certain


HEADS: dict[str, Callable[..., ClassificationHead | None]] = {"none": no_head, "linear": linear}
