"""Known truths, found again, and the rows that say so."""

import numpy as np
import pytest

from analysis.strategies.comparison import ALL, HEADLINE, compare, contrast
from analysis.strategies.evaluated_run import EvaluatedImages, RunError
from analysis.strategies.evaluated_runs import read_evaluated
from steelexp.evaluation.counts import Counts
from tests.simulated_runs import CLASSES, Study, draw, write_run, write_study

BASELINE = "b4_dice"
THREE = {BASELINE: 0.0, "b4_focal": 0.0, "b4_bce_dice": 0.0}
NULL = THREE | {"b4_lovasz": 0.0}
SEVEN = NULL | {"b4_tversky": 0.0, "b4_copy_paste": 0.0, "b4_weighted_bce": 0.0}
EFFECT = 0.16  # of dice_positive: found in over 80 % of studies of 7 strategies x 3 seeds
LUCKY = 0.04  # standard deviation over seeds at which signed ranks alone go astray


def rows_of(study, number, draws):
    """The rows of the headline on the `number`th drawing of a study."""
    scores = draw(study, np.random.default_rng(number))
    labelled = scores.held.astype(np.int64)
    names = tuple(map(str, range(len(scores.groups))))
    images = EvaluatedImages("test", names, scores.groups, CLASSES, labelled)
    dice = dict(zip(study.effects, scores.dice, strict=True))
    rows, _ = contrast(dice, images, BASELINE, draws=draws, seed=number)
    return [row for row in rows if row.metric == HEADLINE]


def false_alarms(study, *, studies, draws):
    """In how many of the studies something is called higher or lower: overall, or on a class."""
    drawn = [rows_of(study, number, draws) for number in range(studies)]
    alarm = [
        {row.label == ALL for row in rows if row.verdict in ("higher", "lower")} for rows in drawn
    ]
    return sum(True in each for each in alarm), sum(False in each for each in alarm)


def power(study, name, *, studies, draws):
    """The share of studies in which the strategy is called higher."""
    drawn = (rows_of(study, number, draws) for number in range(studies))
    return np.mean(
        [
            any((r.strategy, r.label, r.verdict) == (name, ALL, "higher") for r in rows)
            for rows in drawn
        ]
    )


def coverage(study, *, studies, draws):
    """The share of intervals that hold the true difference, [all classes, single classes]."""
    inside = {True: [], False: []}
    for number in range(studies):
        for row in rows_of(study, number, draws):
            truth = study.effects[row.strategy] - study.effects[BASELINE]
            inside[row.label == ALL].append(row.low <= truth <= row.high)
    return np.mean(inside[True]), np.mean(inside[False])


# --- known truths
# The fast ones allow what chance allows: of 100 true nulls at 5 %, more than 10 alarms have a
# probability of 1 %. The slow ones hold the promise itself.


@pytest.mark.parametrize("luck", [0.0, LUCKY])
def test_few_false_alarms_in_100_studies_without_a_difference(luck):
    assert max(false_alarms(Study(THREE, luck=luck, groups=40), studies=100, draws=200)) <= 10


@pytest.mark.slow
@pytest.mark.parametrize("luck", [0.0, 0.015, LUCKY])
def test_no_more_than_5_percent_false_alarms_in_500_studies_without_a_difference(luck):
    assert max(false_alarms(Study(SEVEN, luck=luck), studies=500, draws=400)) <= 25


def test_signed_ranks_alone_would_alarm_where_seeds_scatter():
    study = Study(NULL, luck=LUCKY)
    rows = [row for number in range(40) for row in rows_of(study, number, 200)]
    overall = [row for row in rows if row.label == ALL]
    assert np.mean([row.wilcoxon_p <= 0.05 for row in overall]) > 0.2
    assert np.mean([row.p <= 0.05 for row in overall]) < 0.1


def test_an_effect_is_found():
    study = Study(NULL | {"b4_focal": EFFECT})
    assert power(study, "b4_focal", studies=40, draws=200) > 0.8


@pytest.mark.slow
def test_an_effect_is_found_among_seven_strategies_in_over_80_percent_of_500_studies():
    study = Study(SEVEN | {"b4_focal": EFFECT})
    assert power(study, "b4_focal", studies=500, draws=400) > 0.8


def test_intervals_hold_the_truth_95_times_in_100_or_a_little_more():
    study = Study(NULL | {"b4_focal": 0.05, "b4_lovasz": -0.05})
    for share in coverage(study, studies=80, draws=200):
        assert 0.93 <= share <= 0.995


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"luck": 0.0},
        {"luck": LUCKY},
        {"seeds": 2},
        {"seeds": 5},
        {"groups": 25},
        {"suits": 0.02},
        {"held": (0.45, 0.35, 0.35, 0.06), "groups": 140},
    ],
    ids=str,
)
def test_intervals_hold_the_truth_95_times_in_100_whatever_the_noise_is_made_of(settings):
    study = Study(NULL | {"b4_focal": 0.05, "b4_lovasz": -0.05}, **settings)
    for share in coverage(study, studies=500, draws=400):
        assert 0.93 <= share <= 0.995


# --- rows by hand


def pixels(*found, area=10):
    """One class on images: so many of `area` labelled pixels found, as many marked falsely."""
    tp = np.array(found, np.int64)[:, None]
    return Counts(tp, area - tp, area - tp)


