"""What a classification head says of images, for the tuning of its gate."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.evaluation.component_areas import ComponentAreas, Components
from steelexp.evaluation.score_histograms import ScoreCounter, ScoreHistograms, Thresholds
from steelexp.inference.scoring import ScoredImage


class HeadCounts(NamedTuple):
    """Image scores of a classification head, and counts of the scores that it gates softly.

    Attributes:
        scores: Image scores, [S, C].
        gated_scores: Histograms of the pixels' scores times the image score.
        gated_areas: Component areas of these.
    """

    scores: npt.NDArray[np.float32]
    gated_scores: ScoreHistograms
    gated_areas: ComponentAreas


class HeadCounter:
    """Accumulates HeadCounts, an image at a time; images without image scores are left out.

    Args:
        thresholds: Thresholds of the histograms, ascending, [K].
    """

    def __init__(self, thresholds: Thresholds) -> None:
        self._scores: list[npt.NDArray[np.float32]] = []
        self._histograms = ScoreCounter(thresholds)
        self._components = Components()

    def add(self, image: ScoredImage) -> None:
        """Count one image."""
        if image.image_scores is None:
            return
        gated = image._replace(scores=image.scores * image.image_scores)
        self._scores.append(image.image_scores)
        self._histograms.add(gated)
        self._components.add(gated)

    @property
    def counts(self) -> HeadCounts | None:
        """The counts of the images so far, in their order; None without a classification head."""
        if not self._scores:
            return None
        return HeadCounts(
            np.stack(self._scores), self._histograms.histograms, self._components.areas
        )
