import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelexp.counts import Counts, dice
from steelexp.evaluation import postprocessing_search, rule_combinations
from steelexp.evaluation.component_areas import Components
from steelexp.evaluation.postprocessing_search import (
    fold_numbers,
    gained_by_more,
    standard_error,
    tune_rules,
)
from steelexp.evaluation.rule_combinations import class_rules
from steelexp.evaluation.score_histograms import ScoreCounter, grid_with
from steelexp.inference.postprocessing import postprocess
from steelexp.inference.scoring import ScoredImage
from steelexp.metrics import image_metrics
from steelexp.records.postprocessing import ClassRules


def image(*blocks, size=(24, 60)):
    """An image of one class with blocks (top, left, height, width, score, labelled)."""
    scores, bits = np.zeros((*size, 1), np.float32), np.zeros(size, np.uint8)
    for top, left, height, width, score, labelled in blocks:
        within = (slice(top, top + height), slice(left, left + width))
        scores[within], bits[within] = score, labelled
    return ScoredImage(0, scores, bits)


def counted(dataset):
    histograms, components = ScoreCounter(grid_with(0.5)), Components()
    for each in dataset:
        histograms.add(each)
        components.add(each)
    return histograms.histograms, components.areas


def tuned(dataset, metric="dice_kaggle", groups=None):
    groups = np.arange(len(dataset)) if groups is None else groups
    return tune_rules(*counted(dataset), groups, ["1"], metric).classes["1"]


def scored(dataset, rules, metric="dice_kaggle"):
    """The metric of a post-processing, from its masks."""
    sums = []
    for each in dataset:
        mask, truth = postprocess(each.scores, [rules])[..., 0], each.truth(0)
        sums.append([(mask & truth).sum(), (mask & ~truth).sum(), (~mask & truth).sum()])
    counts = Counts(*np.array(sums).T[..., None])
    return image_metrics(counts, ["1"], "val")[f"val_{metric}"]


DEFECT = (2, 2, 10, 20, 0.7, True)
ALARM = (14, 40, 4, 5, 0.9, False)  # 20 pixels, surer than the defect


def test_a_threshold_between_defect_and_alarm():
    # The defect scores 0.7; alarms of its size score 0.58.
    quiet = (2, 2, 10, 20, 0.58, False)
    found = tuned([image(DEFECT), image(quiet)] * 5)
    assert found == ClassRules(threshold=0.59)


def test_small_alarms_that_are_sure_need_more_than_a_threshold():
    dataset = [image(DEFECT, ALARM), image(ALARM), image()] * 5
    found = tuned(dataset)
    assert (found.threshold, found.min_area) == (0.5, 0)
    assert 20 < found.min_component <= 200
    assert scored(dataset, found) == 1.0
    assert scored(dataset, ClassRules(threshold=0.5)) < 2 / 3


def test_small_alarms_alone_need_a_least_area():
    # 20 + 20 pixels in two components are as much as one small defect in one piece.
    pieces = ((2, 2, 4, 5, 0.7, True), (14, 2, 4, 5, 0.7, True))
    found = tuned([image(*pieces), image(ALARM)] * 5)
    assert (found.min_component, found.min_area) == (0, 32)


def test_an_alarm_of_middling_scores_needs_a_gate():
    # Defects have a sure middle in a broad rim; alarms are all rim.
    rim, middle = (2, 2, 10, 20, 0.55, True), (6, 8, 2, 2, 0.97, True)
    alarm = (2, 2, 10, 20, 0.75, False)
    found = tuned([image(rim, middle), image(alarm)] * 5)
    assert found == ClassRules(threshold=0.5, min_peak_score=0.8)


def test_a_class_that_only_cries_wolf_is_silenced():
    dataset = [image((0, 0, 160, 160, 1.0, False), size=(160, 160))] * 6  # above every least area
    assert tuned(dataset).disabled
    assert scored(dataset, tuned(dataset)) == 1.0


def test_where_there_is_nothing_to_choose_by_the_plainest_rules_are_taken():
    assert tuned([image()] * 6) == ClassRules(threshold=0.5)


