"""A decision for each class, tuned on the validation images and on no others.

Two sets of rules are tuned for each class: a threshold alone, and a threshold with the least size
of a component, the least area on an image, a gate, or silence. More rules fit the validation
images better and may do worse on others. Two things keep them from it. Sizes and gates are coarse,
so that there is little to fit. And both sets are tuned on four fifths of the images and tried on
the last fifth, five times over, with near-duplicates in one fifth. Where the larger set loses more
than the standard error of the difference between groups, the threshold stays alone. A stricter
test, such as a gain beyond chance, costs more than it saves: docs/postprocessing.md.
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
"""Both are coarse: each step has to show on the images that there are."""


class Rules(NamedTuple):
    """Every combination of rules for one class, and what each leaves of it on each image.

    Attributes:
        masks: [M] threshold and least component.
        gain: [M, S] what predicting such a mask adds to the metric, beside predicting nothing.
        large: [M, S, A] whether the mask has at least AREAS pixels.
        sure: [S, G] whether the highest score reaches GATES.
        simple: [M, A, G] False where there is more than a threshold.
        order: [M A G] from the plainest combination to the least plain.
    """

    masks: Sequence[tuple[float, int]]
    gain: Values
    large: npt.NDArray[np.bool_]
    sure: npt.NDArray[np.bool_]
    simple: npt.NDArray[np.bool_]
    order: Rows

    def totals(self, rows: Rows) -> Values:
        """What each combination gains on some images: [M, A, G]."""
        kept = self.gain[:, rows, None] * self.large[:, rows]  # [M, R, A]
        return np.asarray(kept.transpose(0, 2, 1) @ self.sure[rows].astype(np.float64))

    def best(self, totals: Values, *, simple: bool) -> tuple[int, ...] | None:
        """The combination that gains most, of equals the plainest; None: silence gains more."""
        value = np.where(self.simple, totals, -np.inf) if simple else totals
        ranked = np.round(value.ravel()[self.order], 9)
        first = int(ranked.argmax())
        if not simple and ranked[first] < 0:
            return None
        return tuple(map(int, np.unravel_index(self.order[first], totals.shape)))

    def gained(self, chosen: tuple[int, ...] | None, rows: Rows) -> Values:
        """What a combination gains on each of some images: [R]."""
        if chosen is None:
            return np.zeros(len(rows))
        m, a, g = chosen
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
        scores: of the validation images.
        areas: of the same images.
        groups: [S] of near-duplicates.
        classes: [C] names.
        metric: dice_kaggle or dice_positive.
    """
    held = scores.labelled.sum(axis=2) > 0
    found = {
        name: tune_class_rules(class_rules(scores, areas, c, metric), groups, held[:, c])
        for c, name in enumerate(classes)
    }
    return Postprocessing(metric=metric, classes=found)


def tune_class_rules(rules: Rules, groups: Rows, held: npt.NDArray[np.bool_]) -> ClassRules:
    """The rules for one class: of all kinds, or a threshold alone where more does harm."""
    more = gained_by_more(rules, dealt(groups, held))
    sums = np.bincount(np.unique(groups, return_inverse=True)[1], more).astype(np.float64)
    harm = sums.sum() < -standard_error(sums)
    chosen = rules.best(rules.totals(np.arange(len(groups))), simple=harm)
    return rules_at(rules, chosen)


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


def dealt(groups: Rows, held: npt.NDArray[np.bool_]) -> Rows:
    """The fold of each image: groups stay whole, those that hold the class are dealt first."""
    numbers, place = np.unique(groups, return_inverse=True)
    holds = np.bincount(place, held, minlength=len(numbers)) > 0
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
    silence = Counts(tp * 0, tp * 0, tp * 0 + labelled)
    gain = ratio(metric, counts).numerators - ratio(metric, silence).numerators
    grid = np.meshgrid(
        np.arange(len(masks)), np.arange(len(AREAS)), np.arange(len(PEAK_SCORES)), indexing="ij"
    )
    extra = (np.array(masks)[grid[0], 1] > 0).astype(int) + (grid[1] > 0) + (grid[2] > 0)
    middle = np.abs(np.array(masks)[grid[0], 0] - 0.5)
    return Rules(
        masks=masks,
        gain=gain,
        large=predicted[..., None] >= np.array(AREAS),
        sure=_reached(scores, c),
        simple=extra == 0,
        order=np.lexsort((middle.ravel(), extra.ravel())),
    )


def rules_at(rules: Rules, chosen: tuple[int, ...] | None) -> ClassRules:
    """A combination as it is saved."""
    if chosen is None:
        return ClassRules(threshold=1.0, disabled=True)
    m, a, g = chosen
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
    """[S, G] whether the highest score on an image reaches a gate."""
    pixels = _reaching(scores.labelled[:, c] + scores.other[:, c]) > 0  # [K, S]
    places = np.searchsorted(scores.thresholds, PEAK_SCORES[1:])
    always = np.ones((1, pixels.shape[1]), bool)
    return np.asarray(np.concatenate([always, pixels[places]]).T, bool)
