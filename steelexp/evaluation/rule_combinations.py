"""Every combination of post-processing rules for one class, and what each leaves on each image."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.counts import Counts, Pixels
from steelexp.evaluation.component_areas import LEVELS, SIZES, ComponentAreas
from steelexp.evaluation.score_histograms import ScoreHistograms
from steelexp.inference.postprocessing import uncertainty
from steelexp.metrics import ratio
from steelexp.records.postprocessing import ClassRules, Gate

Values = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Truths = npt.NDArray[np.bool_]
ImageScores = npt.NDArray[np.float32]

AREAS = (0, *SIZES)
PEAK_SCORES = (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
IMAGE_SCORES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
"""The three lists are coarse: each step has to make a difference on the available images."""

PEAKS_ALONE = tuple((peak, 0.0) for peak in PEAK_SCORES)
"""Conditions without a gate."""

Combination = tuple[int, int, int]
"""Index of the mask, of the minimum area and of the condition; see `Rules`."""


class Rules(NamedTuple):
    """Every combination of rules with one gate for one class, and what each leaves on each image.

    Attributes:
        masks: Threshold and minimum component size, [M].
        tp: True positives of such a mask, [M, S].
        fp: False positives of such a mask, [M, S].
        gain: Metric of an image with such a mask, less that with no prediction, [M, S].
        large: Whether the mask has at least the minimum area, [M, S, A].
        sure: Whether the image fulfils a condition, [S, G].
        simple: Whether threshold and gate are the only rules, [M, A, G].
        order: Combinations from the simplest to the least simple, [M A G].
        conditions: Minimum peak score and minimum image score, [G].
        gate: Gate of all combinations.
    """

    masks: Sequence[tuple[float, int]]
    tp: Pixels
    fp: Pixels
    gain: Values
    large: Truths
    sure: Truths
    simple: Truths
    order: Rows
    conditions: Sequence[tuple[float, float]] = PEAKS_ALONE
    gate: Gate = "none"

    def on(self, rows: Rows) -> "Rules":
        """The same combinations on some of the images."""
        return self._replace(
            tp=self.tp[:, rows],
            fp=self.fp[:, rows],
            gain=self.gain[:, rows],
            large=self.large[:, rows],
            sure=self.sure[rows],
        )

    def pixels(self, combination: Combination | None, rows: Rows) -> tuple[Pixels, Pixels]:
        """True and false positives that a combination leaves on some images, [R] each."""
        if combination is None:
            return np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
        m, a, g = combination
        left = self.large[m, rows, a] & self.sure[rows, g]
        return self.tp[m, rows] * left, self.fp[m, rows] * left

    def totals(self, rows: Rows) -> Values:
        """What each combination gains on some images: [M, A, G]."""
        gain = self.gain[:, rows, None] * self.large[:, rows]  # [M, R, A]
        return np.asarray(gain.transpose(0, 2, 1) @ self.sure[rows].astype(np.float64))

    def best(self, totals: Values, *, simple: bool) -> Combination | None:
        """The best combination, of equals the simplest; None where predicting nothing is best."""
        value = np.where(self.simple, totals, -np.inf) if simple else totals
        ranked = np.round(value.ravel()[self.order], 9)
        first = int(ranked.argmax())
        if not simple and ranked[first] < 0:
            return None
        m, a, g = map(int, np.unravel_index(self.order[first], totals.shape))
        return m, a, g

    def gained(self, combination: Combination | None, rows: Rows) -> Values:
        """What a combination gains on each of some images: [R]."""
        if combination is None:
            return np.zeros(len(rows))
        m, a, g = combination
        return np.asarray(self.gain[m, rows] * self.large[m, rows, a] * self.sure[rows, g])


def class_rules(scores: ScoreHistograms, areas: ComponentAreas, c: int, metric: str) -> Rules:
    """Every combination of rules for one class without a gate.

    Args:
        scores: Histograms of the images.
        areas: Component areas of the same images.
        c: Number of the class.
        metric: Metric that is tuned for.
    """
    thresholds = scores.thresholds.tolist()
    masks = [(t, 0) for t in thresholds] + [(t, size) for t in LEVELS for size in SIZES]
    tp, other = (_reaching(part[:, c]) for part in (scores.labelled, scores.other))  # [K, S]
    flat = (len(areas.tp), -1)
    tp = np.concatenate([tp, areas.tp[:, c].reshape(flat).T])  # [M, S]
    predicted = np.concatenate(
        [tp[: len(thresholds)] + other, areas.predicted[:, c].reshape(flat).T]
    )
    labelled = scores.labelled[:, c].sum(axis=1)
    counts = Counts(tp, predicted - tp, labelled - tp)
    nothing = Counts(tp * 0, tp * 0, tp * 0 + labelled)
    extra, order = _complexity(masks, np.arange(len(PEAK_SCORES)) > 0)
    return Rules(
        masks=masks,
        tp=counts.tp,
        fp=counts.fp,
        gain=ratio(metric, counts).numerators - ratio(metric, nothing).numerators,
        large=predicted[..., None] >= np.array(AREAS),
        sure=_reached(scores, c),
        simple=extra == 0,
        order=order,
    )


def gated_rules(
    plain: Rules,
    gated_scores: ScoreHistograms,
    gated_areas: ComponentAreas,
    image_scores: ImageScores,
    c: int,
    metric: str,
) -> list[Rules]:
    """Every combination of rules for one class with each gate.

    Args:
        plain: Combinations without a gate.
        gated_scores: Histograms of the scores times the image scores.
        gated_areas: Component areas of these.
        image_scores: Image scores of the classification head, [S, C].
        c: Number of the class.
        metric: Metric that is tuned for.
    """
    own = image_scores[:, c]
    soft = class_rules(gated_scores, gated_areas, c, metric)._replace(gate="soft")
    extra, order = _complexity(plain.masks, np.zeros(len(IMAGE_SCORES), bool))
    hard = plain._replace(
        gate="hard",
        conditions=[(0.0, score) for score in IMAGE_SCORES],  # no peak score: one condition is less
        sure=own[:, None] >= np.array(IMAGE_SCORES, np.float32),
        simple=extra == 0,
        order=order,
    )
    smallest = uncertainty(own)[:, None] * np.array(AREAS)  # [S, A]
    area = plain._replace(
        gate="area",
        large=(plain.tp + plain.fp)[..., None] >= smallest,
        simple=np.zeros_like(plain.simple),  # the gate is nothing without a minimum area
    )
    return [soft, hard, area]


def rules_at(rules: Rules, combination: Combination | None) -> ClassRules:
    """A combination as it is saved."""
    if combination is None:
        return ClassRules(threshold=1.0, disabled=True)
    m, a, g = combination
    threshold, component = rules.masks[m]
    min_peak_score, min_image_score = rules.conditions[g]
    return ClassRules(
        threshold=threshold,
        min_component=component,
        min_area=AREAS[a],
        min_peak_score=min_peak_score,
        gate=rules.gate,
        min_image_score=min_image_score,
    )


def _complexity(masks: Sequence[tuple[float, int]], is_rule: Truths) -> tuple[Rows, Rows]:
    """Number of rules of each combination, and the combinations from the simplest on.

    Args:
        masks: Threshold and minimum component size, [M].
        is_rule: Whether a condition counts as a rule, [G].

    Returns:
        Number of rules beside threshold and gate, [M, A, G], and the order, [M A G].
    """
    grid = np.meshgrid(
        np.arange(len(masks)), np.arange(len(AREAS)), np.arange(len(is_rule)), indexing="ij"
    )
    has_component = np.array(masks)[grid[0], 1] > 0
    extra = has_component.astype(np.int64) + (grid[1] > 0) + is_rule[grid[2]]
    middle = np.abs(np.array(masks)[grid[0], 0] - 0.5)
    return extra, np.lexsort((middle.ravel(), extra.ravel()))


def _reaching(bins: Pixels) -> Pixels:
    """[S, K + 1] pixels in each bin -> [K, S] pixels that reach each threshold."""
    return bins[:, ::-1].cumsum(axis=1)[:, -2::-1].T


def _reached(scores: ScoreHistograms, c: int) -> Truths:
    """[S, G] whether the highest score on an image reaches a peak score."""
    pixels = _reaching(scores.labelled[:, c] + scores.other[:, c]) > 0  # [K, S]
    places = np.searchsorted(scores.thresholds, PEAK_SCORES[1:])
    always = np.ones((1, pixels.shape[1]), bool)
    return np.asarray(np.concatenate([always, pixels[places]]).T, bool)
