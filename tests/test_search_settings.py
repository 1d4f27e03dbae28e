"""Searches that really train, in seconds: objectives, confirmation, known trials."""

import shutil
from pathlib import Path

import pytest

from steelexp.__main__ import main
from steelexp.records.search_file import read_search_file
from steelexp.records.store import RunFolder
from steelexp.search.trials import read_trials
from tests.test_trial import spec_file

__all__ = ["spec_file"]

SHORT = ("training.epochs=1", "model.decoder_filters=[4,4,4,4,4]")
PARTS = ["train"] * 4 + ["val"] * 3 + ["test"] * 3


def run(spec: Path, runs: Path, *overrides: str, parts: list[str] = PARTS) -> int:
    """Run the search with a split by the numbers of the images."""
    file = runs / "split.csv"
    rows = [f"{number}.png,{part}" for number, part in enumerate(parts)]
    file.write_text("\n".join(["image,part", *rows]) + "\n")
    split = f"split={{kind: file, path: {file}}}"
    return main(["run", str(spec), "--runs", str(runs), *SHORT, split, *overrides])


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_objectives_and_confirmation(
    spec_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = [
        "search.objective=[val_post_dice_kaggle, seconds_per_image, seconds, parameters]",
        "search.start=[{loss.name: focal}]",
        "search.patience=2",
        "search.confirm={top: 1, seeds: 2}",
    ]
    assert run(spec_file, tmp_path, *overrides) == 0
    folder = tmp_path / "tiny" / "search"
    search = read_search_file(folder)
    assert [trial.source for trial in search.trials] == ["start", "tuner"]
    for trial in search.trials:
        record = RunFolder(folder / str(trial.folder)).record
        assert record is not None
        assert trial.score == trial.scores["val_post_dice_kaggle"]
        assert trial.score == pytest.approx(record.metrics["val_post_dice_kaggle"])
        assert trial.scores["seconds"] == record.seconds
        assert trial.scores["parameters"] == record.parameters
        assert 0 < trial.scores["seconds_per_image"] < 5
    assert search.pareto is not None
    assert search.best in search.pareto
    assert search.confirmation is not None
    (candidate,) = search.confirmation.candidates
    assert search.confirmation.metric == "test_post_dice_kaggle"
    records = [RunFolder(folder / each).record for each in candidate.folders]
    assert [record and record.seed for record in records] == [2, 3]
    values = [record.metrics["test_post_dice_kaggle"] for record in records if record]
    assert candidate.test is not None
    assert candidate.test.value == pytest.approx(sum(values) / 2, abs=1e-6)
    out = capsys.readouterr().out
    assert "confirm     the best 1 trials, beyond the budget, each with seeds 2, 3" in out
    assert f"  trial {candidate.trial}: " in out
    assert "Confirmation" in (folder / "report.html").read_text()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_known_trials(spec_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(spec_file, tmp_path) == 0
    earlier = tmp_path / "tiny" / "search"
    capsys.readouterr()
    new = tmp_path / "again.yaml"
    text = spec_file.read_text().replace("[bce_dice, focal]", "[bce_dice, dice]")
    new.write_text("".join(line for line in text.splitlines(True) if "gamma" not in line))
    again = ["name=again", f"search.reuse=[{earlier}]"]
    for wrong, said in (
        ("optimizer.learning_rate=0.01", "optimizer.learning_rate was 0.001 and is 0.01"),
        (
            "search.space.loss.name={choice: [dice, bce]}",
            "loss.name: 'bce_dice' is not in the space",
        ),
    ):
        assert run(new, tmp_path, *again, wrong) == 2
        error = capsys.readouterr().err
        assert "none of its 2 trials is one of this search" in error
        assert said in error
        shutil.rmtree(tmp_path / "again")
    other = ["val", *PARTS[1:], "train"][:10]
    assert run(new, tmp_path, *again, parts=other) == 2
    assert "the data, the split or the weights file is another" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "again")
    assert run(new, tmp_path, *again, "search.confirm={top: 2, seeds: 1}") == 0
    assert f"{earlier}: 1 of 2 trials are known; not: loss.name: 'focal' is not" in (
        capsys.readouterr().out
    )
    folder = tmp_path / "again" / "search"
    search = read_search_file(folder)
    assert [(t.source, t.values) for t in search.trials] == [
        ("reuse", {"loss.name": "bce_dice"}),
        ("tuner", {"loss.name": "dice"}),
    ]
    known = search.trials[0]
    record = RunFolder(folder / str(known.folder)).record
    assert record is not None
    assert record.name == "tiny-0000"
    assert known.score == pytest.approx(record.metrics["val_dice_kaggle"])
    assert (known.trained, known.seconds) == (0, 0.0)
    assert search.end_reason == "all 2 combinations of the space were tried"

    # The journal knows them now; the earlier search is needed no more.
    shutil.rmtree(earlier)
    before = (folder / "trials.jsonl").read_bytes()
    assert run(new, tmp_path, *again, "search.confirm={top: 2, seeds: 1}") == 0
    assert (folder / "trials.jsonl").read_bytes() == before
    assert len(read_trials(folder / "trials.jsonl").own) == 1


def test_a_folder_without_a_search(
    spec_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(spec_file, tmp_path, f"search.reuse=[{tmp_path}]") == 2
    assert "no trials.jsonl here; name the folder of a search" in capsys.readouterr().err
