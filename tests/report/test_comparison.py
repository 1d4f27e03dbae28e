import shutil

import pandas as pd
import pytest

from steelexp.records.store import RunFolder
from steelexp.report import selection
from steelexp.report.comparison import comparisons, runs_apart
from steelexp.report.runs import read_run
from tests.finished_runs import change_record, record_values, reseal
from tests.simulated_runs import Study, write_study


@pytest.fixture
def study(tmp_path):
    """Two strategies, two seeds."""
    return write_study(tmp_path, Study(seeds=2, groups=20))


def read(paths):
    return [read_run(RunFolder(path)) for path in paths]


def test_means_are_the_records(study):
    runs = read(study)
    (comparison,) = comparisons(runs)
    assert list(comparison.strategies) == [runs[0].name, runs[2].name]
    for strategy, pair in zip(comparison.strategies.values(), (runs[:2], runs[2:]), strict=True):
        recorded = [run.metric("dice_positive") for run in pair]
        assert strategy.values[:, -1].tolist() == pytest.approx(recorded)


def change_split(folder, **values):
    split = record_values(folder)["split"]
    parts = {key: values.pop(key) for key in ("digest", "train") if key in values}
    split |= {"kind": "file"} | values
    split["parts"] |= parts
    change_record(folder, split=split)


def test_versions_of_a_data_set_are_set_apart_by_name(study):
    for folder in study[:2]:
        change_split(folder, version=1)
    for folder in study[2:]:
        change_split(folder, version=2, digest="fedcba9876543210", train=140)
    runs = read(study)
    first, second = comparisons(runs)
    images = runs[0].record.image_count
    assert f"{images} images, split version 1: " in first.title
    assert f"{images + 40} images, split version 2: " in second.title
    (line,) = runs_apart(runs)
    assert line == (
        f"{runs[0].data}: {images} images, split version 1 (01234567): {runs[0].label}, "
        f"{runs[1].label}; {images + 40} images, split version 2 (fedcba98): {runs[2].label}, "
        f"{runs[3].label}"
    )
    assert runs_apart(runs[:2]) == []


def test_one_run_is_compared_with_nothing(study):
    assert comparisons(read(study[:1])) == []


def reasons(comparison):
    return [reason.partition(": ")[2] for reason in comparison.left_out]


def runs_of(comparison):
    return {name: strategy.runs for name, strategy in comparison.strategies.items()}


def test_a_run_on_other_labels_is_left_out_with_the_reason(study):
    table = pd.read_parquet(study[1] / "image_scores.parquet")
    table["fn"] += 1
    table.to_parquet(study[1] / "image_scores.parquet")
    reseal(study[1])
    (comparison,) = comparisons(read(study))
    assert runs_of(comparison) == {"b4_dice": 1, "b4_focal": 2}
    (reason,) = reasons(comparison)
    assert reason.startswith(f"other labelled pixels than {study[0]}; leave it out")
    assert study[1] not in [run.folder.path for run in comparison.runs]


def test_a_copied_run_is_no_other_seed(study, tmp_path):
    (before,) = comparisons(read(study))
    shutil.copytree(study[1], tmp_path / "copy")
    (after,) = comparisons(read([*study, tmp_path / "copy"]))
    assert runs_of(after) == {"b4_dice": 2, "b4_focal": 2}
    assert reasons(after) == [
        f"seed 1 of b4_dice is there already, {study[1]}; a run counts once: leave one out"
    ]
    for one, other in zip(before.against("b4_dice"), after.against("b4_dice"), strict=True):
        assert one.difference.low.tolist() == other.difference.low.tolist()


def test_one_name_with_two_specs_is_set_apart(study):
    spec = study[1] / "spec.yaml"
    spec.write_text(spec.read_text().replace("epochs: 4", "epochs: 5"))
    reseal(study[1])
    (comparison,) = comparisons(read(study))
    assert runs_of(comparison) == {"b4_dice": 1, "b4_focal": 2}
    assert "with another training.epochs; give one of them a name" in reasons(comparison)[0]


@pytest.mark.parametrize(
    "change",
    [{"definitions": {"dice_positive": "another"}}, {"data": "another"}, {"threshold": 0.4}],
    ids=str,
)
def test_runs_with_other_conditions_are_another_comparison(study, change):
    for path in study[2:]:
        change_record(path, **change)
    assert [list(each.strategies) for each in comparisons(read(study))] == [
        ["b4_dice"],
        ["b4_focal"],
    ]


def test_one_run_is_said_to_have_no_seeds(study):
    (comparison,) = comparisons(read(study[1:]))
    assert [change.seeds for change in comparison.against("b4_focal")] == [False, True]
    assert [change.seeds for change in comparison.against("b4_dice")] == [False, False]


def test_the_baseline_is_the_wanted_one_or_that_of_the_shortest_name(study):
    (comparison,) = comparisons(read(study))
    assert comparison.baseline(None) == "b4_dice"
    assert comparison.baseline("b4_focal") == "b4_focal"
    assert comparison.baseline("elsewhere") == "b4_dice"


def test_of_many_strategies_the_best_and_the_baseline_are_compared(tmp_path, monkeypatch):
    study = Study({f"s{n}_and_more": 0.01 * n for n in range(5)} | {"s": -0.2}, groups=20, seeds=1)
    runs = read(write_study(tmp_path, study))
    means = {run.name: run.metric("dice_positive") for run in runs}
    monkeypatch.setattr(selection, "MOST_STRATEGIES", 3)
    *best, worst = sorted(set(means) - {"s"}, key=lambda name: -means[name])
    (comparison,) = comparisons(runs)
    assert set(comparison.strategies) == {"s", *best[:2]}  # the shortest name is the baseline
    assert comparison.not_shown == 3
    (comparison,) = comparisons(runs, worst)
    assert worst in comparison.strategies
    assert len(comparison.strategies) == 3
