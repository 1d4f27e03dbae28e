"""One experiment from its spec to its record, and what a kill leaves of it."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas
import pytest
from pyarrow import parquet

from steelexp import experiment
from steelexp.__main__ import main
from steelexp.command_line import command_line
from steelexp.data import rle
from steelexp.data.dataset import DataError
from steelexp.data.image_table import read_image_table
from steelexp.data.splits.kinds import random
from steelexp.errors import UserError
from steelexp.lazy import tf
from steelexp.metric_names import (
    BEST,
    DATA_MANIFEST,
    EPOCH_SECONDS,
    LOWER,
    PARAMETER_COUNT,
    PEAK_MEMORY,
    SPLIT_HASH,
    TILES_PER_SECOND,
    TOTAL_SECONDS,
    UPPER,
    full_name,
    grouped_name,
)
from steelexp.model import winograd
from steelexp.model.architectures import ARCHITECTURES
from steelexp.plan import SpecModel, prepare
from steelexp.records import provenance
from steelexp.records.document import read_document
from steelexp.records.evaluation_report import read_evaluation_report
from steelexp.records.external_evaluation import Relatives, read_external_evaluations
from steelexp.records.image_scores import read_image_scores
from steelexp.records.packages import computing_packages
from steelexp.records.probe_file import Allocator, ProbeFile, Speed, write_probe_file
from steelexp.records.provenance import running_code
from steelexp.records.record import Record
from steelexp.records.reevaluation import Reevaluation
from steelexp.records.review import read_review
from steelexp.records.run_file import hashes_of, read_run_file, write_run_file
from steelexp.records.store import BusyError, Epoch, RunFolder, read_epochs, run_folders
from steelexp.report.reproduction import UNCHANGED
from steelexp.run_description import mend
from steelexp.run_model import load_model
from steelexp.spec import dump, load
from steelexp.tracking.delivery import status_line
from steelexp.tracking.journal import read_events
from steelexp.training import checkpoint
from steelexp.training.checkpoint import weights_hash
from steelexp.training.execution import execution_here
from steelexp.training.probe import FOLDED, REMAPPER, best_allocator, probe_path, this_machine
from tests.comet_archive import Archive
from tests.fakes import labelled
from tests.file_schemas import check_files
from tests.finished_runs import reseal

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
# The searches vary others of these, and tests/test_trial.py runs one.
SHIPPED = sorted(p for p in EXPERIMENTS.glob("**/*.yaml") if p.parent.name != "search")
CLASSES = ("1", "2", "3", "4")

pytestmark = pytest.mark.usefixtures("no_comet_settings")


@pytest.fixture(scope="module")
def tiny_severstal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten images of 64 x 128 in Kaggle's layout: a square of each class, two images clean."""
    root = tmp_path_factory.mktemp("severstal")
    (root / "train_images").mkdir()
    rows, draw = ["ImageId,ClassId,EncodedPixels"], np.random.default_rng(0)
    for number in range(10):
        image = draw.integers(70, 130, (64, 128), np.uint8)
        if number < 8:
            mask = np.zeros((64, 128), bool)
            mask[16:48, 8 * number + 16 : 8 * number + 48] = True
            image[mask] = 180 + 20 * (number % 4)
            rows.append(f"{number}.png,{number % 4 + 1},{rle.encode(mask)}")
        cv2.imwrite(str(root / "train_images" / f"{number}.png"), image)
    (root / "train.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture(scope="module")
def tiny_spec(tiny_severstal: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spec that trains in seconds."""
    spec = f"""
        name: tiny
        question: Does one run end to end?
        data: {{source: severstal, root: {tiny_severstal}}}
        split: {{kind: random, val: 0.4, seed: 3}}
        tiling: {{kind: columns, size: 64, count: 1}}
        model: {{architecture: unet, backbone: mobilenet, weights: none,
                batch_norm_momentum: 0.9, decoder_filters: [8, 8, 8, 8, 8]}}
        loss: {{name: bce_dice}}
        loss_warm_up: {{name: focal, epochs: 1, fade: 1}}
        optimizer: {{name: adam, learning_rate: 1.0e-3}}
        training: {{epochs: 3, batch_size: 3, overlays: 2}}
        tracking: {{name: comet, mode: offline}}
        seed: 1
    """
    path = tmp_path_factory.mktemp("spec") / "tiny.yaml"
    path.write_text(spec)
    return path


def run(spec: Path, runs: Path, *overrides: str) -> tuple[RunFolder, Record]:
    plan = prepare(load(spec, overrides, model=SpecModel), runs)
    return plan.folder, experiment.run(plan, command="steelexp run tiny.yaml")


@pytest.fixture(scope="module")
def autotuned() -> Iterator[list[bool | None]]:
    """The autotuner's setting of every tf.data set that is iterated; None means on."""
    iterated: list[bool | None] = []
    original = tf.data.Dataset.__iter__

    def iterate(dataset: Any) -> Any:
        iterated.append(dataset.options().autotune.enabled)
        return original(dataset)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tf.data.Dataset, "__iter__", iterate)
        yield iterated


@pytest.fixture(scope="module")
def undisturbed(
    tiny_spec: Path, tmp_path_factory: pytest.TempPathFactory, autotuned: list[bool | None]
) -> tuple[RunFolder, Record]:
    """The tiny spec's run, shared: building a network's graph takes most of a test's time."""
    return run(tiny_spec, tmp_path_factory.mktemp("runs"))


def without_time(epochs: list[Epoch]) -> list[tuple[int, int, dict[str, float]]]:
    return [(epoch.epoch, epoch.step, epoch.metrics) for epoch in epochs]


def test_a_run_leaves_what_the_design_promises(undisturbed: tuple[RunFolder, Record]) -> None:
    folder, record = undisturbed

    epochs = folder.epochs
    assert [epoch.epoch for epoch in epochs] == [1, 2, 3]
    assert [epoch.step for epoch in epochs] == [2, 4, 6]  # 6 images, 1 tile each, batches of 3
    parts = record.split["parts"]
    assert (parts["train"], parts["val"], parts["test"]) == (6, 4, 0)
    table = (folder.path / "split.csv").read_text()
    assert table.count(",train") == 6
    assert hashlib.sha256(table.encode()).hexdigest() == parts["digest"]
    assert json.loads((folder.path / "split.json").read_text()) == record.split
    contents = read_image_table(folder.path / "images.csv")
    assert contents is not None
    assert sorted(contents) == [f"{number}.png" for number in range(10)]
    assert record.weights == weights_hash(load_model(folder))
    assert record.tiling["uncovered"] == 0.5  # 64 of 128 columns
    best = max(epochs, key=lambda epoch: epoch.metrics["val_dice_positive"])
    assert record.best_epoch == best.epoch
    best_metrics = {name: best.metrics[name] for name in record.metrics}
    assert record.metrics == pytest.approx(
        best_metrics, abs=1e-6
    )  # evaluated again from the kept weights
    assert json.loads((folder.path / "record.json").read_text())["status"] == "finished"
    assert check_files(folder.path) >= {"record", "evaluation"}

    scores = parquet.read_table(folder.path / record.images).to_pylist()
    assert len(scores) == 4 * 4
    kaggle = np.mean([row["dice"] for row in scores])
    assert kaggle == pytest.approx(record.metrics["val_dice_kaggle"])

    assert len(list((folder.path / "overlays" / "epoch_003").glob("*.png"))) == 2
    for name in ("spec.yaml", "environment.json", "changes.patch", "split.csv", "split.json"):
        assert (folder.path / name).is_file()
    assert not list(folder.path.rglob(".*.*"))  # nothing half written is left beside


@pytest.mark.usefixtures("undisturbed")
def test_no_epoch_waits_for_an_autotuner(autotuned: list[bool | None]) -> None:
    # Three epochs of training, the validation tiles after each and once more at the end.
    assert len(autotuned) >= 3 + 3 + 1
    assert set(autotuned) == {False}


def test_the_comet_archive_holds_every_epoch(undisturbed: tuple[RunFolder, Record]) -> None:
    folder, record = undisturbed

    (path,) = (folder.path / "comet").glob("*.zip")
    archive = Archive(path)
    events = {(name, epoch): value for name, value, _, epoch in archive.metrics()}
    for epoch in folder.epochs:
        for name, value in epoch.metrics.items():
            assert events[name, epoch.epoch] == pytest.approx(value)
        for c in CLASSES:
            if f"val_dice_positive/{c}" in epoch.metrics:
                assert (f"val_dice_positive/{c}", epoch.epoch) in events
            assert (f"val_dice_kaggle/{c}", epoch.epoch) in events
        costs = {EPOCH_SECONDS: epoch.seconds, PEAK_MEMORY: epoch.usage["peak_memory_gib"]}
        assert {name: events[name, epoch.epoch] for name in costs} == costs
        assert 0 < epoch.usage["training_seconds"] <= epoch.seconds
        assert events[TILES_PER_SECOND, epoch.epoch] > 0
    assert events[TOTAL_SECONDS, 3] == pytest.approx(sum(e.seconds for e in folder.epochs))
    for name, value in record.metrics.items():
        assert events[grouped_name(BEST, name), 3] == pytest.approx(value, nan_ok=True)
    report = json.loads((folder.path / "evaluation.json").read_text())
    for name, (lower, upper) in report["intervals"].items():
        whole = full_name(name, "val")
        assert events[grouped_name(LOWER, whole), 3] == lower
        assert events[grouped_name(UPPER, whole), 3] == upper
    parameters = archive.parameters()
    assert parameters[PARAMETER_COUNT] == record.parameters
    assert parameters[DATA_MANIFEST] == record.data
    split = (folder.path / "split.csv").read_bytes()
    assert parameters[SPLIT_HASH] == hashlib.sha256(split).hexdigest()
    assert parameters["loss.name"] == "bce_dice"
    pictures = [p for p in archive.payloads["file_upload"] if p["upload_type"] == "visualization"]
    plots = [p for p in pictures if p["additional_params"]["figName"].startswith("plots/")]
    assert len(plots) == 3
    review = read_review(folder.path / "review")
    assert review is not None
    names = [each.name for each in (*review.worst, *review.examples)]
    assert [p["additional_params"]["figName"] for p in pictures if "path" in p["metadata"]] == names
    overlays = [p for p in pictures if "path" not in p["metadata"]]
    assert len(overlays) == 2 * 3 + len(plots)
    layers = [layer["name"] for p in overlays for layer in p["metadata"].get("annotations", ())]
    assert layers.count("truth") == 2 * 3  # of images with a defect
    assert str(path) in status_line(folder.path)
    assert record.tracking == f"Comet: experiment {path.stem}"
    page = (folder.path / "report.html").read_bytes()
    assert page in archive.files.values()


@pytest.mark.slow
def test_wide_tiles_from_training_to_sliding_windows(
    tiny_spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, record = run(tiny_spec, tmp_path, "tiling.size=[32, 96]", "training.epochs=1")
    assert record.tiling["size"] == [32, 96]
    assert record.tiling["uncovered"] == pytest.approx(1 - 32 * 96 / (64 * 128), abs=1e-4)
    assert main(["evaluate", str(tmp_path), "--inference", "sliding"]) == 0
    assert (folder.path / "evaluations" / "sliding" / "reevaluation.json").is_file()
    assert "windows of the training tiles' size" in capsys.readouterr().out
    assert run(tiny_spec, tmp_path, "tiling.size=[32, 96]", "training.epochs=1")[1] == record


@pytest.mark.slow
def test_evaluate_gives_the_scores_again_and_pictures(
    undisturbed: tuple[RunFolder, Record], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder(tmp_path / "moved" / "elsewhere")
    shutil.copytree(undisturbed[0].path, folder.path)
    shutil.rmtree(folder.path / "overlays")
    (folder.path / "image_scores.parquet").unlink()
    assert main(["evaluate", str(tmp_path), "--overlays", "8.png"]) == 0
    assert folder.record == undisturbed[1]
    epoch = f"epoch_{undisturbed[1].best_epoch:03d}"
    files = sorted(path.name for path in (folder.path / "overlays" / epoch).iterdir())
    assert files == ["8.json", "8.png"]
    assert parquet.read_table(folder.path / "image_scores.parquet").num_rows == 16
    assert main(["evaluate", str(tmp_path), "--overlays", "x.png", "y.png"]) == 2
    out = capsys.readouterr().err
    assert "--overlays x.png: no such image" in out
    assert "y.png" in out


def test_evaluate_in_another_way_leaves_the_record_as_it_is(
    undisturbed: tuple[RunFolder, Record], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder(tmp_path / "tiny" / undisturbed[0].path.name)
    shutil.copytree(undisturbed[0].path, folder.path)
    own = (folder.path / "record.json", folder.path / "evaluation.json")
    before = [path.read_bytes() for path in own]
    assert main(["evaluate", str(tmp_path), "--inference", "sliding", "--tta"]) == 0
    assert [path.read_bytes() for path in own] == before
    aside = folder.path / "evaluations" / "sliding_tta"
    values = read_document(aside / "reevaluation.json", version=2, noun="", fix="")
    reevaluation = Reevaluation.model_validate(values)
    assert (reevaluation.inference, reevaluation.tta) == ("sliding", True)
    assert check_files(aside) == {"reevaluation", "evaluation", "review"}
    assert set(reevaluation.metrics) == set(undisturbed[1].metrics)
    report = read_evaluation_report(aside, reevaluation.files)
    assert report is not None
    assert report.intervals.keys() | report.no_interval.keys()
    for name in ("image_scores.parquet", "plots/pr.png"):
        assert (aside / name).is_file()
    (archive,) = (folder.path / "comet").glob("*.zip")
    told = {name: value for name, value, *_ in Archive(archive).metrics()}
    for name, value in reevaluation.metrics.items():
        assert told[f"sliding_tta/{name}"] == pytest.approx(value, nan_ok=True)
    for name, (lower, _) in report.intervals.items():
        assert told[f"lower/sliding_tta/val_{name}"] == lower
    out = capsys.readouterr().out
    assert "windows of the training tiles' size that overlap by half" in out
    assert f"val_dice_positive {undisturbed[1].metrics['val_dice_positive']:.4f}" in out
    assert main(["evaluate", str(tmp_path), "--inference", "published"]) == 2
    assert "take --inference sliding or whole" in capsys.readouterr().err
    assert main(["evaluate", str(tmp_path), "--tta", "--overlays", "8.png"]) == 2


@pytest.mark.slow
def test_evaluate_on_other_data_stands_beside_the_record(
    undisturbed: tuple[RunFolder, Record],
    tiny_severstal: Path,
    tiny_spec: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = RunFolder(tmp_path / "tiny" / undisturbed[0].path.name)
    shutil.copytree(undisturbed[0].path, folder.path)
    own = [
        folder.path / name for name in ("record.json", "evaluation.json", "image_scores.parquet")
    ]
    before = [path.read_bytes() for path in own]
    assert main(["evaluate", str(tmp_path), "--data", str(tiny_severstal)]) == 0
    assert [path.read_bytes() for path in own] == before
    ((place, evaluation),) = read_external_evaluations(folder.path)
    assert evaluation.relatives == Relatives(train=6, val=4, missing=0)  # the run's own images
    assert place.name == f"{tiny_severstal.name}-{evaluation.manifest[:8]}"
    assert check_files(place) == {"external", "evaluation", "review"}
    val = read_image_scores(folder.path / "image_scores.parquet", "val")
    other = read_image_scores(place / "image_scores.parquet", "test")
    rows = [other.images.index(name) for name in val.images]
    assert all((b[rows] == a).all() for a, b in zip(val.counts, other.counts, strict=True))
    last = read_events(folder.path)[-1].content
    dice = evaluation.metrics["test_dice_positive"]
    assert last["metrics"][f"{place.name}/test_dice_positive"] == dice
    assert read_evaluation_report(place, evaluation.files) is not None
    out = capsys.readouterr().out
    assert f"{evaluation.metrics['test_dice_kaggle']:.4f}" in out
    assert f"{undisturbed[1].metrics['val_dice_kaggle']:.4f}" in out
    assert "Leak: 6 of 10 images have a near-duplicate in the run's training images and 4" in out
    assert main(["show", str(folder.path)]) == 0
    assert f"On {tiny_severstal.name}, 10 images: dice_positive" in capsys.readouterr().out
    assert main(["evaluate", str(tmp_path), "--data", str(tiny_spec)]) == 0
    both = {each.name: each.metrics for _, each in read_external_evaluations(folder.path)}
    assert both == {tiny_severstal.name: evaluation.metrics, "tiny": evaluation.metrics}


def test_other_data_may_be_a_mask_folder_with_other_names_and_the_own_data_may_be_gone(
    undisturbed: tuple[RunFolder, Record],
    tiny_severstal: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = RunFolder(tmp_path / "tiny" / undisturbed[0].path.name)
    shutil.copytree(undisturbed[0].path, folder.path)
    text = (folder.path / "spec.yaml").read_text()
    (folder.path / "spec.yaml").write_text(text.replace(str(tiny_severstal), f"{tmp_path}/gone"))
    reseal(folder.path)
    root = tmp_path / "line2"
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
        mask = np.zeros((50, 90), np.uint8)
        mask[10:30, 10:40] = 2
        assert cv2.imwrite(str(root / name / "a.png"), 100 + mask if name == "images" else mask)
    command = ["evaluate", str(tmp_path / "tiny"), "--data", str(root)]
    assert main(command) == 2
    assert "name the classes of the mask values 1, 2, ... (in a command --classes A,B" in (
        capsys.readouterr().err
    )
    assert main([*command, "--classes", "1,dent,3,4"]) == 2
    assert "the classes of the data are 1, dent, 3, 4" in capsys.readouterr().err
    assert main([*command, "--classes", "1,dent,3,4", "--rename", "dent=2"]) == 0
    assert "not looked for: data.root: there is no folder" in capsys.readouterr().out
    ((place, evaluation),) = read_external_evaluations(folder.path)
    assert (evaluation.images, evaluation.renamed) == (1, {"dent": "2"})
    labelled_pixels = read_image_scores(place / "image_scores.parquet", "test").counts
    assert (labelled_pixels.tp + labelled_pixels.fn).tolist() == [[0, 600, 0, 0]]


@pytest.mark.slow
def test_other_data_of_more_bits_are_scaled_by_the_white_level_of_the_run(
    undisturbed: tuple[RunFolder, Record], tmp_path: Path
) -> None:
    """Grey values times 16 at white 255 x 16 are the same images as those of 8 bits."""
    folder = RunFolder(tmp_path / "tiny" / undisturbed[0].path.name)
    shutil.copytree(undisturbed[0].path, folder.path)
    folder.finish(undisturbed[1].model_copy(update={"white": 255 * 16}))
    grey = np.random.default_rng(0).integers(0, 255, (50, 90)).astype(np.uint16)
    mask = np.zeros((50, 90), np.uint8)
    mask[10:30, 10:40] = 2
    for root, image in (("shallow", grey.astype(np.uint8)), ("deep", grey * 16)):
        for name, pixels in (("images", image), ("masks", mask)):
            (tmp_path / root / name).mkdir(parents=True)
            assert cv2.imwrite(str(tmp_path / root / name / "a.png"), pixels)
        command = ["evaluate", str(tmp_path / "tiny"), "--data", str(tmp_path / root)]
        assert main([*command, "--classes", "1,2,3,4"]) == 0
    evaluations = {each.name: each for _, each in read_external_evaluations(folder.path)}
    assert evaluations["deep"].metrics == evaluations["shallow"].metrics


def test_settings_without_effect_on_other_data_are_refused(
    undisturbed: tuple[RunFolder, Record],
    tiny_severstal: Path,
    tiny_spec: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["evaluate", str(undisturbed[0].path)]
    for words in (["--classes", "1"], ["--rename", "1=2"]):
        assert main([*command, *words]) == 2
        assert "only with --data" in capsys.readouterr().err
    for words in (["--tta"], ["--inference", "sliding"], ["--overlays", "8.png"]):
        assert main([*command, "--data", str(tiny_severstal), *words]) == 2
        assert "leave out --inference" in capsys.readouterr().err
    assert main([*command, "--data", str(tiny_spec), "--classes", "1,2,3,4"]) == 2
    assert "set data.classes there" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*command, "--data", str(tiny_severstal), "--rename", "1"])


def test_evaluate_refuses_other_data(
    undisturbed: tuple[RunFolder, Record], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "tiny" / "0badc0de"
    shutil.copytree(undisturbed[0].path, folder)
    another_run(folder, data="sha")
    table = folder / "images.csv"
    first, *rows = table.read_text().splitlines(keepends=True)
    cases = {
        "".join([first, *rows]): "for a reason that it does not record",
        "".join([first, *rows[1:], "a.png,1,2\n"]): "1 image added: 0.png; 1 image removed: a.png",
        "a,b\n": "not a table of image,image_hash,label_hash; restore it",
    }
    for content, line in cases.items():
        table.write_text(content)
        reseal(folder)
        assert main(["evaluate", str(folder)]) == 2
        assert line in capsys.readouterr().err
    table.write_text("a,b,c\n")
    assert main(["evaluate", str(folder)]) == 2
    assert "images.csv: damaged" in capsys.readouterr().err
    table.unlink()
    assert main(["evaluate", str(folder)]) == 2
    assert "images.csv: cannot be read: No such file" in capsys.readouterr().err
    (folder / "record.json").unlink()
    assert main(["evaluate", str(folder)]) == 0
    assert "unfinished, left out" in capsys.readouterr().out


def test_a_run_on_corrected_labels_says_which_they_are(
    undisturbed: tuple[RunFolder, Record],
    tiny_spec: Path,
    tiny_severstal: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = tmp_path / "data"
    shutil.copytree(tiny_severstal, data)
    command = ["run", str(tiny_spec), f"data.root={data}", "--runs", str(tmp_path), "--dry-run"]
    before = tmp_path / "tiny" / "0badc0de"
    before.mkdir(parents=True)
    spec = load(tiny_spec, [f"data.root={data}"], model=SpecModel)
    (before / "spec.yaml").write_text(dump(spec))
    shutil.copy(undisturbed[0].path / "images.csv", before / "images.csv")
    assert main(command) == 0
    assert "A new run" not in capsys.readouterr().out
    table = data / "train.csv"
    header, row, *rest = table.read_text().splitlines(keepends=True)
    image = row.partition(",")[0]
    table.write_text("".join([header, f"{row.strip()[: row.rindex(',')]},1 1\n", *rest]))
    assert main(command) == 0
    line = f"A new run, because the data differ from those of {before}: labels of 1 image changed: "
    assert f"{line}{image}\n" in capsys.readouterr().out


@pytest.mark.slow
def test_equal_seeds_give_equal_runs_and_a_finished_one_is_not_run_again(
    tiny_spec: Path,
    undisturbed: tuple[RunFolder, Record],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    runs = tmp_path / "runs"
    command = ["run", str(tiny_spec), "--runs", str(runs), "training.epochs=1"]
    assert main(command) == 0
    (first,) = runs.glob("*/*/record.json")
    epochs = RunFolder(first.parent).epochs
    assert without_time(epochs) == without_time(undisturbed[0].epochs[:1])
    before = first.read_bytes()
    capsys.readouterr()
    assert main(command) == 0
    assert "is finished already; --fresh runs it again" in capsys.readouterr().out
    assert first.read_bytes() == before

    assert main([*command, "--fresh"]) == 0
    assert first.read_bytes() != before
    (aside,) = runs.glob("*/*.old-1/record.json")
    assert aside.read_bytes() == before


def test_a_finished_run_that_is_whole_is_not_written_to(
    tiny_spec: Path, undisturbed: tuple[RunFolder, Record], tmp_path: Path
) -> None:
    folder, record = undisturbed
    plan = prepare(load(tiny_spec, model=SpecModel), folder.path.parents[1])
    copy = RunFolder(shutil.copytree(folder.path, tmp_path / "run"))
    plan = replace(plan, folder=copy)
    with copy.hold():  # so that another hold, which writes, is refused
        assert mend(plan) == record
        (copy.path / "split.csv").write_text("x")
        with pytest.raises(BusyError):
            mend(plan)
    assert mend(plan) == record
    assert copy.is_whole("split.csv")


def test_a_run_that_another_process_has_just_finished_is_not_run_again(
    tiny_spec: Path,
    undisturbed: tuple[RunFolder, Record],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, record = undisturbed
    facts = provenance.facts
    plan = prepare(load(tiny_spec, model=SpecModel), tmp_path)

    def facts_after_the_other(execution: Mapping[str, Any]) -> dict[str, Any]:
        shutil.copytree(folder.path, plan.folder.path)
        return facts(execution)

    monkeypatch.setattr(provenance, "facts", facts_after_the_other)
    with pytest.raises(BusyError, match="another process has just finished this experiment"):
        experiment.run(plan, command="steelexp run tiny.yaml")
    assert plan.folder.record == record


def test_epochs_that_no_checkpoint_has_are_named_and_left(
    tiny_spec: Path, undisturbed: tuple[RunFolder, Record], tmp_path: Path
) -> None:
    folder, record = undisturbed
    plan = prepare(load(tiny_spec, model=SpecModel), folder.path.parents[1])
    copy = RunFolder(shutil.copytree(folder.path, tmp_path / "run"))
    damaged = copy.epochs_file.read_bytes().replace(b"step", b"stop", 1)
    copy.epochs_file.write_bytes(damaged)
    plan = replace(plan, folder=copy)
    for path in (copy.last_weights, copy.previous_weights, copy.best_weights):
        if len(checkpoint.epochs_of(path, record.digest) or ()) == record.epochs:
            path.unlink()
    with pytest.raises(UserError, match="damaged, and no checkpoint holds all 3 epochs of the run"):
        mend(plan)
    assert copy.epochs_file.read_bytes() == damaged
    shutil.copy(folder.last_weights, copy.last_weights)
    assert mend(plan) == record
    assert copy.epochs == folder.epochs


@pytest.mark.parametrize("file", ["run.json", "weights/best.h5", "record.json"])
def test_a_run_that_was_moved_is_mended_where_it_lies(
    undisturbed: tuple[RunFolder, Record],
    tmp_path: Path,
    file: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, record = undisturbed
    copy = RunFolder(shutil.copytree(folder.path, tmp_path / "elsewhere" / "mine"))
    shutil.copy(folder.last_weights, copy.previous_weights)
    whole = (copy.path / file).read_bytes()
    if record.best_epoch < record.epochs and file == "weights/best.h5":
        shutil.copy(folder.best_weights, copy.previous_weights)
    (copy.path / file).write_bytes(whole[:-40])
    command = ["run", str(copy.path), "--runs", str(tmp_path / "runs")]
    if file == "record.json":
        assert main(command) == 2
        said = capsys.readouterr().err
        assert said.endswith(f"evaluate its weights again: {command_line('run', copy.path)}\n")
        (copy.path / file).unlink()
    assert main(command) == 0
    assert not (tmp_path / "runs").exists()
    assert copy.finished_record().metrics == record.metrics
    assert file == "record.json" or (copy.path / file).read_bytes() == whole
    assert copy.epochs == folder.epochs


def test_a_run_folder_of_another_run_is_not_gone_on_with(
    tiny_spec: Path,
    undisturbed: tuple[RunFolder, Record],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, record = undisturbed
    copy = RunFolder(shutil.copytree(folder.path, tmp_path / "mine"))
    spec = copy.path / "spec.yaml"
    spec.write_text(spec.read_text().replace("seed: 1", "seed: 2"))
    files = {path: path.read_bytes() for path in copy.path.rglob("*") if path.is_file()}
    assert main(["run", str(copy.path)]) == 2
    assert "changed: seed 1 -> 2. Restore them" in capsys.readouterr().err
    (copy.path / "record.json").unlink()
    assert main(["run", str(copy.path)]) == 2
    assert f"{copy.path}: holds the run {record.digest}, and its spec" in capsys.readouterr().err
    assert all(path.read_bytes() == text for path, text in files.items() if path.exists())


def test_a_run_is_reproduced_to_the_last_digit(
    undisturbed: tuple[RunFolder, Record], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, record = undisturbed
    command = ["reproduce", str(folder.path), "--runs", str(tmp_path / "again")]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert f"All {len(record.metrics)} metrics are exactly as reported." in out
    (again,) = run_folders(tmp_path / "again")
    assert f"{folder.path}: reproduced; the other run is {again.path}" in out

    _check_named_causes(command, capsys)

    folder = RunFolder(tmp_path / folder.path.name)
    shutil.copytree(undisturbed[0].path, folder.path)
    changed = record.metrics | {"val_dice_positive": record.metrics["val_dice_positive"] + 0.25}
    folder.finish(record.model_copy(update={"metrics": changed}))
    command[1] = str(folder.path)
    assert main(command) == 1  # held against the same reproduction, which is not trained again
    out = capsys.readouterr().out
    differ = f"1 of {len(changed)} metrics differ, at most by 0.25 (val_dice_positive)"
    assert f"{differ}; not all within 0." in out
    assert f"{folder.path}: NOT reproduced" in out
    assert main([*command, "--tolerance", "0.3"]) == 0


def _check_named_causes(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """With other code, packages or variables, the earlier reproduction does not count."""
    for change, words in CAUSES.items():
        with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
            change(patch, Path(folder))
            assert main(command) == 2
            err = capsys.readouterr().err
            assert f": holds an earlier reproduction. Changed since: {words}. Add --fresh" in err
        running_code.cache_clear()
        computing_packages.cache_clear()
    assert main(command) == 0
    assert UNCHANGED in capsys.readouterr().out


def _change_a_line(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Another learning rate in the source, as if the package were imported from a copy."""
    package = Path(provenance.__file__).parents[1]
    copy = shutil.copytree(package, folder / "steelexp")
    with (copy / "model" / "optimizers.py").open("a") as stream:
        stream.write("FACTOR = 2\n")
    patch.setattr(provenance, "package_folder", lambda: copy)
    running_code.cache_clear()


def _change_a_package(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Another version of a package that TensorFlow requires, found before the installed one."""
    place = folder / "opt_einsum-0.0.1.dist-info"
    place.mkdir()
    (place / "METADATA").write_text("Metadata-Version: 2.1\nName: opt_einsum\nVersion: 0.0.1\n")
    patch.syspath_prepend(str(folder))
    computing_packages.cache_clear()


def _change_the_instruction_set(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")


CAUSES = {
    _change_a_line: "code steelexp/model/optimizers.py changed",
    _change_a_package: f"package opt-einsum {metadata.version('opt-einsum')} -> 0.0.1",
    _change_the_instruction_set: "ONEDNN_MAX_CPU_ISA not set -> AVX2",
}


def test_what_cannot_be_reproduced(
    undisturbed: tuple[RunFolder, Record], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = undisturbed
    assert main(["reproduce", str(folder.path), "--runs", str(folder.path.parents[1])]) == 2
    assert "the run itself is there; name another folder" in capsys.readouterr().err
    other = tmp_path / "tiny" / "0badc0de"
    shutil.copytree(folder.path, other)
    another_run(other)
    assert main(["reproduce", str(other), "--runs", str(tmp_path / "again")]) == 2
    assert "for a reason that it does not record" in capsys.readouterr().err
    (other / "record.json").unlink()
    assert main(["reproduce", str(other), "--runs", str(tmp_path / "again")]) == 2
    assert "unfinished; go on with: " in capsys.readouterr().err


def another_run(folder: Path, **fields: object) -> None:
    """Make a copied run folder one of the digest 0badc0de."""
    record = RunFolder(folder).finished_record()
    write_run_file(folder, "0badc0de", hashes_of(folder, read_run_file(folder).files))
    RunFolder(folder).finish(record.model_copy(update={"digest": "0badc0de", **fields}))


class Killed(BaseException):
    """In place of SIGKILL: no handler of ours may turn it into a clean end."""


def killed_at(function: Callable[..., object], call: int, *, after: bool) -> Callable[..., object]:
    calls = 0

    def wrapper(*args: object, **kwargs: object) -> object:
        nonlocal calls
        calls += 1
        if calls == call and not after:
            raise Killed
        result = function(*args, **kwargs)
        if calls == call:
            raise Killed
        return result

    return wrapper


@pytest.mark.parametrize(
    ("owner", "name", "after"),
    [
        (RunFolder, "append", False),  # saved, and not yet in epochs.jsonl
        # there, and not yet kept as the best
        pytest.param(checkpoint, "copy", False, marks=pytest.mark.slow),
        # the second epoch is trained, and not yet saved
        pytest.param(checkpoint, "save", False, marks=pytest.mark.slow),
        pytest.param(RunFolder, "append", True, marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_goes_on_as_if_undisturbed(
    tiny_spec: Path,
    undisturbed: tuple[RunFolder, Record],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    owner: object,
    name: str,
    after: bool,
) -> None:
    whole, record = undisturbed
    with monkeypatch.context() as patch:
        call = 1 if name == "copy" else 2
        patch.setattr(owner, name, killed_at(getattr(owner, name), call, after=after))
        with pytest.raises(Killed):
            run(tiny_spec, tmp_path / "killed")
    (folder,) = (tmp_path / "killed" / "tiny").iterdir()
    assert not (folder / "record.json").exists()
    survivors = without_time(read_epochs(folder))

    resumed, again = run(tiny_spec, tmp_path / "killed")
    assert resumed.path == folder
    assert without_time(resumed.epochs) == without_time(whole.epochs)
    assert without_time(resumed.epochs)[: len(survivors)] == survivors
    assert again.best_epoch == record.best_epoch
    assert again.metrics == record.metrics
    (path,) = (folder / "comet").glob("*.zip")
    assert {epoch for *_, epoch in Archive(path).metrics() if epoch} == {1, 2, 3}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_wide_convolutions_go_on_to_the_same_bits_in_another_process(
    tiny_spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """XLA compiles the sums of Winograd's convolutions anew in each process."""
    wide = (
        "training.convolutions=winograd",
        "model.decoder_filters=[256, 8, 8, 8, 8]",
        "tracking={name: none}",
        "training.batch_size=4",  # six tiles: the last batch is smaller
    )
    convolved: list[str] = []
    for name in ("convolve", "convolve_doubled"):
        original = getattr(winograd, name)

        def call(*tensors: Any, name: str = name, original: Any = original) -> Any:
            convolved.append(name)
            return original(*tensors)

        monkeypatch.setattr(winograd, name, call)
    whole, record = run(tiny_spec, tmp_path / "whole", *wide)
    assert set(convolved) == {"convolve", "convolve_doubled"}
    assert record.provenance["execution"]["convolutions"] == "winograd"
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "append", killed_at(RunFolder.append, 2, after=True))
        with pytest.raises(Killed):
            run(tiny_spec, tmp_path / "killed", *wide)
    command = [sys.executable, "-m", "steelexp", "run", str(tiny_spec), *wide]
    subprocess.run([*command, "--runs", str(tmp_path / "killed")], check=True)
    (folder,) = (tmp_path / "killed" / "tiny").iterdir()
    resumed = RunFolder(folder)
    assert without_time(resumed.epochs) == without_time(whole.epochs)
    assert resumed.finished_record().weights == record.weights


PHASES = (
    (
        "training.phases=[{epochs: 1, tiling: {kind: random_crops, size: [32, 64], count: 2}}, "
        "{epochs: 1, tiling: {kind: columns, size: 64, count: 2}, learning_rate_factor: 0.5}, "
        "{epochs: 1, tiling: {kind: whole}, batch_size: 2, learning_rate_factor: 0.1}]"
    ),
    "tracking={name: none}",
    "training.overlays=0",
)


@pytest.fixture(scope="module")
def in_phases(
    tiny_spec: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[RunFolder, Record]:
    """The tiny spec's run in three phases of an epoch each."""
    return run(tiny_spec, tmp_path_factory.mktemp("phases"), *PHASES)


@pytest.mark.slow
def test_a_run_in_phases(in_phases: tuple[RunFolder, Record]) -> None:
    folder, record = in_phases
    assert [epoch.step for epoch in folder.epochs] == [4, 8, 11]  # 12 / 3, 12 / 3, 6 / 2 steps
    rates = [epoch.metrics["learning_rate"] for epoch in folder.epochs]
    assert rates == pytest.approx([1e-3, 5e-4, 1e-4])
    assert record.tiling["size"] == 64
    assert [phase["tiles"] for phase in record.tiling["phases"]] == [12, 12, 6]
    assert "Epochs 3 to 3: whole, 6 tiles an epoch" in (folder.path / "report.html").read_text()


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("phase", [1, 2, 3])
def test_a_run_killed_in_any_phase_goes_on_as_if_undisturbed(
    tiny_spec: Path,
    in_phases: tuple[RunFolder, Record],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    phase: int,
) -> None:
    whole, record = in_phases
    with monkeypatch.context() as patch:  # its epoch is trained, and not yet saved
        patch.setattr(checkpoint, "save", killed_at(checkpoint.save, phase, after=False))
        with pytest.raises(Killed):
            run(tiny_spec, tmp_path, *PHASES)
    resumed, again = run(tiny_spec, tmp_path, *PHASES)
    assert without_time(resumed.epochs) == without_time(whole.epochs)
    assert (again.weights, again.metrics) == (record.weights, record.metrics)


@pytest.mark.slow
def test_a_run_goes_on_as_it_was_computed_when_it_began(
    tiny_spec: Path,
    undisturbed: tuple[RunFolder, Record],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever this machine or a newer version would choose, and whatever its probe says."""
    whole, record = undisturbed
    monkeypatch.setenv("STEELEXP_PROBE", "on")
    probed = _probe_says(allocator="system", speed=0.5)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", killed_at(checkpoint.save, 1, after=True))
        with pytest.raises(Killed):
            run(tiny_spec, tmp_path / "killed")
    probed.unlink()
    _probe_says(allocator="kept", speed=2.0)
    _choose_otherwise(monkeypatch)
    resumed, again = run(tiny_spec, tmp_path / "killed")
    assert without_time(resumed.epochs) == without_time(whole.epochs)
    assert again.weights == record.weights
    assert again.provenance["execution"] == record.provenance["execution"]


@pytest.mark.slow
def test_a_run_is_reproduced_and_evaluated_as_it_was_computed(
    tiny_spec: Path,
    undisturbed: tuple[RunFolder, Record],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, record = undisturbed
    _choose_otherwise(monkeypatch)
    assert main(["reproduce", str(whole.path), "--runs", str(tmp_path / "again")]) == 0
    (reproduced,) = run_folders(tmp_path / "again")
    assert reproduced.finished_record().provenance["execution"] == record.provenance["execution"]
    assert main(["evaluate", str(reproduced.path)]) == 0
    assert reproduced.finished_record().metrics == record.metrics

    other, _ = run(tiny_spec, tmp_path / "new", "training.epochs=1")
    assert without_time(other.epochs) != without_time(whole.epochs[:1])  # the choice has an effect


@pytest.mark.slow
def test_a_run_in_bfloat16_goes_on_to_the_same_bits(
    tiny_spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a processor without bfloat16 the kernels are slow, and the promise is the same."""
    monkeypatch.setattr("steelexp.training.precision.has_bfloat16", lambda: True)
    precision = "training.precision=mixed_bfloat16"
    whole, record = run(tiny_spec, tmp_path / "whole", precision)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", killed_at(checkpoint.save, 1, after=True))
        with pytest.raises(Killed):
            run(tiny_spec, tmp_path / "killed", precision)
    resumed, again = run(tiny_spec, tmp_path / "killed", precision)
    assert (again.weights, again.metrics) == (record.weights, record.metrics)
    assert without_time(resumed.epochs) == without_time(whole.epochs)

    monkeypatch.setattr("steelexp.training.precision.has_bfloat16", lambda: False)
    with pytest.raises(UserError, match="neither AMX nor AVX512_BF16"):
        run(tiny_spec, tmp_path / "elsewhere", precision)
    assert not (tmp_path / "elsewhere").exists()
    assert main(["evaluate", str(resumed.path)]) == 0  # in float32
    elsewhere = resumed.finished_record().metrics
    assert elsewhere["val_dice_positive"] == pytest.approx(
        record.metrics["val_dice_positive"], abs=0.05
    )


def _probe_says(*, allocator: Allocator, speed: float) -> Path:
    """Write a probe's file about this machine; return it."""
    machine = this_machine()
    every = Speed(median=speed, lowest=speed, highest=speed)
    speeds = dict.fromkeys((REMAPPER, FOLDED), every)
    file = probe_path(machine)
    write_probe_file(file, ProbeFile(machine=machine, allocator=allocator, speeds=speeds))
    assert best_allocator() == allocator
    return file


@pytest.mark.slow  # two trainings, compiled
def test_a_run_compiled_by_xla_goes_on_to_the_last_digit(
    tiny_spec: Path,
    undisturbed: tuple[RunFolder, Record],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole, record = run(tiny_spec, tmp_path / "whole", "training.xla=true")
    assert whole.path.name == undisturbed[0].path.name
    assert whole.epochs[0].metrics["loss"] == pytest.approx(
        undisturbed[0].epochs[0].metrics["loss"], abs=1e-3
    )
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", killed_at(checkpoint.save, 1, after=True))
        with pytest.raises(Killed):
            run(tiny_spec, tmp_path / "killed", "training.xla=true")
    resumed, again = run(tiny_spec, tmp_path / "killed")
    assert "goes on with XLA, as it began" in capsys.readouterr().out
    assert without_time(resumed.epochs) == without_time(whole.epochs)
    assert again.weights == record.weights


def _choose_otherwise(patch: pytest.MonkeyPatch) -> None:
    """Let this machine choose the remapper where it would not, and the other way round."""
    usual = execution_here()
    other = usual._replace(remapper=not usual.remapper)
    patch.setattr("steelexp.training.execution.execution_here", lambda wishes: other)


@pytest.mark.slow
def test_another_seed_is_another_run(
    tiny_spec: Path, undisturbed: tuple[RunFolder, Record], tmp_path: Path
) -> None:
    other, _ = run(tiny_spec, tmp_path, "training.epochs=1", "seed=2")
    assert without_time(other.epochs) != without_time(undisturbed[0].epochs[:1])
    assert other.path.name != undisturbed[0].path.name


def test_dry_run_says_what_would_happen(
    tiny_spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs"
    assert main(["run", str(tiny_spec), "--dry-run", "--runs", str(runs), "--seeds", "1,2"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"train       6 images; of class 1: \d, 2: \d, 3: \d, 4: \d\n", out)
    assert re.search(r"val         4 images; of class 1: \d", out)
    assert "test   " not in out  # the published protocol has none
    assert "tiles       6 of 64 x 64 an epoch, 50.0% of the training pixels in none" in out
    assert "steps       2 an epoch, at most 3 epochs" in out
    assert "dice_kaggle of predicting nothing on the val images: 0.8" in out
    assert out.count(f"results     {runs}/tiny/") == 2
    assert not runs.exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.root=nowhere", "data.root: there is no folder nowhere"),
        ("model.weights=nowhere.h5", "model.weights: there is no file nowhere.h5"),
        ("tracking.mode=online", "tracking.mode is online, and no Comet API key is configured"),
    ],
)
def test_what_cannot_start_writes_nothing(
    tiny_spec: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    override: str,
    message: str,
) -> None:
    assert main(["run", str(tiny_spec), override, "--runs", str(tmp_path / "runs")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_no_defect_to_evaluator_on_is_refused(tiny_spec: Path, tmp_path: Path) -> None:
    def validation_holds(seed: int) -> bool:
        rows = random(labelled([[1]] * 10), np.arange(10), val=0.1, seed=seed).val
        return rows.max() < 8  # images 8 and 9 are clean

    seed = next(seed for seed in range(100) if not validation_holds(seed))
    spec = load(tiny_spec, ["split.val=0.1", f"split.seed={seed}"], model=SpecModel)
    with pytest.raises(DataError, match="none of the 1 val images holds a defect"):
        prepare(spec, tmp_path)


SMALL_MODELS = {
    "unet": "decoder_filters: [8, 8, 8, 8, 8]",
    "fpn": "pyramid_filters: 8, dropout: 0.2",
    "linknet": "last_filters: 4",
    "pspnet": "pyramid_filters: 8, dropout: 0.2",
}
"""Settings of each architecture for a training of seconds; a dropout where there is one."""


def small_model(architecture: str, resolution: str = "full") -> str:
    """Override of a spec's model."""
    return (
        f"model={{architecture: {architecture}, {SMALL_MODELS[architecture]}, weights: none, "
        f"backbone: mobilenet, batch_norm_momentum: 0.9, resolution: {resolution}}}"
    )


@pytest.mark.parametrize("architecture", [name for name in ARCHITECTURES if name != "unet"])
def test_every_architecture_trains(tiny_spec: Path, tmp_path: Path, architecture: str) -> None:
    few = ("training.epochs=1", "loss_warm_up.epochs=0", "training.overlays=0")
    folder, record = run(tiny_spec, tmp_path, small_model(architecture), *few)
    assert all(np.isfinite(value) for value in record.metrics.values())
    assert load_model(folder).name == f"{architecture}_mobilenet"


@pytest.mark.slow  # three trainings and three exports
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("head", ["none", "linear"])
@pytest.mark.parametrize("resolution", ["full", "half"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_resumes_exports_and_predicts(
    tiny_spec: Path,
    tiny_severstal: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    architecture: str,
    resolution: str,
    head: str,
) -> None:
    model = (small_model(architecture, resolution), f"head={{name: {head}}}")
    settings = (*model, "training.epochs=2", "training.overlays=0")
    whole, record = run(tiny_spec, tmp_path / "whole", *settings)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", killed_at(checkpoint.save, 1, after=True))
        with pytest.raises(Killed):
            run(tiny_spec, tmp_path / "killed", *settings)
    resumed, again = run(tiny_spec, tmp_path / "killed", *settings)
    assert without_time(resumed.epochs) == without_time(whole.epochs)
    assert again.weights == record.weights

    images = tmp_path / "images"
    images.mkdir()
    draw = np.random.default_rng(0)
    for height, width in ((64, 64), (50, 70), (256, 1600)):  # a tile, an odd one, a whole strip
        image = draw.integers(0, 256, (height, width), np.uint8)
        cv2.imwrite(str(images / f"{width}.png"), image)
    for form in ("onnx", "savedmodel", "tflite"):  # each is refused beyond a difference of 1e-4
        assert main(["export", str(whole.path), "--format", form, "--images", str(images)]) == 0
    for runtime in ("tensorflow", "onnx", "openvino"):
        out = tmp_path / runtime
        arguments = ["predict", str(whole.path), str(images), "--runtime", runtime]
        assert main([*arguments, "--out", str(out)]) == 0
        assert pandas.read_csv(out / "submission.csv")["ImageId"].nunique() == 3


def shipped_overrides(path: Path, data: Path) -> list[str]:
    """Cut a shipped spec down to seconds; its loss, tiling, backbone and schedule stay its own."""
    overrides = ["training.epochs=1", "training.batch_size=3", "model.weights=none"]
    spec = load(path, [], model=SpecModel)
    source = spec.data.choice
    if source == "mask_folder":
        few = [
            "data.train_fraction={inclusion: 1, patches: 1, scratches: 1}",
            "split.val=0.25",
            "data.subset=null",
        ]
        if "start" in spec.model.model_fields_set:  # tests/test_starting_run.py has finished runs
            few += ["model.start=null", "model.start_weights=all"]
        if spec.data.unlabelled is not None:  # tests/test_unlabelled.py has teachers
            few.append("data.unlabelled=null")
        return [*overrides, f"data.root={data / 'neu'}", "tiling.size=32", *few]
    small = [f"data.root={data}", "data.source=severstal"]
    if spec.tiling.choice != "whole":
        small += ["tiling.size=32", "tiling.count=2"]
    if spec.loss_warm_up.epochs:
        small.append("loss_warm_up.epochs=0")
    if source == "synthetic" or spec.split.settings.get("test"):  # a small part would be empty
        small += ["split.val=0.2", "split.test=0.2"]
    return [*overrides, *small]


@pytest.fixture(scope="module")
def tiny_neu(tiny_severstal: Path) -> Path:
    """Twelve different images of 40 x 40 beside PNG masks of values 0 to 3."""
    root = tiny_severstal / "neu"
    for folder in ("images/training", "annotations/training"):
        (root / folder).mkdir(parents=True)
    draw = np.random.default_rng(0)
    for i in range(12):
        values = np.zeros((40, 40), np.uint8)
        values[8:24, 8:24] = i % 3 + 1
        surface = (60 * values + draw.integers(0, 60, values.shape)).astype(np.uint8)
        cv2.imwrite(str(root / "annotations/training" / f"{i}.png"), values)
        cv2.imwrite(str(root / "images/training" / f"{i}.jpg"), surface)
    return root


def shipped() -> Iterator[Any]:
    """Every spec; all are slow but one of the imbalance study."""
    quick = {"neu_seg/imbalance/dice_copy_paste"}
    for path in SHIPPED:
        name = path.relative_to(EXPERIMENTS).with_suffix("").as_posix()
        slow = name not in quick
        yield pytest.param(path, id=name, marks=[pytest.mark.slow] if slow else [])


@pytest.mark.parametrize("path", shipped())
def test_every_shipped_spec_trains(
    path: Path, tiny_severstal: Path, tiny_neu: Path, tmp_path: Path
) -> None:
    overrides = shipped_overrides(path, tiny_severstal)
    if path.stem in {"b4_bce_dice", "b4_focal", "best_single"} or path.parent.name == "imbalance":
        overrides.append("model.backbone=vgg16")  # few layers; the others build what they name
    folder, record = run(path, tmp_path, *overrides)
    assert record.epochs == 1
    assert all(np.isfinite(value) for value in record.metrics.values())
    assert record.monitor in record.metrics
    assert folder.best_weights.is_file()
    assert set(record.split["parts"]["leak"].values()) == {0} or path.stem == "four_strips"
    scores = parquet.read_table(folder.path / record.images).to_pandas()
    for part, prefix in (("val", "val"), ("test", "test"), ("test_post", "test_post")):
        dataset = record.split["parts"][part.replace("test_post", "test")]
        assert (scores["part"] == part).sum() == dataset * scores["class"].nunique()
        if dataset:
            kaggle = scores.loc[scores["part"] == part, "dice"].mean()
            assert record.metrics[f"{prefix}_dice_kaggle"] == pytest.approx(kaggle)


def test_a_leak_is_said_before_and_after(
    tiny_spec: Path, tiny_severstal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copied"
    shutil.copytree(tiny_severstal, copy)
    for image in range(10):  # every image a second time, upside down
        picture = cv2.imread(str(copy / "train_images" / f"{image}.png"))
        cv2.imwrite(str(copy / "train_images" / f"{image}b.png"), picture[::-1])
    overrides = [str(tiny_spec), f"data.root={copy}", "--dry-run", "--runs", str(tmp_path / "runs")]
    assert main(["run", *overrides]) == 0
    out = capsys.readouterr().out
    assert re.search(r"Leak: \d of 10 groups of near-duplicates cross the split, \d of 8 val", out)
    assert main(["run", *overrides, "split={kind: grouped}"]) == 0
    assert "Leak" not in capsys.readouterr().out


def test_a_longer_tail_is_another_run(tiny_spec: Path, tmp_path: Path) -> None:
    whole = prepare(load(tiny_spec, model=SpecModel), tmp_path)
    tail = prepare(load(tiny_spec, ["data.train_fraction={'4': 0.5}"], model=SpecModel), tmp_path)
    assert whole.split_summary["parts"]["images_per_class"]["train"]["4"] == 2
    assert tail.split_summary["parts"]["images_per_class"]["train"]["4"] == 1
    assert tail.split_summary["parts"]["unused"] == 1
    assert tail.dataset.pixels.tolist() == whole.dataset.pixels.tolist()
    assert tail.digest != whole.digest


def test_class_weights_are_of_the_training_images(tiny_spec: Path, tmp_path: Path) -> None:
    overrides = [
        "class_weights.kind=inverse",
        "split={kind: overfit}",
        "data.train_fraction={'4': 0.5}",
    ]
    plan = prepare(load(tiny_spec, overrides, model=SpecModel), tmp_path)
    # Two images hold each class, one the last: 1/2, 1/2, 1/2, 1 over their mean of 5/8.
    assert plan.class_weights == pytest.approx([0.8, 0.8, 0.8, 1.6])


def test_class_weights_for_a_loss_that_takes_none_are_refused(
    tiny_spec: Path, tmp_path: Path
) -> None:
    overrides = ["class_weights.kind=inverse", "loss.name=generalized_dice"]
    with pytest.raises(DataError, match="generalized_dice takes no class weights; those that do: "):
        prepare(load(tiny_spec, overrides, model=SpecModel), tmp_path)


def test_a_loss_that_does_not_fit_the_classes_writes_nothing(
    tiny_spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for section, rest in (("loss", ""), ("loss_warm_up", ", epochs: 1")):
        override = f"{section}={{name: weighted_bce, positive_weights: [1.0, 2.0]{rest}}}"
        assert main(["run", str(tiny_spec), override, "--runs", str(tmp_path / "runs")]) == 2
        assert f"{section}.positive_weights: 2 weights for 4 classes" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_a_head_that_no_tile_can_answer_is_refused(tiny_spec: Path, tmp_path: Path) -> None:
    for pixels, is_right in ((64 * 64, True), (64 * 64 + 1, False)):
        overrides = [f"head={{name: linear, min_pixels: {pixels}}}", "tiling.size=64"]
        spec = load(tiny_spec, overrides, model=SpecModel)
        if is_right:
            assert prepare(spec, tmp_path).spec.head.choice == "linear"
            continue
        with pytest.raises(DataError, match=r"head\.min_pixels: 4097: a training tile has 4096"):
            prepare(spec, tmp_path)


def test_copies_of_a_class_that_nothing_trains_are_refused(tiny_spec: Path, tmp_path: Path) -> None:
    spec = load(tiny_spec, ["augment.copy_paste={classes: ['4']}"], model=SpecModel)
    assert prepare(spec, tmp_path).augmentations
    table = "\n".join(
        ["image,part", *(f"{i}.png,{'train' if i % 4 < 3 else 'val'}" for i in range(10))]
    )
    (tmp_path / "split.csv").write_text(table)
    split = f"split={{kind: file, path: {tmp_path / 'split.csv'}}}"
    spec = load(tiny_spec, ["augment.copy_paste={classes: ['4']}", split], model=SpecModel)
    with pytest.raises(DataError, match=r"augment\.copy_paste\.classes: no training image holds 4"):
        prepare(spec, tmp_path)
