"""Scores of whole images, one image at a time."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.data import pipeline
from steelexp.data.dataset import Dataset
from steelexp.inference.windows import Layout, cut, stitch
from steelexp.lazy import Tensor, tf

Values = npt.NDArray[np.float32]
Scorer = Callable[[npt.NDArray[np.uint8]], Values]
"""Grey [B, h, w, 1] -> scores [B, h, w, C], sigmoid(logits)."""

FLIPS = ((), (1,), (2,), (1, 2))
"""Axes of [B, h, w, C]: as it is, upside down, mirrored, both."""


class ScoredImage(NamedTuple):
    """What a network says of one image.

    Attributes:
        row: its number.
        scores: [H, W, C] float32, sigmoid(logits), without padding.
        bits: [H, W] uint8, bit c set where class c is.
    """

    row: int
    scores: Values
    bits: npt.NDArray[np.uint8]

    def truth(self, c: int) -> npt.NDArray[np.bool_]:
        """[H, W], where class c is."""
        return (self.bits >> c & 1).astype(bool)


def scorer(model: Any, *, flips: bool = False) -> Scorer:
    """A function that scores with the model as it then is; traced once.

    Args:
        model: grey [B, h, w, 1] -> logits [B, h, w, C].
        flips: whether to score the four flips, too, and take the mean.
    """

    @tf.function(  # type: ignore[untyped-decorator]  # TensorFlow has no types
        input_signature=[tf.TensorSpec((None, None, None, 1), tf.uint8)]
    )
    def score(grey: Tensor) -> Tensor:
        found = [
            tf.reverse(tf.sigmoid(model(tf.reverse(grey, axes), training=False)), axes)
            for axes in (FLIPS if flips else FLIPS[:1])
        ]
        return tf.transpose(tf.add_n(found) / len(found), [0, 3, 1, 2])

    # A class's scores lie together: what is done to them one class at a time is faster.
    return lambda grey: np.moveaxis(score(grey).numpy(), 1, -1)


def score_images(
    score: Scorer,
    dataset: Dataset,
    rows: npt.NDArray[np.int64],
    *,
    pixels: int,
    layout: Layout | None = None,
) -> Iterator[ScoredImage]:
    """The scores of images, in their order; what no window shows has score 0.

    Args:
        score: grey -> scores.
        dataset: the data set.
        rows: [R] image numbers.
        pixels: at most so many are scored at once; at least one image or window.
        layout: of windows; whole images without.
    """
    if layout is not None:
        for row in rows.tolist():
            scores = in_windows(score, dataset.image(row), layout, pixels=pixels)
            yield ScoredImage(row, scores, dataset.mask(row))
        return
    for numbers, grey, bits in pipeline.image_batches(dataset, rows, pixels=pixels):
        height, width = bits.shape[1:3]
        for row, scores, truth in zip(numbers.tolist(), score(grey), bits, strict=True):
            yield ScoredImage(row, scores[:height, :width], truth[..., 0])


def in_windows(
    score: Scorer, image: npt.NDArray[np.uint8], layout: Layout, *, pixels: int
) -> Values:
    """Scores of one image by windows: [H, W] grey -> [H, W, C]."""
    height, width = image.shape
    tiles, weights = layout(height, width)
    windows = cut(image, tiles)[..., None]
    step = max(pixels // (tiles.size[0] * tiles.size[1]), 1)
    parts = [score(windows[first : first + step]) for first in range(0, len(windows), step)]
    return stitch(np.concatenate(parts), tiles, weights, height=height, width=width)
