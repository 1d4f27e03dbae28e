"""Post-processing rules for each class, tuned on the validation images and on no others.

Two sets of rules are tuned for each class: a threshold alone, and a threshold with the least size
of a component, the least area on an image, a minimum peak score, or a disabled class. More rules
fit the validation images better and may do worse on others. Two things keep them from it. Sizes and
peak scores are coarse, so that there is little to fit. And both sets are tuned on four fifths of
the images and tried on the last fifth, five times over, with near-duplicates in one fifth. Where
the larger set loses more than the standard error of the difference between groups, the threshold
stays alone. A stricter test, such as a gain beyond chance, costs more than it saves:
docs/postprocessing.md.

Where a network has a classification head, the same rules are tuned with each gate too. They are
compared with those without a gate in the same way.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from steelexp.evaluation.component_areas import ComponentAreas
from steelexp.evaluation.head_counts import HeadCounts
from steelexp.evaluation.rule_combinations import (
    Combination,
    Rules,
    class_rules,
    gated_rules,
    rules_at,
)
from steelexp.evaluation.score_histograms import ScoreHistograms
from steelexp.records.postprocessing import ClassRules, Postprocessing

Values = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

FOLDS = 5

Choice = tuple[int, Combination | None]
"""Index of the gate's rules, and the combination of them; None where nothing is predicted."""


def tune_rules(
    scores: ScoreHistograms,
    areas: ComponentAreas,
    groups: Rows,
    classes: Sequence[str],
    metric: str,
    head: HeadCounts | None = None,
) -> Postprocessing:
    """The rules for each class that make a metric large.

    Args:
        scores: Histograms of the validation images.
        areas: Component areas of the same images.
        groups: Group of near-duplicates of each image, [S].
        classes: Names of the classes, [C].
        metric: Metric that is tuned for.
        head: Image scores of the same images; None without a classification head.
    """
    has_class = scores.labelled.sum(axis=2) > 0
    rules = {
        name: tune_class_rules(
            rules_by_gate(scores, areas, c, metric, head), groups, has_class[:, c]
        )
        for c, name in enumerate(classes)
    }
    return Postprocessing(metric=metric, classes=rules)


def rules_by_gate(
    scores: ScoreHistograms,
    areas: ComponentAreas,
    c: int,
    metric: str,
    head: HeadCounts | None = None,
) -> list[Rules]:
    """Every combination of rules for one class: without a gate, then with each."""
    plain = class_rules(scores, areas, c, metric)
    if head is None:
        return [plain]
    return [plain, *gated_rules(plain, head.gated_scores, head.gated_areas, head.scores, c, metric)]


def tune_class_rules(
    rules: Sequence[Rules], groups: Rows, has_class: npt.NDArray[np.bool_]
) -> ClassRules:
    """The rules for one class; arguments as of `tuned_choice`."""
    gate, combination = tuned_choice(rules, groups, has_class)
    return rules_at(rules[gate], combination)


def tuned_choice(rules: Sequence[Rules], groups: Rows, has_class: npt.NDArray[np.bool_]) -> Choice:
    """The best combination: of all kinds, or without gate or with a threshold alone if more harms.

    Args:
        rules: Combinations without a gate, then those with each gate.
        groups: Group of near-duplicates of each image, [S].
        has_class: Whether the image holds the class, [S].
    """
    folds = fold_numbers(groups, has_class)
    simple = does_harm(gained_by_more(rules[0], folds), groups)
    if len(rules) > 1 and does_harm(gained_by_gates(rules, folds, simple=simple), groups):
        rules = rules[:1]
    every = np.arange(len(groups))
    return best_of(rules, [each.totals(every) for each in rules], simple=simple)


def does_harm(more: Values, groups: Rows) -> bool:
    """Whether gains of images, [S], sum up to a loss above its standard error between groups."""
    sums = np.bincount(np.unique(groups, return_inverse=True)[1], more).astype(np.float64)
    return bool(sums.sum() < -standard_error(sums))


def best_of(rules: Sequence[Rules], totals: Sequence[Values], *, simple: bool) -> Choice:
    """The best combination of several gates, of equals the first.

    Args:
        rules: Combinations by gate.
        totals: Gain of each of them, [M, A, G] by gate.
        simple: Whether threshold and gate are the only rules.
    """
    choices = []
    for gate, (each, total) in enumerate(zip(rules, totals, strict=True)):
        if simple and not each.simple.any():
            continue
        combination = each.best(total, simple=simple)
        gain = 0.0 if combination is None else float(total[combination])
        choices.append((round(gain, 9), -gate, combination))
    _, place, combination = max(choices, key=lambda choice: choice[:2])
    return -place, combination


def gained_by_more(rules: Rules, folds: Rows) -> Values:
    """What all rules gain over a threshold on each image, both tuned on the other folds: [S]."""
    return _left_out([rules], folds, simple=False) - _left_out([rules], folds, simple=True)


def gained_by_gates(rules: Sequence[Rules], folds: Rows, *, simple: bool) -> Values:
    """What gates gain over rules without one on each image, tuned on the other folds: [S]."""
    return _left_out(rules, folds, simple=simple) - _left_out(rules[:1], folds, simple=simple)


def _left_out(rules: Sequence[Rules], folds: Rows, *, simple: bool) -> Values:
    """What the best combination gains on each image, tuned on the other folds: [S]."""
    within = [np.flatnonzero(folds == fold) for fold in range(FOLDS)]
    by_fold = [np.stack([each.totals(rows) for rows in within]) for each in rules]
    gains = np.zeros(len(folds))
    for fold, rows in enumerate(within):
        others = [totals.sum(axis=0) - totals[fold] for totals in by_fold]
        gate, combination = best_of(rules, others, simple=simple)
        gains[rows] = rules[gate].gained(combination, rows)
    return gains


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
