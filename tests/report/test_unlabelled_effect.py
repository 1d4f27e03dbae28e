"""Runs with images without labels beside those of the same spec without, of known difference."""

import re

import pytest
import yaml

from steelexp.comparison.evaluated_runs import read_evaluated
from steelexp.records.store import RunFolder
from steelexp.report.unlabelled_effect import effect_lines
from tests.finished_runs import reseal
from tests.simulated_runs import Study, write_study


def study_of(root, effect, seeds=3):
    """Runs of `plain`, and of `pseudo`, which adds `effect`; each seed has its own teacher."""
    write_study(root, Study({"plain": 0.0, "pseudo": effect, "others": 0.0}, seeds=seeds))
    for seed in range(seeds):
        change_data(root / "pseudo" / str(seed), {"teacher": f"runs/plain/{seed:08x}"})
        change_data(root / "others" / str(seed), {"teacher": "runs/other/1", "share": 0.25})
    return RunFolder(root / "pseudo" / "0")


def change_data(folder, unlabelled):
    file = folder / "spec.yaml"
    spec = yaml.safe_load(file.read_text())
    section = {"root": "pool", "teacher_at": "last", "share": 0.5, "confidence": 0.9}
    spec["data"]["unlabelled"] = section | unlabelled
    file.write_text(yaml.safe_dump(spec))
    reseal(folder)


@pytest.mark.parametrize(
    ("effect", "verdict"),
    [
        (0.15, "The images helped."),
        (0.0, "The images did not help, as far as these runs show."),
        (-0.15, "The images did not help: they harmed."),
    ],
)
def test_the_interval_decides(tmp_path, effect, verdict):
    folder = study_of(tmp_path, effect)
    (line,) = effect_lines(folder, folder.finished_record())
    assert line.endswith(f"]. {verdict}")
    assert "over 3 seeds against " in line
    assert "over 3 seeds of plain, the same spec without data.unlabelled: " in line
    value, low, high = map(float, re.findall(r"[-+]0\.\d{4}", line))
    assert low <= value <= high
    evaluated = read_evaluated([tmp_path / "plain", tmp_path / "pseudo"], "test").strategies
    means = [
        sum(run.metric("dice_positive") for run in evaluated[name]) / 3
        for name in ("pseudo", "plain")
    ]
    assert value == pytest.approx(means[0] - means[1], abs=1e-4)


def test_one_seed_decides_nothing(tmp_path):
    folder = study_of(tmp_path, 0.15, seeds=1)
    (line,) = effect_lines(folder, folder.finished_record())
    assert line.endswith("One seed on either side decides nothing; train at least three.")


def test_a_damaged_run_beside_it_is_left_out(tmp_path):
    folder = study_of(tmp_path, 0.15)
    (tmp_path / "plain" / "1" / "record.json").write_text("{")
    (line,) = effect_lines(folder, folder.finished_record())
    assert "over 2 seeds of plain" in line


def test_nothing_is_said_without_such_images_and_the_command_without_a_run(tmp_path):
    folder = study_of(tmp_path, 0.15)
    plain = RunFolder(tmp_path / "plain" / "0")
    assert effect_lines(plain, plain.finished_record()) == []
    (tmp_path / "plain").rename(tmp_path.parent / f"{tmp_path.name}_plain")
    (line,) = effect_lines(folder, folder.finished_record())
    assert line.endswith(f"{folder.path}/spec.yaml data.unlabelled=null")
