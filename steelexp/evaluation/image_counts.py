"""Counts of a network on whole images, and the metrics that are defined on tiles."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.counts import Counts
from steelexp.data.bits import Bits, word_of
from steelexp.lazy import Tensor, keras, tf
from steelexp.metrics import LOSS
from steelexp.model.finiteness import are_numbers
from steelexp.model.loss_schedule import Loss
from steelexp.model.outputs import outputs_of
from steelexp.model.truth import truth_of

Scores = npt.NDArray[np.float32]


class Prediction(NamedTuple):
    """Predictions of a network on whole images.

    Attributes:
        rows: Image numbers, [S].
        counts: Pixels, [S, C] each.
        finite: [S] bool, whether all scores of an image are numbers.
        masks: Image number -> predicted bits, [H, W], of the requested images.
        scores: Image number -> scores, [H, W, C], of the requested images.
    """

    rows: npt.NDArray[np.int64]
    counts: Counts
    finite: npt.NDArray[np.bool_]
    masks: Mapping[int, Bits]
    scores: Mapping[int, Scores]


def whole_image_counter(
    model: Any, classes: int, threshold: float, *, has_ignore: bool = False
) -> Callable[[Iterable[Any], frozenset[int]], Prediction]:
    """A function that counts with the network's present weights; traced once.

    Args:
        model: Network, grey [B, h, w, 1] -> logits [B, h, w, C], and image logits [B, C] with a
            classification head.
        classes: Number of classes, C.
        threshold: Score, sigmoid(logit), from which a pixel is predicted.
        has_ignore: Whether bit C of a mask marks ignored pixels. Nothing is predicted on them.

    Returns:
        Function from batches of `data.pipeline.image_batches` and the numbers of the images whose
        masks are wanted to a Prediction.
    """

    @tf.function(  # type: ignore[untyped-decorator]  # TensorFlow has no types
        input_signature=[
            tf.TensorSpec((None, None, None, 1), tf.uint8),
            tf.TensorSpec((None, None, None, 1), word_of(classes + has_ignore)),
        ]
    )
    def count(grey: Tensor, bits: Tensor) -> Tensor:
        height = tf.shape(bits)[1]
        width = tf.shape(bits)[2]
        outputs = outputs_of(model, grey)
        logits = outputs.logits[:, :height, :width]
        finite = are_numbers(logits)
        if outputs.image_logits is not None:
            finite &= are_numbers(outputs.image_logits)
        scores = tf.sigmoid(logits)
        predicted = scores >= threshold  # [B, H, W, C]
        y_true, valid = truth_of(bits, classes, has_ignore=has_ignore)
        truth = y_true > 0
        if valid is not None:
            predicted &= valid > 0
        pairs = (predicted & truth, predicted & ~truth, ~predicted & truth)
        sums = [tf.reduce_sum(tf.cast(pair, tf.int64), [1, 2]) for pair in pairs]
        sums_of = tf.uint8 if classes <= 8 else tf.int64  # GPUs do not add other unsigned integers
        bit = tf.constant([1 << c for c in range(classes)], sums_of)
        packed = tf.reduce_sum(tf.cast(predicted, sums_of) * bit, -1)  # [B, H, W]
        return (*sums, finite, packed, scores)

    def predict(batches: Iterable[Any], masked: frozenset[int] = frozenset()) -> Prediction:
        rows = []
        parts = []
        finites = []
        masks = {}
        scores = {}
        for numbers, grey, bits in batches:
            *sums, finite, packed, scored = count(grey, bits)
            finites.append(finite.numpy())
            rows.append(numbers)
            parts.append([part.numpy() for part in sums])
            for i, row in enumerate(numbers.tolist()):
                if row in masked:
                    masks[row] = packed[i].numpy().astype(word_of(classes))
                    scores[row] = scored[i].numpy()
        counts = Counts(*(np.concatenate(part) for part in zip(*parts, strict=True)))
        return Prediction(np.concatenate(rows), counts, np.concatenate(finites), masks, scores)

    return predict


def tile_evaluator(
    model: Any,
    classes: int,
    loss: Loss,
    *,
    head_loss: Loss | None = None,
    has_ignore: bool = False,
) -> Callable[[Any], dict[str, float]]:
    """A function that computes the loss and dice_batch on tiles; traced once.

    Args:
        model: Network, grey [B, h, w, 1] -> logits [B, h, w, C], and image logits [B, C] with a
            classification head.
        classes: Number of classes, C.
        loss: Loss, (y_true, logits, valid) -> [B].
        head_loss: Loss of the image logits, which is added; None without a classification head.
        has_ignore: Whether bit C of a mask marks ignored pixels.

    Returns:
        Function from a tf.data.Dataset of (grey, bits) to the metrics by name.
    """

    @tf.function(  # type: ignore[untyped-decorator]  # as above
        input_signature=[
            tf.TensorSpec((None, None, None, 1), tf.uint8),
            tf.TensorSpec((None, None, None, 1), word_of(classes + has_ignore)),
        ]
    )
    def measure(grey: Tensor, bits: Tensor) -> Tensor:
        logits, image_logits = outputs_of(model, grey)
        y_true, valid = truth_of(bits, classes, has_ignore=has_ignore)
        scores = tf.sigmoid(logits)
        if valid is not None:
            scores = tf.where(valid > 0, scores, 0.0)
        overlap = tf.reduce_sum(scores * y_true)
        dice = (2 * overlap + 1) / (tf.reduce_sum(scores) + tf.reduce_sum(y_true) + 1)
        losses = loss(y_true, logits, valid=valid)
        if head_loss is not None:
            losses += head_loss(y_true, image_logits, valid=valid)
        return tf.reduce_sum(losses), dice

    def evaluate(batches: Any) -> dict[str, float]:
        total = keras.metrics.Sum()
        dice_batch = keras.metrics.Mean()
        tiles = 0
        for grey, bits in batches:
            losses, dice = measure(grey, bits)
            total.update_state(losses)
            dice_batch.update_state(dice)
            tiles += int(grey.shape[0])
        return {LOSS: float(total.result()) / tiles, "dice_batch": float(dice_batch.result())}

    return evaluate
