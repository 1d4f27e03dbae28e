"""A run with a classification head, from its spec to the runtimes of its exports."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from steelexp.__main__ import main
from steelexp.data.decoding import decode_grey
from steelexp.inference.export import FORMATS, compare
from steelexp.inference.openvino_runtime import openvino_predictor
from steelexp.inference.predictor import Predictor, onnx_predictor
from steelexp.lazy import tf
from steelexp.records.evaluation_report import read_evaluation_report
from steelexp.records.record import Record
from steelexp.records.store import RunFolder
from steelexp.run_model import load_model, load_predictor
from steelexp.training import checkpoint
from tests.file_schemas import check_files
from tests.test_experiment import (
    CLASSES,
    Killed,
    killed_at,
    run,
    tiny_severstal,  # noqa: F401  # a fixture
    tiny_spec,  # noqa: F401  # a fixture
    without_time,
)

pytestmark = pytest.mark.usefixtures("no_comet_settings")

HEAD = (
    "head={name: linear}",
    "split={kind: grouped, val: 0.3, test: 0.3, seed: 3}",
    "loss_warm_up.epochs=0",
    "loss_warm_up.fade=0",
    "training.overlays=0",
    "tracking={name: none}",
)


@pytest.fixture(scope="module")
def headed(
    tiny_spec: Path,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[RunFolder, Record]:
    """A finished run of one epoch with a head, shared."""
    return run(tiny_spec, tmp_path_factory.mktemp("runs"), *HEAD, "training.epochs=1")


def gate(predictor: Predictor, score: float) -> Predictor:
    """The predictor with a hard gate for every class, and nothing else."""
    classes = {
        name: rules.model_copy(
            update={"threshold": 0.0, "gate": "hard", "min_image_score": score, "disabled": False}
            | {"min_component": 0, "min_area": 0, "min_peak_score": 0.0}
        )
        for name, rules in predictor.card.classes.items()
    }
    return predictor._replace(card=predictor.card.model_copy(update={"classes": classes}))


def test_a_run_with_a_head_from_training_to_runtimes(
    headed: tuple[RunFolder, Record],
    tiny_severstal: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    folder, record = headed
    assert record.provenance["settings"]["head.name"] == "linear"
    assert check_files(folder.path) >= {"record", "evaluation"}
    report = read_evaluation_report(folder.path, record.files)
    assert report is not None
    assert report.head is not None
    assert set(report.head.classes) == set(CLASSES)
    model = load_model(folder)
    files = sorted((tiny_severstal / "train_images").iterdir())
    grey = decode_grey(files[0].read_bytes(), files[0], white=None)
    logits, image_logits = model(grey[None, :, :, None])
    assert (logits.shape, image_logits.shape) == ((1, 64, 128, 4), (1, 4))
    trained = load_predictor(folder)
    scores = trained.scores(grey)
    assert scores.image == pytest.approx(tf.sigmoid(image_logits)[0].numpy(), abs=1e-5)

    assert main(["export", str(folder.path)]) == 0
    path = folder.path / "exports" / "model.onnx"
    exported = onnx_predictor(path)
    assert exported.card.has_head
    assert set(exported.card.gates or ()) == {"none", "soft", "hard", "area"}
    assert check_files(folder.path)
    odd = [grey, grey[:50, :70], np.tile(grey, (2, 2))]
    for other in (exported, openvino_predictor(path)):
        assert compare(trained, other, odd).largest < 1e-4
    between = float(np.sort(scores.image)[1:3].mean())
    masks = gate(exported, between).postprocess(scores)
    assert masks.any(axis=(0, 1)).tolist() == (scores.image >= between).tolist()

    out = tmp_path / "out"
    assert main(["predict", str(path), str(files[0]), str(files[1]), "--out", str(out)]) == 0
    with (out / "head_scores.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["image"] for row in rows] == [file.name for file in files[:2]]
    assert [float(rows[0][label]) for label in CLASSES] == pytest.approx(scores.image, abs=1e-4)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("form", ["savedmodel", "tflite"])
@pytest.mark.parametrize("pooling", ["mean", "window_maximum", "log_sum_exp"])
def test_exports_carry_both_outputs_at_any_size(
    tiny_spec: Path,  # noqa: F811
    tiny_severstal: Path,  # noqa: F811
    tmp_path: Path,
    form: str,
    pooling: str,
) -> None:
    overrides = (*HEAD, f"head.pooling={pooling}", "training.epochs=1", "model.resolution=half")
    folder, _ = run(tiny_spec, tmp_path, *overrides)
    file = next((tiny_severstal / "train_images").iterdir())
    grey = decode_grey(file.read_bytes(), file, white=None)
    trained = load_predictor(folder)
    for kind in ("onnx", form):
        assert main(["export", str(folder.path), "--format", kind]) == 0
        path = next(
            p
            for p in (folder.path / "exports").iterdir()
            if p.name != "model.onnx" or kind == "onnx"
        )
        exported = FORMATS[kind][1](path)
        assert exported.card.has_head
        for image in (grey, grey[:50, :70], np.tile(grey, (2, 2))):
            assert compare(trained, exported, [image]).largest < 1e-4


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_killed_run_with_a_head_goes_on_to_the_same_bits(
    tiny_spec: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, record = run(tiny_spec, tmp_path / "whole", *HEAD)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", killed_at(checkpoint.save, 2, after=False))
        with pytest.raises(Killed):
            run(tiny_spec, tmp_path / "killed", *HEAD)
    resumed, again = run(tiny_spec, tmp_path / "killed", *HEAD)
    assert without_time(resumed.epochs) == without_time(whole.epochs)
    assert (again.weights, again.metrics) == (record.weights, record.metrics)
    assert main(["reproduce", str(whole.path), "--runs", str(tmp_path / "again")]) == 0


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "setting",
    [
        "training.precision=mixed_bfloat16",
        "training.devices=all",
        "head.loss=focal",
        "head.min_pixels=40",
        "tiling={kind: whole}",
        "model.resolution=half",
    ],
)
def test_a_head_trains_with_other_settings(
    tiny_spec: Path,  # noqa: F811
    tmp_path: Path,
    setting: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, record = run(tiny_spec, tmp_path, *HEAD, "training.epochs=1", setting)
    assert np.isfinite(list(record.metrics.values())).all()
    outputs = load_model(folder)(np.zeros((1, 64, 96, 1), np.uint8))
    assert [output.dtype for output in outputs] == [tf.float32] * 2


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_windows_and_flips_combine_image_scores(
    headed: tuple[RunFolder, Record], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = headed
    assert main(["evaluate", str(folder.path), "--inference", "sliding", "--tta"]) == 0
    report = json.loads(
        (folder.path / "evaluations" / "sliding_tta" / "evaluation.json").read_text()
    )
    assert set(report["head"]["classes"]) == set(CLASSES)
