"""Study files: what is read, what is refused, and whether a study was kept."""

import pytest

from steelexp.comparison.evaluated_runs import read_evaluated
from steelexp.comparison.study import departures, read_study
from steelexp.errors import UserError
from tests.simulated_runs import Study, write_study

TEXT = """
question: Does focal help?
baseline: b4_dice
metric: dice_kaggle
part: test
family: {strategies: [b4_focal], seeds: 3}
others: {strategies: [b4_bce], seeds: 2}
difference: 0.02
minutes: 1000
"""


def written(tmp_path, text=TEXT):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    return path


def test_a_study_says_how_many_seeds(tmp_path):
    study = read_study(written(tmp_path))
    assert study.seeds == {"b4_dice": 3, "b4_focal": 3, "b4_bce": 2}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("dice_kaggle", "accuracy", "metric: Input should be 'dice_positive' or 'dice_kaggle'"),
        ("seeds: 3", "seeds: 1", "family.seeds: Input should be greater than or equal to 2"),
        ("[b4_bce]", "[b4_focal]", "study: named twice: b4_focal"),
        ("difference: 0.02", "differences: 0.02", "difference: Field required"),
        ("question:", "question", "study.yaml"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, old, new, message):
    path = written(tmp_path, TEXT.replace(old, new))
    with pytest.raises(UserError) as error:
        read_study(path)
    assert any(message in line for line in error.value.lines)
    assert all(str(path) in line for line in error.value.lines)


def test_a_study_that_is_kept_has_no_departure(tmp_path):
    write_study(tmp_path / "a", Study({"b4_dice": 0.0, "b4_focal": 0.0}, groups=20, seeds=3))
    text = TEXT.replace("others: {strategies: [b4_bce], seeds: 2}\n", "")
    study = read_study(written(tmp_path, text))
    assert departures(study, read_evaluated([tmp_path / "a"], "test").strategies) == []


def test_every_departure_is_said(tmp_path):
    effects = {"b4_dice": 0.0, "b4_focal": 0.0, "b4_new": 0.0}
    write_study(tmp_path / "a", Study(effects, groups=20, seeds=2))
    study = read_study(written(tmp_path, TEXT.replace("minutes: 1000", "minutes: 0.01")))
    found = departures(study, read_evaluated([tmp_path / "a"], "test").strategies)
    assert found[:4] == [
        "b4_bce has no finished run",
        "b4_dice has 2 seeds, not 3",
        "b4_focal has 2 seeds, not 3",
        "b4_new is not in the study, and is not tested",
    ]
    assert "6 runs took more than 0.01 minutes" in found[4]
