"""The Lovasz hinge: a convex surrogate of the Jaccard loss.

Signature and shapes are those of `losses`.
"""

from typing import Literal

from steelexp.lazy import Tensor, tf
from steelexp.model.loss_inputs import as_float32

Sets = Literal["tile_and_class", "batch_and_class"]


def lovasz_hinge(
    y_true: Tensor,
    logits: Tensor,
    class_weights: Tensor | None = None,
    *,
    over: Sets = "tile_and_class",
) -> Tensor:
    """Lovasz hinge of the Jaccard loss, the mean over classes.

    The pixels are sorted by their hinge error e = 1 - (2 y - 1) logits, worst first. Each costs
    max(e, 0) times what the Jaccard loss rises by when it is added to those counted as wrong. At
    logits of 0 the loss is 1 for each class.

    A class that is absent is as wrong as it can be with one pixel: only its highest logit counts
    and costs max(1 + logit, 0), whether one pixel is false or all. It is unbounded, and it does not
    see scores beyond the margin of 1: scores it is trained to are not probabilities.

    Args:
        y_true: [B, h, w, C] of 0 and 1.
        logits: [B, h, w, C].
        class_weights: [C], mean one.
        over: whose pixels are one set: each class of each tile, or each class of the batch.

    Returns:
        [B].

    Source: Berman, Rannen Triki and Blaschko, CVPR 2018, https://arxiv.org/abs/1705.08790,
    algorithm 1.
    """
    y, x, w = as_float32(y_true, logits, class_weights)
    truth, scores = _sets(y, over), _sets(x, over)  # [B or 1, C, pixels]
    errors = 1.0 - (2.0 * truth - 1.0) * scores
    losses = tf.reduce_sum(tf.nn.relu(errors) * tf.stop_gradient(_rises(errors, truth)), -1)
    return tf.broadcast_to(tf.reduce_mean(w * losses, 1), tf.shape(x)[:1])


def _sets(values: Tensor, over: Sets) -> Tensor:
    """[B, h, w, C] -> [B or 1, C, pixels]."""
    classes, batch = tf.shape(values)[3], tf.shape(values)[0]
    pixels = tf.reshape(values, [batch if over == "tile_and_class" else 1, -1, classes])
    return tf.transpose(pixels, [0, 2, 1])


def _rises(errors: Tensor, truth: Tensor) -> Tensor:
    """What each pixel adds to the Jaccard loss when pixels turn wrong from the worst on.

    The ranks bring the rises back to the pixels, so that no gradient has to pass through the sort:
    that would be a scatter, and under op determinism scatters leave the GPU (release notes of
    TensorFlow 2.8).
    """
    order = tf.argsort(errors, direction="DESCENDING")
    defect = tf.gather(truth, order, batch_dims=2)
    background = 1.0 - defect
    # An empty set stands for a tiny one: its worst pixel then takes the whole rise.
    size = tf.maximum(tf.reduce_sum(defect, -1, keepdims=True), 1e-6)
    hit = size - tf.cumsum(defect, -1)
    before = size + tf.cumsum(background, -1, exclusive=True)
    # 1 / union for a defect pixel; for a background pixel hit / before - hit / union. As written it
    # does not subtract neighbours, which would leave few digits of a rise of one in a million.
    rises = (defect + background * hit / before) / (before + background)
    return tf.gather(rises, tf.argsort(order), batch_dims=2)
