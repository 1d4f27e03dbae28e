"""Scores of whole images, with sliding windows and test-time augmentation.

Images have the shape [H, W]; a batch of padded images or of windows has [B, h, w, 1].
"""

from collections.abc import Callable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.data import pipeline
from steelexp.data.dataset import Bits, Dataset
from steelexp.data.ignored import counted_bits
from steelexp.inference.windows import Layout, cut_windows, sliding_windows, stitch
from steelexp.lazy import Tensor, tf
from steelexp.model.finiteness import are_numbers, check_scores
from steelexp.model.outputs import outputs_of

Scores = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


class NetworkScores(NamedTuple):
    """Scores of a network from 0 to 1, sigmoid(logits), for a batch or for one image.

    Attributes:
        pixels: Scores of the pixels, [B, h, w, C], or [H, W, C] of one image.
        image: Image scores of the classification head, [B, C], or [C] of one image; None without a
            head.
    """

    pixels: Scores
    image: Scores | None = None


LARGEST_AREA = 2**22
"""Pixels of an image that is scored as a whole; a mobilenet U-Net needs about 1 kB for each."""

WINDOW = (1024, 1024)
"""Height and width of the sliding windows of larger images."""

Scorer = Callable[[npt.NDArray[np.uint8]], NetworkScores]
"""Function grey [B, h, w, 1] -> scores of a batch; NaN for an image with a logit that is not a
number."""

FLIPS = ((), (1,), (2,), (1, 2))
"""Axes of [B, h, w, C] to flip in test-time augmentation: none, vertical, horizontal, both."""


class ScoredImage(NamedTuple):
    """An image with its scores and its ground truth.

    Attributes:
        row: Row of the image in the data set.
        scores: [H, W, C] float32 scores, sigmoid(logits), without padding; 0 at ignored pixels.
        bits: [H, W] ground truth of all classes; bit c is set where class c is labelled. No
            bit is set at ignored pixels.
        valid: [H, W] bool, whether a pixel counts; None in a data set without ignored pixels.
        image_scores: [C] image scores of the classification head; None without a head.
    """

    row: int
    scores: Scores
    bits: Bits
    valid: npt.NDArray[np.bool_] | None = None
    image_scores: Scores | None = None

    @property
    def pixels(self) -> int:
        """Number of pixels that count."""
        return self.bits.size if self.valid is None else int(np.count_nonzero(self.valid))

    def truth(self, c: int) -> npt.NDArray[np.bool_]:
        """Ground truth of class c, [H, W] bool."""
        return (self.bits >> c & 1).astype(bool)


def build_scorer(model: Any, *, flips: bool = False) -> Scorer:
    """Build a scorer of a model. Each call uses the weights that the model then has.

    TensorFlow traces the scorer once, for batches of every shape.

    Args:
        model: Network, grey [B, h, w, 1] -> logits [B, h, w, C], and image logits [B, C] with a
            classification head.
        flips: Whether to use test-time augmentation: the mean score over four flips.
    """

    @tf.function(  # type: ignore[untyped-decorator]  # TensorFlow has no types
        input_signature=[tf.TensorSpec((None, None, None, 1), tf.uint8)]
    )
    def score(grey: Tensor) -> Tensor:
        flipped_scores = []
        image_scores = []
        numbers = tf.fill(tf.shape(grey)[:1], True)
        for axes in FLIPS if flips else FLIPS[:1]:
            logits, image_logits = outputs_of(model, tf.reverse(grey, axes))
            flipped_scores.append(tf.reverse(tf.sigmoid(logits), axes))
            numbers &= are_numbers(logits)
            if image_logits is not None:
                image_scores.append(tf.sigmoid(image_logits))
                numbers &= are_numbers(image_logits)
        mean = tf.add_n(flipped_scores) / len(flipped_scores)
        # The scores of a class are contiguous, which speeds up work on one class at a time.
        pixels = tf.transpose(mean, [0, 3, 1, 2])
        return pixels, numbers, [tf.add_n(image_scores) / len(image_scores)] if image_scores else []

    def scores_of(grey: npt.NDArray[np.uint8]) -> NetworkScores:
        pixels, numbers, image_scores = score(grey)
        values: Scores = pixels.numpy()
        if not (is_right := numbers.numpy()).all():
            values[~is_right] = np.nan
        image = image_scores[0].numpy() if image_scores else None
        return NetworkScores(np.moveaxis(values, 1, -1), image)

    return scores_of


