"""Scores of each image by the runs that have not seen it, averaged."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from steelexp.audit.unseen import Unseen
from steelexp.data.dataset import Dataset
from steelexp.data.splits.split import Rows
from steelexp.evaluation.external import PIXELS_PER_BATCH
from steelexp.inference.scoring import ScoredImage, Scorer, score_images


def out_of_fold(
    scorers: Sequence[Scorer],
    dataset: Dataset,
    unseen: Unseen,
    *,
    rows: Rows | None = None,
    networks: Sequence[object] = (),
) -> Iterator[tuple[ScoredImage, list[int]]]:
    """Each image that some run has not seen, with its mean scores and the numbers of these runs.

    The runs score an image one after another, so only the scores of a batch are held.

    Args:
        scorers: Scorer of each run.
        dataset: Data set of all runs.
        unseen: Images that each run has not seen.
        rows: Images to score; None for all.
        networks: File of each network, for messages.
    """
    files = networks or ["the network"] * len(scorers)
    for runs, batch in unseen.batches():
        chosen = batch if rows is None else batch[np.isin(batch, rows)]
        scored: list[Iterator[Any]] = [
            score_images(
                scorers[run], dataset, chosen, max_pixels=PIXELS_PER_BATCH, network=files[run]
            )
            for run in runs
        ]
        for images in zip(*scored, strict=True):
            yield _mean(images), runs


def _mean(images: Sequence[ScoredImage]) -> ScoredImage:
    """The image with the mean of its scores."""
    first = images[0]
    if len(images) == 1:
        return first
    total = sum(image.scores for image in images[1:]) + first.scores
    return first._replace(scores=(total / len(images)).astype(np.float32), image_scores=None)
