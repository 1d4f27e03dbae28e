"""Post-processed validation metrics whose rules never saw the images that they are scored on.

Rules that are tuned on the validation images and scored on the same images look better than they
are. So the validation images are divided into fifths, with near-duplicates in one fifth. The rules
of each class are tuned on four fifths and applied to the last, five times over. All of the tuning
is repeated, the choice between few and many rules too. The pixels of all images are then counted
together, as for any other metric of images.

Source: cross-fitting, Chernozhukov et al., The Econometrics Journal 2018,
https://doi.org/10.1111/ectj.12097.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from steelexp.counts import Counts
from steelexp.evaluation.component_areas import ComponentAreas
from steelexp.evaluation.head_counts import HeadCounts
from steelexp.evaluation.postprocessing_search import (
    FOLDS,
    fold_numbers,
    rules_by_gate,
    tuned_choice,
)
from steelexp.evaluation.rule_combinations import Rules
from steelexp.evaluation.score_histograms import ScoreHistograms

Rows = npt.NDArray[np.int64]


def cross_fitted_counts(
    scores: ScoreHistograms,
    areas: ComponentAreas,
    groups: Rows,
    classes: Sequence[str],
    metric: str,
    head: HeadCounts | None = None,
) -> Counts:
    """Pixels of the validation images after post-processing by rules of the other fifths.

    Args:
        scores: Histograms of the validation images.
        areas: Component areas of the same images.
        groups: Group of near-duplicates of each image, [S].
        classes: Names of the classes, [C].
        metric: Metric that the rules are tuned for.
        head: Image scores of the same images; None without a classification head.

    Returns:
        Pixels, [S, C] each.
    """
    columns = [
        _class_counts(
            rules_by_gate(scores, areas, c, metric, head),
            groups,
            scores.labelled[:, c].sum(axis=1),
        )
        for c in range(len(classes))
    ]
    tp, fp, fn = (np.stack(part, axis=1) for part in zip(*columns, strict=True))
    return Counts(tp, fp, fn)


def _class_counts(rules: Sequence[Rules], groups: Rows, labelled: Rows) -> Counts:
    """Pixels of one class on each image, [S] each."""
    folds = fold_numbers(groups, labelled > 0)
    tp = np.zeros(len(groups), np.int64)
    fp = np.zeros(len(groups), np.int64)
    for fold in range(FOLDS):
        inside = np.flatnonzero(folds == fold)
        outside = np.flatnonzero(folds != fold)
        others = [each.on(outside) for each in rules]
        gate, combination = tuned_choice(others, groups[outside], labelled[outside] > 0)
        tp[inside], fp[inside] = rules[gate].pixels(combination, inside)
    return Counts(tp, fp, labelled - tp)
