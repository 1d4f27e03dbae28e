"""The Lovasz hinge: a convex surrogate of the Jaccard loss.

`losses` describes signature and shapes.
"""

from typing import Literal

from steelexp.lazy import Tensor, tf
from steelexp.model.loss_inputs import as_float32

LovaszReduce = Literal["tile_and_class", "batch_and_class"]


def lovasz_hinge(
    y_true: Tensor,
    logits: Tensor,
    class_weights: Tensor | None = None,
    valid: Tensor | None = None,
    *,
    reduce: LovaszReduce = "tile_and_class",
    symmetric: bool = False,
) -> Tensor:
    """Lovasz hinge of the Jaccard loss, the mean over classes.

    The pixels are sorted by their hinge error e = 1 - (2 y - 1) logits, worst first. Each pixel
    costs max(e, 0) times the increase of the Jaccard loss when it joins the wrong pixels before it.
    At logits of 0 the loss is 1 for each class.

    An empty class is entirely wrong with its first false pixel. Only its highest logit counts: it
    costs max(1 + logit, 0), whether one pixel is false or all. The loss is unbounded and ignores
    scores beyond the margin of 1, so the scores it leads to are not probabilities.

    Args:
        y_true: Ground truth, [B, h, w, C] of 0 and 1.
        logits: Logits, [B, h, w, C].
        class_weights: Weight of each class, [C] with mean one.
        valid: 1 where a pixel counts and 0 where it is ignored, [B, h, w, 1]. None: all count.
        reduce: Pixels that are ranked together: each class of each tile, or each class of the
            batch.
        symmetric: Whether the loss is the mean of the hinge of each class and of that of its
            background, whose truth and logits are 1 - y and -logits. A false pixel of an empty
            class then costs about one pixel of the background, so that each of them counts.

    Returns:
        Loss of each tile, [B].

    Source: Berman, Rannen Triki and Blaschko, CVPR 2018, https://arxiv.org/abs/1705.08790,
    algorithm 1. The symmetric form is that of https://www.kaggle.com/iafoss/lovasz, which medal
    solutions on Kaggle took over.
    """
    y, x, w = as_float32(y_true, logits, class_weights, valid)
    truth = _pixels_by_class(y, reduce)  # [B or 1, C, pixels]
    errors = 1.0 - (2.0 * truth - 1.0) * _pixels_by_class(x, reduce)
    order = tf.argsort(errors, direction="DESCENDING")
    increases = _jaccard_increases(order, truth)
    if symmetric:
        # Both sides have the same errors and so the same order. Ignored pixels are on none.
        background = _pixels_by_class(_background(y, valid), reduce)
        increases = (increases + _jaccard_increases(order, background)) / 2.0
    losses = tf.reduce_sum(tf.nn.relu(errors) * tf.stop_gradient(increases), -1)
    return tf.broadcast_to(tf.reduce_mean(w * losses, 1), tf.shape(x)[:1])


def _background(y_true: Tensor, valid: Tensor | None) -> Tensor:
    """1 where a pixel counts and a class is not, [B, h, w, C]."""
    background = 1.0 - y_true
    return background if valid is None else background * tf.cast(valid > 0, tf.float32)


def _pixels_by_class(values: Tensor, reduce: LovaszReduce) -> Tensor:
    """[B, h, w, C] -> [B or 1, C, pixels]."""
    classes = tf.shape(values)[3]
    batch = tf.shape(values)[0]
    pixels = tf.reshape(values, [batch if reduce == "tile_and_class" else 1, -1, classes])
    return tf.transpose(pixels, [0, 2, 1])


def _jaccard_increases(order: Tensor, truth: Tensor) -> Tensor:
    """Increase of the Jaccard loss by each pixel when pixels turn wrong in an order.

    The ranks bring the increases back to their pixels, so that no gradient passes through the sort:
    that would be a scatter, and under op determinism scatters leave the GPU (release notes of
    TensorFlow 2.8).
    """
    defect = tf.gather(truth, order, batch_dims=2)
    background = 1.0 - defect
    # An empty class counts as a tiny one: its worst pixel then takes the whole increase.
    size = tf.maximum(tf.reduce_sum(defect, -1, keepdims=True), 1e-6)
    intersection = size - tf.cumsum(defect, -1)
    union = size + tf.cumsum(background, -1, exclusive=True)  # before the pixel joins
    # 1 / (new union) for a defect pixel; for a background pixel the intersection over the old union
    # minus that over the new. In this form no neighbours are subtracted, which would leave few
    # digits of an increase of one in a million.
    increases = (defect + background * intersection / union) / (union + background)
    return tf.gather(increases, tf.argsort(order), batch_dims=2)
