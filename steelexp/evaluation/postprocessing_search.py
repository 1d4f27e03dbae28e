"""Post-processing rules for each class, tuned on the validation images and on no others.

Two sets of rules are tuned for each class: a threshold alone, and a threshold with the least size
of a component, the least area on an image, a minimum peak score, or a disabled class. More rules
fit the validation images better and may do worse on others. Two things keep them from it. Sizes and
peak scores are coarse, so that there is little to fit. And both sets are tuned on four fifths of
the images and tried on the last fifth, five times over, with near-duplicates in one fifth. Where
the larger set loses more than the standard error of the difference between groups, the threshold
stays alone. A stricter test, such as a gain beyond chance, costs more than it saves:
docs/postprocessing.md.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.counts import Counts, Pixels
from steelexp.evaluation.component_areas import LEVELS, SIZES, ComponentAreas
from steelexp.evaluation.score_histograms import ScoreHistograms
from steelexp.metrics import ratio
from steelexp.records.postprocessing import ClassRules, Postprocessing

Values = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

FOLDS = 5
AREAS = (0, *SIZES)
PEAK_SCORES = (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
"""Both lists are coarse: each step has to make a difference on the available images."""


class Rules(NamedTuple):
    """Every combination of rules for one class, and what each leaves of it on each image.

    Attributes:
        masks: Threshold and minimum component size, [M].
        tp: True positives of such a mask, [M, S].
        fp: False positives of such a mask, [M, S].
        gain: Metric of an image with such a mask, less that with no prediction, [M, S].
        large: Whether the mask has at least AREAS pixels, [M, S, A].
        sure: Whether the highest score reaches PEAK_SCORES, [S, G].
        simple: Whether the threshold is the only rule, [M, A, G].
        order: Combinations from the simplest to the least simple, [M A G].
    """

    masks: Sequence[tuple[float, int]]
    tp: Pixels
    fp: Pixels
    gain: Values
    large: npt.NDArray[np.bool_]
    sure: npt.NDArray[np.bool_]
    simple: npt.NDArray[np.bool_]
    order: Rows

    def on(self, rows: Rows) -> "Rules":
        """The same combinations on some of the images."""
        return self._replace(
            tp=self.tp[:, rows],
            fp=self.fp[:, rows],
            gain=self.gain[:, rows],
            large=self.large[:, rows],
            sure=self.sure[rows],
        )

    def pixels(self, combination: tuple[int, ...] | None, rows: Rows) -> tuple[Pixels, Pixels]:
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

    def best(self, totals: Values, *, simple: bool) -> tuple[int, ...] | None:
        """The best combination, of equals the simplest; None where predicting nothing is best."""
        value = np.where(self.simple, totals, -np.inf) if simple else totals
        ranked = np.round(value.ravel()[self.order], 9)
        first = int(ranked.argmax())
        if not simple and ranked[first] < 0:
            return None
        return tuple(map(int, np.unravel_index(self.order[first], totals.shape)))

    def gained(self, combination: tuple[int, ...] | None, rows: Rows) -> Values:
        """What a combination gains on each of some images: [R]."""
        if combination is None:
            return np.zeros(len(rows))
        m, a, g = combination
        return np.asarray(self.gain[m, rows] * self.large[m, rows, a] * self.sure[rows, g])


def tune_rules(
    scores: ScoreHistograms,
    areas: ComponentAreas,
    groups: Rows,
    classes: Sequence[str],
    metric: str,
) -> Postprocessing:
    """The rules for each class that make a metric large.

    Args:
        scores: Histograms of the validation images.
        areas: Component areas of the same images.
        groups: Group of near-duplicates of each image, [S].
        classes: Names of the classes, [C].
        metric: Metric that is tuned for.
    """
    has_class = scores.labelled.sum(axis=2) > 0
    rules = {
        name: tune_class_rules(class_rules(scores, areas, c, metric), groups, has_class[:, c])
        for c, name in enumerate(classes)
    }
    return Postprocessing(metric=metric, classes=rules)


def tune_class_rules(rules: Rules, groups: Rows, has_class: npt.NDArray[np.bool_]) -> ClassRules:
    """The rules for one class."""
    return rules_at(rules, tuned_combination(rules, groups, has_class))


def tuned_combination(
    rules: Rules, groups: Rows, has_class: npt.NDArray[np.bool_]
) -> tuple[int, ...] | None:
    """The best combination: of all kinds, or a threshold alone where more does harm."""
    more = gained_by_more(rules, fold_numbers(groups, has_class))
    sums = np.bincount(np.unique(groups, return_inverse=True)[1], more).astype(np.float64)
    harm = sums.sum() < -standard_error(sums)
    return rules.best(rules.totals(np.arange(len(groups))), simple=harm)


def gained_by_more(rules: Rules, folds: Rows) -> Values:
    """What all rules gain over a threshold on each image, both tuned on the other folds: [S]."""
    within = [np.flatnonzero(folds == fold) for fold in range(FOLDS)]
    each = np.stack([rules.totals(rows) for rows in within])
    more = np.zeros(len(folds))
    for rows, own in zip(within, each, strict=True):
        large, small = (rules.best(each.sum(axis=0) - own, simple=s) for s in (False, True))
        more[rows] = rules.gained(large, rows) - rules.gained(small, rows)
    return more


def standard_error(sums: Values) -> float:
    """Of the sum of independent values: sqrt(n) times their standard deviation."""
    return float(np.sqrt(len(sums)) * sums.std(ddof=1)) if len(sums) > 1 else np.inf


def fold_numbers(groups: Rows, has_class: npt.NDArray[np.bool_]) -> Rows:
    """The fold of each image: groups stay whole, those that hold the class come first."""
    numbers, place = np.unique(groups, return_inverse=True)
    holds = np.bincount(place, has_class, minlength=len(numbers)) > 0
    folds = np.empty(len(numbers), np.int64)
    folds[np.argsort(~holds, kind="stable")] = np.arange(len(numbers)) % FOLDS
    return folds[place]


def class_rules(scores: ScoreHistograms, areas: ComponentAreas, c: int, metric: str) -> Rules:
    """Every combination of rules for one class."""
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
    gain = ratio(metric, counts).numerators - ratio(metric, nothing).numerators
    grid = np.meshgrid(
        np.arange(len(masks)), np.arange(len(AREAS)), np.arange(len(PEAK_SCORES)), indexing="ij"
    )
    extra = (np.array(masks)[grid[0], 1] > 0).astype(int) + (grid[1] > 0) + (grid[2] > 0)
    middle = np.abs(np.array(masks)[grid[0], 0] - 0.5)
    return Rules(
        masks=masks,
        tp=counts.tp,
        fp=counts.fp,
        gain=gain,
        large=predicted[..., None] >= np.array(AREAS),
        sure=_reached(scores, c),
        simple=extra == 0,
        order=np.lexsort((middle.ravel(), extra.ravel())),
    )


def rules_at(rules: Rules, combination: tuple[int, ...] | None) -> ClassRules:
    """A combination as it is saved."""
    if combination is None:
        return ClassRules(threshold=1.0, disabled=True)
    m, a, g = combination
    threshold, component = rules.masks[m]
    return ClassRules(
        threshold=threshold,
        min_component=component,
        min_area=AREAS[a],
        min_peak_score=PEAK_SCORES[g],
    )


def _reaching(bins: Pixels) -> Pixels:
    """[S, K + 1] pixels in each bin -> [K, S] pixels that reach each threshold."""
    return bins[:, ::-1].cumsum(axis=1)[:, -2::-1].T


def _reached(scores: ScoreHistograms, c: int) -> npt.NDArray[np.bool_]:
    """[S, G] whether the highest score on an image reaches a peak score."""
    pixels = _reaching(scores.labelled[:, c] + scores.other[:, c]) > 0  # [K, S]
    places = np.searchsorted(scores.thresholds, PEAK_SCORES[1:])
    always = np.ones((1, pixels.shape[1]), bool)
    return np.asarray(np.concatenate([always, pixels[places]]).T, bool)