def scored_image(
    row: int,
    scores: Scores,
    bits: Bits,
    image_scores: Scores | None = None,
    *,
    has_ignore: bool,
) -> ScoredImage:
    """An image with its scores, without what is predicted or labelled at ignored pixels.

    All metrics of whole images and the tuning of post-processing get their ignored pixels here. A
    component that crosses ignored pixels ends at them.

    Args:
        row: Row of the image in the data set.
        scores: [H, W, C] scores.
        bits: [H, W] mask.
        image_scores: [C] image scores of the classification head; None without a head.
        has_ignore: Whether bit C of the mask marks ignored pixels.
    """
    if not has_ignore:
        return ScoredImage(row, scores, bits, image_scores=image_scores)
    valid = bits >> scores.shape[2] == 0
    scores = np.copy(scores, order="K")  # a class stays contiguous
    scores[~valid] = 0
    return ScoredImage(row, scores, counted_bits(bits, scores.shape[2]), valid, image_scores)


def score_images(
    score: Scorer,
    dataset: Dataset,
    rows: Rows,
    *,
    max_pixels: int,
    layout: Layout | None = None,
    network: object = "the network",
) -> Iterator[ScoredImage]:
    """Score images in the order of `rows`. Pixels that no window covers have score 0.

    Images of over 4 million pixels are scored by sliding windows, as `predict` does. This bounds
    the memory of the network, and the post-processing is tuned on what it is used for.

    Args:
        score: Scorer of the network.
        dataset: Data set.
        rows: [R] rows of the images.
        max_pixels: Maximum number of pixels per batch. A batch has at least one image or window.
        layout: Layout of the sliding windows; None for whole images.
        network: File of the network, for messages.

    Raises:
        NotFiniteError: A score is not a number from 0 to 1.
    """
    classes = len(dataset.classes)
    sizes = (tuple(size) for size in dataset.sizes[rows].tolist())
    for size, group in groupby(zip(sizes, rows.tolist(), strict=True), itemgetter(0)):
        part = np.array([row for _, row in group])
        windows = layout or layout_of(*size)
        if windows is None:
            scored = _score_whole_images(score, dataset, part, max_pixels)
        else:
            scored = _score_by_windows(score, dataset, part, windows, max_pixels)
        for row, scores, bits in scored:
            check_scores(scores.pixels, classes, image=dataset.paths[row], network=network)
            yield scored_image(
                row, scores.pixels, bits, scores.image, has_ignore=dataset.has_ignore
            )


def layout_of(height: int, width: int) -> Layout | None:
    """Layout of the windows of an image; None where the network takes it as a whole."""
    return sliding_windows(WINDOW) if height * width > LARGEST_AREA else None


def _score_whole_images(
    score: Scorer, dataset: Dataset, rows: Rows, max_pixels: int
) -> Iterator[tuple[int, NetworkScores, Bits]]:
    for batch_rows, grey, bits in pipeline.image_batches(dataset, rows, max_pixels=max_pixels):
        height, width = bits.shape[1:3]
        batch = score(grey)
        for number, row in enumerate(batch_rows.tolist()):
            image = None if batch.image is None else batch.image[number]
            pixels = batch.pixels[number, :height, :width]
            yield row, NetworkScores(pixels, image), bits[number, ..., 0]


def _score_by_windows(
    score: Scorer, dataset: Dataset, rows: Rows, layout: Layout, max_pixels: int
) -> Iterator[tuple[int, NetworkScores, Bits]]:
    for row in rows.tolist():
        scores = score_windows(score, dataset.image(row), layout, max_pixels=max_pixels)
        yield row, scores, dataset.mask(row)


def score_windows(
    score: Scorer, image: npt.NDArray[np.uint8], layout: Layout, *, max_pixels: int
) -> NetworkScores:
    """Score one image by sliding windows: [H, W] grey -> [H, W, C] and [C].

    The image score is the largest of the windows: one defect in one window is a defect of the
    image.

    Args:
        score: Scorer of the network.
        image: [H, W] grey.
        layout: Layout of the windows.
        max_pixels: Maximum number of pixels per batch. A batch has at least one window.
    """
    height, width = image.shape
    tiles, weights = layout(height, width)
    windows = cut_windows(image, tiles)[..., None]
    batch_size = max(max_pixels // (tiles.size[0] * tiles.size[1]), 1)
    batches = [
        score(windows[start : start + batch_size]) for start in range(0, len(windows), batch_size)
    ]
    pieces = np.concatenate([batch.pixels for batch in batches])
    images = [batch.image for batch in batches if batch.image is not None]
    return NetworkScores(
        stitch(pieces, tiles, weights, height=height, width=width),
        np.concatenate(images).max(axis=0) if images else None,
    )
