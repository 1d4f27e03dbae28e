"""Gates of a classification head: what they leave, and that tuning finds the right one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelexp.counts import Counts, dice
from steelexp.evaluation import rule_combinations
from steelexp.evaluation.cross_fitting import cross_fitted_counts
from steelexp.evaluation.head_counts import HeadCounter
from steelexp.evaluation.postprocessing_search import (
    best_of,
    fold_numbers,
    gained_by_gates,
    rules_by_gate,
    tune_class_rules,
    tune_rules,
)
from steelexp.evaluation.rule_combinations import rules_at
from steelexp.evaluation.score_histograms import grid_with
from steelexp.inference.postprocessing import postprocess
from steelexp.inference.scoring import ScoredImage
from tests.evaluation.test_postprocessing_search import counted, image, rules_with

METRIC = "dice_kaggle"
DEFECT = (2, 2, 10, 20, 0.7, True)
ALARM = (2, 2, 10, 20, 0.7, False)  # of a defect's area and score: the pixels tell nothing


def headed(image_score, *blocks):
    return image(*blocks)._replace(image_scores=np.array([image_score], np.float32))


def head_counts(dataset):
    counter = HeadCounter(grid_with(0.5))
    for each in dataset:
        counter.add(each)
    return counter.counts


def tuned(dataset, groups=None):
    groups = np.arange(len(dataset)) if groups is None else groups
    head = head_counts(dataset)
    return tune_rules(*counted(dataset), groups, ["1"], METRIC, head).classes["1"]


def mean_dice(dataset, rules):
    values = []
    for each in dataset:
        mask = postprocess(each.scores, [rules], each.image_scores)[..., 0]
        truth = each.truth(0)
        both = mask.sum() + truth.sum()
        values.append(2 * (mask & truth).sum() / both if both else 1.0)
    return np.mean(values)


def test_alarms_like_defects_need_a_hard_gate():
    """The alarm's pixels are surer than a defect's by more than its image is less sure."""
    faint = (2, 2, 10, 20, 0.3, True)
    rim = (14, 30, 8, 20, 0.28, False)
    sure = (2, 2, 10, 20, 0.95, False)
    dataset = [headed(0.8, DEFECT), headed(0.75, faint, rim), headed(0.4, sure), headed(0.1)] * 5
    rules = tuned(dataset)
    assert rules.gate == "hard"
    assert 0.4 < rules.min_image_score <= 0.7
    assert 0.28 < rules.threshold <= 0.3
    assert mean_dice(dataset, rules) == 1.0
    without = tune_rules(*counted(dataset), np.arange(20), ["1"], METRIC).classes["1"]
    assert mean_dice(dataset, without) < 1.0


def test_scores_that_only_the_product_orders_need_a_soft_gate():
    """Sure pixels on a doubtful image are alarms, doubtful ones on a sure image are the defect."""
    dataset = [
        headed(0.95, (2, 2, 10, 20, 0.55, True), (14, 30, 8, 20, 0.5, False)),
        headed(0.5, (2, 2, 10, 20, 0.99, True), (14, 30, 8, 20, 0.9, False)),
        headed(0.45, (2, 2, 10, 20, 0.97, False)),
        headed(0.52, (2, 2, 10, 20, 0.88, False)),
    ] * 5
    rules = tuned(dataset)
    assert rules.gate == "soft"
    assert mean_dice(dataset, rules) == 1.0


def test_small_defects_of_sure_images_need_an_area_gate():
    """Alarms are larger than the smaller defect, whose image the head is sure of."""
    small, large = (2, 2, 4, 6, 0.7, True), (2, 2, 20, 30, 0.7, True)  # 24 and 600 pixels
    alarm, speck = (2, 2, 10, 15, 0.7, False), (2, 40, 4, 5, 0.7, False)  # 150 and 20
    dataset = [
        headed(0.95, small),
        headed(0.3, large),  # a hard gate would lose it with the alarm
        headed(0.35, alarm),
        headed(0.9, speck),
    ] * 5
    rules = tuned(dataset)
    assert rules.gate == "area"
    assert mean_dice(dataset, rules) == 1.0


def test_a_head_that_tells_nothing_gets_no_gate():
    dataset = [headed(0.5, DEFECT), headed(0.5, (14, 40, 4, 5, 0.9, False)), headed(0.5)] * 5
    assert tuned(dataset).gate == "none"
    assert (
        tuned(dataset) == tune_rules(*counted(dataset), np.arange(15), ["1"], METRIC).classes["1"]
    )


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_what_gated_rules_gain_is_what_their_masks_gain(seed):
    draw = np.random.default_rng(seed)
    dataset = []
    for _ in range(4):
        scores = np.repeat(np.repeat(draw.beta(0.4, 0.6, (4, 6)), 8, axis=0), 8, axis=1)
        labels = np.repeat(np.repeat(draw.random((4, 6)) < 0.2, 8, axis=0), 8, axis=1)
        dataset.append(
            ScoredImage(
                0,
                scores.astype(np.float32)[..., None],
                labels.astype(np.uint8),
                image_scores=draw.random(1).astype(np.float32),
            )
        )
    has_class = np.array([each.bits.any() for each in dataset])
    every = np.arange(4)
    rules = rules_by_gate(*counted(dataset), 0, METRIC, head_counts(dataset))
    assert [each.gate for each in rules] == ["none", "soft", "hard", "area"]
    for each in rules:
        for _ in range(8):
            chosen = tuple(int(draw.integers(0, n)) for n in each.totals(every).shape)
            one = rules_at(each, chosen)
            masks = [postprocess(s.scores, [one], s.image_scores)[..., 0] for s in dataset]
            parts = [
                (m & s.truth(0), m & ~s.truth(0), ~m & s.truth(0))
                for m, s in zip(masks, dataset, strict=True)
            ]
            counts = Counts(*(np.array([[p[i].sum()] for p in parts]) for i in range(3)))
            assert each.gained(chosen, every) == pytest.approx(dice(counts)[:, 0] - ~has_class)


# --- what keeps gates from fitting few images


def gated_pair(gain_without, gain_with):
    plain, gated = (
        rules_with([gain, gain])._replace(order=np.array([0, 1]))
        for gain in (gain_without, gain_with)
    )
    return [plain, gated._replace(gate="hard", conditions=[(0.0, 0.4)])]


def test_of_equal_rules_those_without_a_gate_are_taken():
    rules = gated_pair([0.5] * 20, [0.5] * 20)
    totals = [each.totals(np.arange(20)) for each in rules]
    assert best_of(rules, totals, simple=False) == (0, (0, 0, 0))
    better = gated_pair([0.5] * 20, [0.6] * 20)
    totals = [each.totals(np.arange(20)) for each in better]
    assert best_of(better, totals, simple=False) == (1, (0, 0, 0))


def test_a_gate_that_loses_on_images_left_out_is_not_taken():
    groups, has_class = np.arange(20), np.ones(20, bool)
    folds = fold_numbers(groups, has_class)
    # Each fold loses by the gate that the four others ask for: the guard has to see a loss.
    ruinous = gated_pair([0.0] * 20, np.where(folds == 0, 1.2, -0.25))
    assert gained_by_gates(ruinous, folds, simple=False).sum() < 0
    assert ruinous[1].totals(groups).max() > 0  # on the images that it is tuned on it wins
    assert tune_class_rules(ruinous, groups, has_class).gate == "none"
    helpful = gated_pair([0.0] * 20, [0.1] * 20)
    assert gained_by_gates(helpful, folds, simple=False).sum() == pytest.approx(2.0)
    assert tune_class_rules(helpful, groups, has_class).gate == "hard"


def test_a_loss_by_gates_beyond_its_standard_error_leaves_them_out(monkeypatch):
    from steelexp.evaluation import postprocessing_search

    rules, groups, has_class = gated_pair([0.0] * 20, [0.1] * 20), np.arange(20), np.ones(20, bool)
    for more, gate in ((-0.05, "none"), (0.0, "hard"), (0.05, "hard")):
        monkeypatch.setattr(
            postprocessing_search,
            "gained_by_gates",
            lambda *_, simple, more=more: np.full(20, more),
        )
        assert tune_class_rules(rules, groups, has_class).gate == gate
    # Copies of one surface are one loss, not twenty, and one has no standard error.
    monkeypatch.setattr(
        postprocessing_search, "gained_by_gates", lambda *_, simple: np.full(20, -0.05)
    )
    assert tune_class_rules(rules, np.zeros(20, np.int64), has_class).gate == "hard"


def test_each_image_gets_the_gate_of_the_other_fifths():
    dataset = [headed(0.8, DEFECT), headed(0.2, ALARM), headed(0.1)] * 5
    groups = np.arange(15)
    counts = cross_fitted_counts(*counted(dataset), groups, ["1"], METRIC, head_counts(dataset))
    assert counts.fp.sum() == counts.fn.sum() == 0
    without = cross_fitted_counts(*counted(dataset), groups, ["1"], METRIC)
    assert without.fp.sum() + without.fn.sum() > 0


def test_images_without_image_scores_have_no_head_counts():
    assert head_counts([image(DEFECT)]) is None
    assert len(rule_combinations.IMAGE_SCORES) == len(set(rule_combinations.IMAGE_SCORES))