def by_hand(root, scores, groups, **fields):
    """Runs of both strategies from (found pixels of each test image), one tuple a run."""
    for name, runs in scores.items():
        for seed, found in enumerate(runs):
            parts = {"test": pixels(*found), "val": pixels(5, 5)}
            numbers = {"test": np.array(groups), "val": np.array([90, 91])}
            write_run(root / name / str(seed), parts, numbers, name=name, seed=seed, **fields)
    return read_evaluated([root], "test")


def test_a_row_by_hand(tmp_path):
    """Dice is found / 10. Groups {0, 1}, {2}, {3}: the means over runs differ by 0.15, 0.1, 0."""
    scores = {
        "b4_dice": [(4, 6, 5, 8), (6, 6, 5, 8)],
        "b4_focal": [(6, 7, 6, 7), (8, 6, 6, 8), (7, 8, 6, 9)],
    }
    evaluated = by_hand(tmp_path, scores, [7, 7, 3, 5])
    found = compare(evaluated, "b4_dice", draws=1000, seed=0)
    (row,) = found.of(HEADLINE, "1")
    assert (row.strategy, row.baseline, row.runs, row.baseline_runs) == (
        "b4_focal",
        "b4_dice",
        3,
        2,
    )
    assert (row.images, row.groups) == (4, 3)
    means = [0.65, 0.7, 0.75]
    assert row.mean == pytest.approx(0.7)
    assert row.sd == pytest.approx(np.std(means, ddof=1))
    assert row.baseline_mean == pytest.approx((0.575 + 0.625) / 2)
    assert row.difference == pytest.approx(0.1)
    assert row.rank_biserial == pytest.approx(1.0)  # groups 0.15, 0.1, 0.0: a zero has no rank
    assert row.wilcoxon_p == pytest.approx(0.5)  # 2 of 4 signs are as extreme
    assert found.scores[HEADLINE]["b4_focal"][:, 0] == pytest.approx(means)
    (overall,) = found.of(HEADLINE, ALL)
    assert overall.difference == pytest.approx(row.difference)  # of the one class
    (kaggle,) = found.of("dice_kaggle", "1")
    assert kaggle.difference == pytest.approx(row.difference)  # every image holds it
    assert (np.isnan(kaggle.wilcoxon_p), np.isnan(kaggle.p), kaggle.verdict) == (True, True, "")


def test_verdict_needs_both_tests_and_families_are_all_classes_and_each(tmp_path):
    effects = {"b4_dice": 0.0, "b4_up": 0.3, "b4_down": -0.3, "b4_same": 0.0}
    write_study(tmp_path, Study(effects))
    rows = compare(read_evaluated([tmp_path], "test"), "b4_dice", draws=1000, seed=0).rows
    overall = {row.strategy: row for row in rows if (row.metric, row.label) == (HEADLINE, ALL)}
    assert [overall[n].verdict for n in ("b4_up", "b4_down")] == ["higher", "lower"]
    assert overall["b4_same"].verdict == "no difference shown"
    least = min(overall.values(), key=lambda row: row.p)
    assert least.p_holm == pytest.approx(3 * least.p)
    single = [row for row in rows if row.metric == HEADLINE and row.label != ALL]
    least = min(single, key=lambda row: row.wilcoxon_p)
    assert least.wilcoxon_holm == pytest.approx(12 * least.wilcoxon_p)


def test_large_differences_of_the_seeds_are_no_difference_of_the_strategies(tmp_path):
    """Every image sides with the strategy, but so does one baseline run against the other."""
    random = np.random.default_rng(0)
    hard = random.integers(20, 60, 60)
    scores = {"b4_dice": [hard, hard + 20], "b4_focal": [hard + 8, hard + 28]}
    for name, runs in scores.items():
        for seed, found in enumerate(runs):
            parts = {"test": pixels(*found, area=100), "val": pixels(5, 5)}
            numbers = {"test": np.arange(60), "val": np.array([90, 91])}
            write_run(tmp_path / name / str(seed), parts, numbers, name=name, seed=seed)
    found = compare(read_evaluated([tmp_path], "test"), "b4_dice", draws=1000, seed=0)
    (row,) = found.of(HEADLINE, ALL)
    assert row.wilcoxon_holm < 0.001
    assert row.low < 0 < row.high
    assert row.verdict == "no difference shown"


def test_a_baseline_without_runs_and_a_baseline_alone_are_refused(tmp_path):
    write_study(tmp_path, Study({"b4_dice": 0.0, "b4_focal": 0.0}, seeds=1))
    evaluated = read_evaluated([tmp_path], "test")
    with pytest.raises(RunError, match=r"--baseline b4_dise: no finished run.*b4_dice, b4_focal"):
        compare(evaluated, "b4_dise", draws=1000, seed=0)
    with pytest.raises(RunError, match="only runs of b4_dice"):
        compare(read_evaluated([tmp_path / "b4_dice"], "test"), "b4_dice", draws=1000, seed=0)


def test_a_record_that_its_images_do_not_bear_out_is_refused(tmp_path):
    write_study(tmp_path, Study({"b4_dice": 0.0, "b4_focal": 0.0}, seeds=1))
    file = tmp_path / "b4_focal" / "0" / "record.json"
    text = file.read_text()
    start = text.index('"test_dice_kaggle": ') + len('"test_dice_kaggle": ')
    file.write_text(text[:start] + "0.5" + text[text.index(",", start) :])
    with pytest.raises(RunError, match=r"its record has dice_kaggle 0.500000, its images give"):
        compare(read_evaluated([tmp_path], "test"), "b4_dice", draws=1000, seed=0)
