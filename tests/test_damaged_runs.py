"""Damages of every file of a finished run and of a search: named, mended, or without effect."""

import functools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steelexp.__main__ import main
from steelexp.errors import UserError
from steelexp.records.evaluation_report import read_evaluation_report
from steelexp.records.image_scores import read_image_scores
from steelexp.records.search_file import read_search_file
from steelexp.records.store import Epoch, RunFolder
from steelexp.search.trials import read_trials
from steelexp.spec import read_resolved
from steelexp.training import checkpoint
from tests.damages import Outcome, damages, write_table
from tests.fakes import compiled
from tests.known_search import known_spec, searched, trials_of
from tests.page_folders import write_report
from tests.simulated_runs import Study, write_study

TABLES = ("images.csv", "split.csv", "split.json")
WEIGHTS = ("weights/last.h5", "weights/previous.h5", "weights/best.h5")
FILES = (
    "spec.yaml", *TABLES, "run.json", "epochs.jsonl", *WEIGHTS,
    "evaluation.json", "image_scores.parquet", "record.json",
)  # fmt: skip
SEARCH_FILES = ("trials.jsonl", "search.json")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[RunFolder]:
    """Two finished runs with all their files."""
    root = tmp_path_factory.mktemp("runs")
    network = _network()
    study = Study({"b4_dice": 0.0}, seeds=2, groups=8)
    return [_finished(path, network) for path in write_study(root, study)]


def _finished(path: Path, network: Any) -> RunFolder:
    folder = RunFolder(path)
    texts = {name: f"image,part\n{path}.png,{name}\n" for name in TABLES}
    folder.describe(folder.digest, texts | {"spec.yaml": (path / "spec.yaml").read_text()})
    epochs = [Epoch(n, 4 * n, 1.5, {"val_dice_positive": 0.1 * n}) for n in (1, 2, 3, 4)]
    for epoch in epochs:
        folder.append(epoch)
    for weight in network.weights:
        weight.assign(np.random.default_rng(len(str(path))).normal(size=weight.shape))
    for name, count in zip(WEIGHTS, (4, 3, 3), strict=True):
        checkpoint.save(path / name, network, epochs[:count], folder.digest)
    write_report(path)
    record = folder.finished_record()
    parts = record.split["parts"] | {"images_per_class": {"val": dict.fromkeys("1234", 3)}}
    folder.finish(record.model_copy(update={"split": record.split | {"parts": parts}}))
    return folder


def readers(folder: RunFolder) -> Iterator[tuple[str, Callable[[], Any]]]:
    """What commands read of a run: a name, and a function that returns what they go on with."""
    record = folder.finished_record
    yield "record", lambda: record().model_dump()
    yield "spec", lambda: read_resolved(folder.file("spec.yaml")).model_dump(mode="json")
    for name in TABLES:
        yield name, lambda name=name: folder.file(name).read_bytes()
    yield "epochs", lambda: folder.epochs
    yield "evaluation", lambda: read_evaluation_report(folder.path, record().files)
    yield "scores", lambda: str(read_image_scores(folder.file(record().images), "test"))
    for name in WEIGHTS:
        yield name, lambda name=name: _weights(folder.path / name, folder.digest)


@functools.cache
def _network() -> Any:
    return compiled()


def _weights(path: Path, digest: str) -> bytes:
    checkpoint.load_weights(path, _network(), digest)
    return b"".join(weight.tobytes() for weight in _network().get_weights())


def outcome(folder: RunFolder, whole: dict[str, Any]) -> tuple[str, str]:
    """What comes of a damage: which reader names it; other values that pass are a failure."""
    named = []
    for name, read in readers(folder):
        try:
            value = read()
        except UserError as error:
            named.append(str(error))
        else:
            assert value == whole[name], f"{name}: silently another"
    assert all(str(folder.path) in text for text in named)
    return ("named", named[0]) if named else ("without effect", "")


@pytest.mark.parametrize("file", FILES)
def test_no_damage_of_a_finished_run_is_silent(
    runs: list[RunFolder], tmp_path: Path, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run, other = runs
    whole = {name: read() for name, read in readers(run)}
    outcomes = []
    for number, damage in enumerate(
        damages(run.path / file, np.random.default_rng(0), other=other.path / file, bits=8)
    ):
        folder = RunFolder(tmp_path / str(number) / "run")
        shutil.copytree(run.path, folder.path)
        damage.apply(folder.path / file)
        outcomes.append(Outcome(file, damage.name, *outcome(folder, whole)))
        for command in ("show", "list", "report") if number % 3 == 0 else ():
            code = main([command, str(folder.path)])
            assert code in (0, 1, 2), (damage.name, command, capsys.readouterr())
        capsys.readouterr()
    harmless = [each.damage for each in outcomes if each.outcome == "without effect"]
    assert len(harmless) <= (2 if file.endswith(".json") else 0), harmless  # a bit of a space
    write_table(outcomes)


@pytest.mark.parametrize("file", SEARCH_FILES)
def test_no_damage_of_a_search_is_silent(
    tmp_path: Path, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = known_spec(tmp_path)
    best = searched(spec, tmp_path / "search")
    rows = trials_of(tmp_path / "search")
    searched(known_spec(tmp_path, "search.seed=1"), tmp_path / "other")
    events = read_trials(tmp_path / "search" / "trials.jsonl").events
    whole = read_search_file(tmp_path / "search")
    outcomes = []
    for number, damage in enumerate(
        damages(
            tmp_path / "search" / file,
            np.random.default_rng(0),
            other=tmp_path / "other" / file,
            bits=16,
        )
    ):
        folder = tmp_path / str(number) / "search"
        shutil.copytree(tmp_path / "search", folder)
        damage.apply(folder / file)
        said = []
        try:
            trials = read_trials(folder / "trials.jsonl")
            assert damage.name == "swap" or trials.events == events[: len(trials.events)]
        except UserError as error:
            said.append(str(error))
        try:
            assert read_search_file(folder) == whole
        except UserError as error:
            said.append(str(error))
        if file == "trials.jsonl" and damage.name == "swap":
            with pytest.raises(UserError, match="it holds the trials of another search"):
                searched(spec, folder)
            outcomes.append(Outcome(file, damage.name, "named and refused"))
            continue
        assert searched(spec, folder).outcome.score == best.outcome.score
        assert trials_of(folder) == rows
        assert read_search_file(folder).trials == whole.trials
        same = "an earlier state, gone on" if file == "trials.jsonl" else "without effect"
        kind = "named and mended" if said else same
        outcomes.append(Outcome(file, damage.name, kind, *said[:1]))
        assert main(["report", str(folder)]) == 0
        capsys.readouterr()
    assert sum(each.outcome.startswith("named") for each in outcomes) >= len(outcomes) - 4
    write_table(outcomes)
