"""The network that a tracker registers: small, whole, and written once."""

import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from steelexp import tracked_model as module
from steelexp.lazy import keras
from steelexp.model.architectures import ARCHITECTURES
from steelexp.plan import SpecModel
from steelexp.records.postprocessing import ClassRules, Postprocessing
from steelexp.records.record import Record
from steelexp.records.store import RunFolder
from steelexp.run_model import load_predictor
from steelexp.spec import load
from steelexp.tracked_model import tracked_model
from steelexp.training.checkpoint import weights_hash
from tests.finished_runs import record, unfinished

RULES = {"1": ClassRules(threshold=0.6), "2": ClassRules(threshold=0.3, min_area=9)}
REPORT: Any = SimpleNamespace(
    part="val", intervals={"dice_positive": (0.25, 0.5)}, post_intervals={}, classes=["1", "2"]
)


@pytest.fixture
def run(tmp_path: Path) -> tuple[Any, Any, Record]:
    """Plan, network and record of a run."""
    model = {"architecture": "unet", "backbone": "mobilenet", "weights": "none"}
    folder = unfinished(tmp_path / "run", model=model | {"decoder_filters": [2, 2, 2, 2, 2]})
    keras.utils.set_random_seed(0)
    network = load(folder.path / "spec.yaml", model=SpecModel).model.bind(ARCHITECTURES)(2)
    rules = Postprocessing(metric="dice_kaggle", classes=RULES)
    contents = record(weights=weights_hash(network), postprocessing=rules)
    contents = contents.model_copy(update={"metrics": {"val_dice_positive": 0.375}})
    return SimpleNamespace(folder=folder), network, contents


def test_the_folder_in_the_file_predicts_as_the_network(run: Any, tmp_path: Path) -> None:
    plan, network, contents = run
    registered = tracked_model("weights", network, plan, contents, REPORT)
    assert registered is not None
    with zipfile.ZipFile(registered.path) as archive:
        place = f"{contents.name}/{contents.digest}"
        names = ("record.json", "run.json", "spec.yaml", "weights/best.h5")
        assert archive.namelist() == [f"{place}/{name}" for name in names]
        archive.extractall(tmp_path / "theirs")
    predictor = load_predictor(RunFolder(tmp_path / "theirs" / place))
    grey = np.random.default_rng(0).integers(0, 256, (64, 96), np.uint8)
    wanted = 1 / (1 + np.exp(-network(grey[None, ..., None]).numpy()[0].astype(np.float64)))
    assert np.abs(predictor.scores(grey).pixels - wanted).max() < 1e-5
    assert predictor.card.classes == RULES


def test_comment_and_metadata(run: Any) -> None:
    plan, network, contents = run
    registered = tracked_model("weights", network, plan, contents, REPORT)
    assert registered is not None
    assert registered.comment == (
        f"{contents.name} {contents.digest}: val_dice_positive 0.375, 95 % interval 0.250 to 0.500"
    )
    metadata = registered.metadata
    assert (metadata["run"], metadata["data"]) == (contents.digest, contents.data)
    assert metadata["postprocessing"] == "tuned for dice_kaggle"
    assert metadata["postprocessing/1"] == "score threshold 0.6"
    assert metadata["lower/val_dice_positive"] == 0.25
    assert metadata["upper/val_dice_positive"] == 0.5


def test_a_later_session_keeps_the_file_of_the_same_weights(run: Any) -> None:
    plan, network, contents = run
    registered = tracked_model("weights", network, plan, contents, REPORT)
    assert registered is not None
    before = registered.path.read_bytes()
    later = contents.model_copy(update={"started": "2030-01-01T00:00:00+00:00"})
    tracked_model("weights", network, plan, later, REPORT)
    assert registered.path.read_bytes() == before
    registered.path.write_bytes(before[: len(before) // 2])  # damaged: written again
    tracked_model("weights", network, plan, later, REPORT)
    assert zipfile.ZipFile(registered.path).testzip() is None
    assert [path.name for path in registered.path.parent.iterdir()] == ["model.zip"]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(28, "No space left on device", "model.zip"), "No space left"),
        (ValueError("an operation that ONNX lacks"), "an operation that ONNX lacks"),
    ],
)
def test_a_network_that_cannot_be_written_does_not_stop_the_run(
    run: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    text: str,
) -> None:
    plan, network, contents = run

    def fail(*args: object) -> None:
        raise error

    monkeypatch.setattr(module, "write_inference_folder", fail)
    assert tracked_model("weights", network, plan, contents, REPORT) is None
    assert f"registered: the model is not registered ({text}" in capsys.readouterr().out


def test_nothing_is_written_where_nothing_is_wanted(run: Any) -> None:
    plan, network, contents = run
    assert tracked_model("none", network, plan, contents, REPORT) is None
    assert not (plan.folder.path / "registered").exists()