def test_dice_positive_pays_no_false_alarm():
    dataset = [image(DEFECT, ALARM), *[image(ALARM)] * 8]
    # Of the image with the defect alone: the alarm beside it is worth leaving out.
    assert scored(dataset, tuned(dataset, "dice_positive"), "dice_positive") == 1.0
    faint = [image((2, 2, 10, 20, 0.3, True)), *[image((2, 2, 10, 20, 0.4, False))] * 8]
    assert tuned(faint, "dice_kaggle").threshold > 0.3
    assert tuned(faint, "dice_positive").threshold <= 0.3


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["dice_kaggle", "dice_positive"]))
def test_what_rules_gain_is_what_their_masks_gain(seed, metric):
    draw = np.random.default_rng(seed)
    dataset = []
    for _ in range(3):  # blocks of 64 pixels, so that areas are reached to a pixel
        scores = np.repeat(np.repeat(draw.beta(0.4, 0.6, (4, 6)), 8, axis=0), 8, axis=1)
        labels = np.repeat(np.repeat(draw.random((4, 6)) < 0.2, 8, axis=0), 8, axis=1)
        dataset.append(
            ScoredImage(0, scores.astype(np.float32)[..., None], labels.astype(np.uint8))
        )
    rules = class_rules(*counted(dataset), 0, metric)
    shape = (
        len(rules.masks),
        len(rule_combinations.AREAS),
        len(rule_combinations.PEAK_SCORES),
    )
    rows = np.arange(3)
    assert rules.totals(rows).shape == shape
    held = np.array([each.bits.any() for each in dataset])
    for _ in range(20):
        chosen = tuple(int(draw.integers(0, n)) for n in shape)
        made = rule_combinations.rules_at(rules, chosen)
        masks = [postprocess(each.scores, [made])[..., 0] for each in dataset]
        parts = [
            (m & e.truth(0), m & ~e.truth(0), ~m & e.truth(0))
            for m, e in zip(masks, dataset, strict=True)
        ]
        counts = Counts(*(np.array([[p[i].sum()] for p in parts]) for i in range(3)))
        wanted = dice(counts)[:, 0] - ~held
        wanted = wanted * held if metric == "dice_positive" else wanted
        assert rules.gained(chosen, rows) == pytest.approx(wanted)
        assert rules.totals(rows)[chosen] == pytest.approx(wanted.sum())
    best = rules.best(rules.totals(rows), simple=False)
    most = max(rules.totals(rows).max(), 0)
    assert rules.gained(best, rows).sum() == pytest.approx(most)


# --- what keeps many rules from fitting few images


def test_groups_stay_in_one_fold_and_the_class_is_in_each():
    groups = np.array([3, 3, 1, 9, 9, 9, 4, 5, 6, 7, 8, 2])
    held = np.isin(groups, [3, 9, 4, 5, 6])
    folds = fold_numbers(groups, held)
    assert all(len(set(folds[groups == group])) == 1 for group in groups)
    assert set(folds[held]) == set(range(postprocessing_search.FOLDS))


def test_the_standard_error_of_a_sum_by_hand():
    assert standard_error(np.array([1.0, 3.0])) == pytest.approx(np.sqrt(2) * np.sqrt(2))
    assert standard_error(np.array([1.0])) == np.inf


def rules_with(gain):
    """Two combinations a mask: with masks 0, threshold 0.5, and 1, a least component of 16."""
    shape = (2, 1, 1)
    return rule_combinations.Rules(
        masks=[(0.5, 0), (0.5, 16)],
        tp=np.zeros((2, len(gain[0])), np.int64),
        fp=np.zeros((2, len(gain[0])), np.int64),
        gain=np.array(gain, float),
        large=np.ones((2, len(gain[0]), 1), bool),
        sure=np.ones((len(gain[0]), 1), bool),
        simple=np.array([True, False]).reshape(shape),
        order=np.array([0, 1]),
    )


def test_rules_that_lose_on_images_left_out_are_not_taken():
    # Components pay on the first ten of twenty images, where they are large, and nowhere else; each
    # fold is told by the others to take them, and takes them for its own.
    gain = np.array([[0.0] * 20, [1.0] * 10 + [0.0] * 10])
    groups, held = np.arange(20), np.ones(20, bool)
    assert gained_by_more(rules_with(gain), fold_numbers(groups, held)).sum() == 10
    assert (
        postprocessing_search.tune_class_rules([rules_with(gain)], groups, held).min_component == 16
    )
    # Now those of each fold lose what those of the other folds seem to promise.
    folds = fold_numbers(groups, held)
    loss = np.array([np.zeros(20), np.where(folds == 0, 1.2, -0.25)])
    assert gained_by_more(rules_with(loss), folds).sum() < 0


def test_a_loss_that_is_shown_leaves_the_threshold_alone(monkeypatch):
    rules = rules_with([[0.0] * 20, [0.1] * 20])
    groups, held = np.arange(20), np.ones(20, bool)
    for more, component in ((-0.05, 0), (0.0, 16), (0.05, 16)):
        monkeypatch.setattr(
            postprocessing_search, "gained_by_more", lambda *_, more=more: np.full(20, more)
        )
        assert (
            postprocessing_search.tune_class_rules([rules], groups, held).min_component == component
        )
    # Within a standard error it is not shown.
    doubtful = np.append(np.full(19, 0.01), -0.2)
    monkeypatch.setattr(postprocessing_search, "gained_by_more", lambda *_: doubtful)
    assert postprocessing_search.tune_class_rules([rules], groups, held).min_component == 16
    # Copies of one surface are one loss, not twenty.
    monkeypatch.setattr(postprocessing_search, "gained_by_more", lambda *_: np.full(20, -0.05))
    assert (
        postprocessing_search.tune_class_rules([rules], np.zeros(20, np.int64), held).min_component
        == 16
    )
