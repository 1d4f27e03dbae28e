"""Evaluate a model on whole images, and on validation tiles the way it was published."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.counts import Counts
from steelexp.lazy import Tensor, keras, tf
from steelexp.model.unet import expand_bits

Bits = npt.NDArray[np.uint8]


class Prediction(NamedTuple):
    """What a model predicts on whole images.

    Attributes:
        rows: [S] image numbers.
        counts: [S, C] pixels.
        masks: image number -> [H, W] bits, for the images that were asked for.
    """

    rows: npt.NDArray[np.int64]
    counts: Counts
    masks: Mapping[int, Bits]


def whole_image_counter(
    model: Any, classes: int, threshold: float
) -> Callable[[Iterable[Any], frozenset[int]], Prediction]:
    """A function that evaluates the model as it then is; traced once.

    Args:
        model: grey [B, h, w, 1] -> logits [B, h, w, C].
        classes: C.
        threshold: a pixel is predicted where its score, sigmoid(logit), reaches this.

    Returns:
        (batches of `data.pipeline.image_batches`, images to keep the prediction of) -> Prediction.
    """

    @tf.function(  # type: ignore[untyped-decorator]  # TensorFlow has no types
        input_signature=[
            tf.TensorSpec((None, None, None, 1), tf.uint8),
            tf.TensorSpec((None, None, None, 1), tf.uint8),
        ]
    )
    def count(grey: Tensor, bits: Tensor) -> Tensor:
        height, width = tf.shape(bits)[1], tf.shape(bits)[2]
        scores = tf.sigmoid(model(grey, training=False)[:, :height, :width])
        predicted = scores >= threshold  # [B, H, W, C]
        truth = expand_bits(bits, classes) > 0
        pairs = (predicted & truth, predicted & ~truth, ~predicted & truth)
        sums = [tf.reduce_sum(tf.cast(pair, tf.int64), [1, 2]) for pair in pairs]
        places = tf.constant([1 << c for c in range(classes)], tf.uint8)
        packed = tf.reduce_sum(tf.cast(predicted, tf.uint8) * places, -1)  # [B, H, W]
        return (*sums, packed)

    def evaluator(batches: Iterable[Any], keep: frozenset[int] = frozenset()) -> Prediction:
        rows, parts, predictions = [], [], {}
        for numbers, grey, bits in batches:
            *sums, packed = count(grey, bits)
            rows.append(numbers)
            parts.append([part.numpy() for part in sums])
            for i, row in enumerate(numbers.tolist()):
                if row in keep:
                    predictions[row] = packed[i].numpy()
        counts = Counts(*(np.concatenate(part) for part in zip(*parts, strict=True)))
        return Prediction(np.concatenate(rows), counts, predictions)

    return evaluator


def tile_evaluator(
    model: Any, classes: int, loss: Callable[[Tensor, Tensor], Tensor]
) -> Callable[[Any], dict[str, float]]:
    """A function that gives the loss and `dice_batch` on tiles; traced once.

    Args:
        model: grey [B, h, w, 1] -> logits [B, h, w, C].
        classes: C.
        loss: (y_true, logits) -> [B].

    Returns:
        tf.data.Dataset of (grey, bits) -> {"loss": ..., "dice_batch": ...}.
    """

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]  # as above
    def measure(grey: Tensor, bits: Tensor) -> Tensor:
        logits, y_true = model(grey, training=False), expand_bits(bits, classes)
        scores = tf.sigmoid(logits)
        overlap = tf.reduce_sum(scores * y_true)
        dice = (2 * overlap + 1) / (tf.reduce_sum(scores) + tf.reduce_sum(y_true) + 1)
        return tf.reduce_sum(loss(y_true, logits)), dice

    def evaluator(batches: Any) -> dict[str, float]:
        total, dices, tiles = keras.metrics.Sum(), keras.metrics.Mean(), 0
        for grey, bits in batches:
            losses, dice = measure(grey, bits)
            total.update_state(losses)
            dices.update_state(dice)
            tiles += int(grey.shape[0])
        return {"loss": float(total.result()) / tiles, "dice_batch": float(dices.result())}

    return evaluator
