"""What post-processing is tuned on: scores and components of images, counted once."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.evaluation.component_areas import ComponentAreas
from steelexp.evaluation.head_counts import HeadCounts
from steelexp.evaluation.score_histograms import ScoreHistograms

Rows = npt.NDArray[np.int64]


class TuningCounts(NamedTuple):
    """Counts of S images for every rule of a post-processing.

    Attributes:
        scores: Histograms of the scores.
        areas: Component areas.
        head: Counts of the classification head; None without one.
    """

    scores: ScoreHistograms
    areas: ComponentAreas
    head: HeadCounts | None

    def on(self, rows: Rows) -> "TuningCounts":
        """The counts of some of the images, in the order of their numbers."""
        head = self.head
        if head is not None:
            head = HeadCounts(
                head.scores[rows],
                _histograms_on(head.gated_scores, rows),
                _areas_on(head.gated_areas, rows),
            )
        return TuningCounts(_histograms_on(self.scores, rows), _areas_on(self.areas, rows), head)


def concatenate(parts: Sequence[TuningCounts]) -> TuningCounts:
    """The counts of the images of all parts, one part after the other."""
    heads = [part.head for part in parts if part.head is not None]
    head = None
    if heads:
        head = HeadCounts(
            np.concatenate([each.scores for each in heads]),
            _all_histograms([each.gated_scores for each in heads]),
            _all_areas([each.gated_areas for each in heads]),
        )
    scores = _all_histograms([part.scores for part in parts])
    return TuningCounts(scores, _all_areas([part.areas for part in parts]), head)


def _histograms_on(scores: ScoreHistograms, rows: Rows) -> ScoreHistograms:
    return ScoreHistograms(scores.thresholds, scores.labelled[rows], scores.other[rows])


def _areas_on(areas: ComponentAreas, rows: Rows) -> ComponentAreas:
    return ComponentAreas(areas.predicted[rows], areas.tp[rows])


def _all_histograms(parts: Sequence[ScoreHistograms]) -> ScoreHistograms:
    labelled = np.concatenate([part.labelled for part in parts])
    other = np.concatenate([part.other for part in parts])
    return ScoreHistograms(parts[0].thresholds, labelled, other)


def _all_areas(parts: Sequence[ComponentAreas]) -> ComponentAreas:
    predicted = np.concatenate([part.predicted for part in parts])
    return ComponentAreas(predicted, np.concatenate([part.tp for part in parts]))
