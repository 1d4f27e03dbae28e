"""All folds of a spec: one result of them, and what a kill leaves."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from steelexp import experiment
from steelexp.__main__ import main
from steelexp.commands.arguments import requests
from steelexp.commands.folds import fold_requests
from steelexp.data import rle
from steelexp.data.splits.unseen import unseen_rows
from steelexp.errors import UserError
from steelexp.folds import write_folds
from steelexp.metrics import image_metrics
from steelexp.network_memory import NetworkMemory
from steelexp.plan import SpecModel, prepare
from steelexp.records.ensemble_file import read_ensemble_file
from steelexp.records.folds_file import FoldsFile, folds_folders, read_folds_file
from steelexp.records.image_scores import read_image_scores
from steelexp.records.store import run_folders
from steelexp.report.page import page
from steelexp.spec import load
from tests.file_schemas import check_files

pytestmark = pytest.mark.usefixtures("no_comet_settings")

IMAGES = 20


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spec of three folds that train in seconds, on images with one copy among them."""
    root = tmp_path_factory.mktemp("severstal")
    (root / "train_images").mkdir()
    rows = ["ImageId,ClassId,EncodedPixels"]
    draw = np.random.default_rng(0)
    for number in range(IMAGES):
        image = draw.integers(70, 130, (64, 64), np.uint8)
        mask = np.zeros((64, 64), bool)
        mask[16:48, number : number + 32] = True
        image[mask] = 180
        rows.append(f"{number:02d}.png,{number % 4 + 1},{rle.encode(mask)}")
        cv2.imwrite(str(root / "train_images" / f"{number:02d}.png"), image)
    copy = cv2.imread(str(root / "train_images" / "00.png"), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(root / "train_images" / "copy.png"), copy)
    rows.append(rows[1].replace("00.png", "copy.png"))
    (root / "train.csv").write_text("\n".join(rows) + "\n")
    path = tmp_path_factory.mktemp("spec") / "tiny.yaml"
    path.write_text(f"""
        name: tiny
        data: {{source: severstal, root: {root}}}
        split: {{kind: kfold, folds: 3, test: 0.2, seed: 3}}
        tiling: {{kind: columns, size: 64, count: 1}}
        model: {{architecture: unet, backbone: mobilenet, weights: none,
                batch_norm_momentum: 0.9, decoder_filters: [8, 8, 8, 8, 8]}}
        loss: {{name: bce_dice}}
        optimizer: {{name: adam, learning_rate: 1.0e-3}}
        training: {{epochs: 1, batch_size: 8, overlays: 0, threshold: 0.5}}
        tracking: {{name: none}}
        seed: 1
    """)
    return path


@pytest.fixture(scope="module")
def finished(spec: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the runs after all folds."""
    runs = tmp_path_factory.mktemp("runs")
    memory = NetworkMemory()  # the command builds each network anew: seconds
    for plan in plans_of(spec, runs):
        experiment.run(plan, command="steelexp run tiny.yaml", build=memory.network)
    assert main(["run", str(spec), "--folds", "--runs", str(runs)]) == 0
    return runs


def folds_in(runs: Path) -> tuple[Path, FoldsFile]:
    (folder,) = folds_folders(runs)
    return folder, read_folds_file(folder)


def content(runs: Path) -> dict[str, bytes]:
    """Scores of every run, and the files of the folds, which hold the hashes of all weights.

    Checkpoints also hold the seconds of their epochs.
    """
    names = ("image_scores.parquet", "folds.json", "seed-1.parquet")
    files = [path for path in sorted(runs.rglob("*")) if path.name in names]
    contents = {path.relative_to(runs).as_posix(): path.read_bytes() for path in files}
    return {name: _without_command(data) for name, data in contents.items()}


def _without_command(data: bytes) -> bytes:
    """folds.json without its command, which names the folder of the runs."""
    if not data.startswith(b"{"):
        return data
    values = json.loads(data)
    return json.dumps({k: values[k] for k in values if k not in ("command", "checksum")}).encode()


class TestFinishedFolds:
    def test_every_image_is_scored_once_by_the_run_whose_fold_it_is(self, finished):
        folder, folds = folds_in(finished)
        pooled = read_image_scores(folder / "seed-1.parquet", "val")
        of_runs = {}
        outer = set()
        for member in folds.members:
            run = finished / "tiny" / member.digest
            scores = read_image_scores(run / "image_scores.parquet", "val")
            assert not set(scores.images) & set(of_runs)
            of_runs |= dict(zip(scores.images, np.stack(scores.counts, axis=1), strict=True))
            outer |= set(read_image_scores(run / "image_scores.parquet", "test").images)
        assert set(pooled.images) == set(of_runs)
        assert len(set(pooled.images) | outer) == IMAGES + 1
        assert not set(pooled.images) & outer
        pixels = np.stack(pooled.counts, axis=1)
        for image, counts in zip(pooled.images, pixels, strict=True):
            assert (counts == of_runs[image]).all()
        assert (folds.images, folds.outer_test) == (len(pooled.images), len(outer))
        assert folds.rescored == 0

    def test_metrics_are_those_of_all_pixels_together(self, finished):
        folder, folds = folds_in(finished)
        for part, pooled in (("val", folds.metrics), ("val_post", folds.post_metrics)):
            scores = read_image_scores(folder / "seed-1.parquet", part)
            wanted = image_metrics(scores.counts, scores.classes, "val")
            assert {f"val_{name}": each.value for name, each in pooled.items()} == pytest.approx(
                wanted, abs=1e-6
            )
        assert folds.epoch_chosen_on_fold

    def test_files_fit_their_schemas_and_are_shown(self, finished, capsys):
        folder, folds = folds_in(finished)
        check_files(finished)
        assert main(["show", str(folder)]) == 0
        shown = capsys.readouterr().out
        assert f"{folds.images} images out of fold" in shown
        assert "so these figures are somewhat too high" in shown
        assert main(["list", str(finished)]) == 0
        assert f"tiny/{folder.name}" in capsys.readouterr().out
        assert f'Folds of tiny <span class="digest">{folds.digest}</span>' in page(finished)

    def test_the_same_command_trains_and_writes_nothing(self, spec, finished, capsys):
        before = {path: path.stat().st_mtime_ns for path in finished.rglob("*.json")}
        assert main(["run", str(spec), "--folds", "--runs", str(finished)]) == 0
        assert "the folds are finished already" in capsys.readouterr().out
        assert {path: path.stat().st_mtime_ns for path in before} == before

    def test_what_a_kill_leaves_of_the_folder_is_written_again(self, spec, finished):
        before = content(finished)
        folder, _ = folds_in(finished)
        (folder / "folds.json").unlink()
        (folder / "seed-1.parquet").write_bytes(b"half a table")
        assert main(["run", str(spec), "--folds", "--runs", str(finished)]) == 0
        assert content(finished) == before

    def test_a_record_of_other_images_is_refused(self, spec, finished, tmp_path):
        runs = tmp_path / "runs"
        shutil.copytree(finished, runs)
        plans = plans_of(spec, runs)
        scores = [plan.folder.path / "image_scores.parquet" for plan in plans[:2]]
        shutil.copyfile(scores[1], scores[0])
        with pytest.raises(UserError, match="damaged: it is not what the run wrote"):
            write_folds(plans, tmp_path / "folds-0", "steelexp run")
        plans[0].folder.finish(plans[0].folder.finished_record())
        with pytest.raises(UserError, match=r"not of the \d+ images of fold 0; restore it"):
            write_folds(plans, tmp_path / "folds-0", "steelexp run")


@pytest.mark.slow
def test_the_ensemble_is_evaluated_on_the_outer_test_part_and_predicts(spec, finished, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(finished, runs)
    folder, folds = folds_in(runs)
    assert main(["evaluate", str(folder)]) == 0
    evaluation = read_ensemble_file(folder / "ensemble")
    assert (evaluation.images, len(evaluation.members)) == (folds.outer_test, 3)
    of_ensemble = read_image_scores(folder / "ensemble" / "image_scores.parquet", "test")
    member = runs / "tiny" / folds.members[0].digest
    assert of_ensemble.images == read_image_scores(member / "image_scores.parquet", "test").images
    singles = [each.metrics["test_dice_kaggle"] for each in evaluation.members]
    gain = evaluation.metrics["test_dice_kaggle"] - np.mean(singles)
    assert evaluation.gains["dice_kaggle"].value == pytest.approx(gain, abs=1e-6)
    assert check_files(folder) == {"folds", "ensemble", "evaluation", "review"}
    image = Path(load(spec, model=SpecModel).data.settings["root"]) / "train_images" / "00.png"
    out = tmp_path / "predicted"
    assert main(["predict", str(folder), str(image), "--out", str(out)]) == 0
    model = json.loads((out / "prediction.json").read_text())["model"]
    assert model["digest"] == folds.digest
    assert model["classes"] == {
        label: rules.model_dump(mode="json") for label, rules in folds.rules.items()
    }


def test_an_ensemble_of_folds_without_an_outer_test_part_is_refused(spec, tmp_path):
    plans = [
        prepare(load(spec, ["split.test=0", f"split.fold={k}"], model=SpecModel), tmp_path)
        for k in range(3)
    ]
    count = IMAGES + 1
    with pytest.raises(UserError, match=f"trained on {count} of the {count} images"):
        unseen_rows([plan.split for plan in plans], plans[0].groups)


def plans_of(spec: Path, runs: Path):
    (asked,) = fold_requests(requests([str(spec)], None), None)
    return [prepare(member.spec, runs) for member in asked.members]


class TestRequests:
    def test_are_every_fold_of_every_seed(self, spec):
        words = [str(spec), "training.epochs=1"]
        (asked,) = fold_requests(requests(words, "5,6"), "5,6")
        members = [(each.spec.seed, each.spec.split.settings["fold"]) for each in asked.members]
        assert members == [(5, 0), (5, 1), (5, 2), (6, 0), (6, 1), (6, 2)]
        assert asked.words == (str(spec), "training.epochs=1", "--folds", "--seeds", "5,6")
        assert asked.members[4].words == (str(spec), "training.epochs=1", "seed=6", "split.fold=1")

    @pytest.mark.parametrize(
        ("override", "message"),
        [
            ("split={kind: random}", "split.kind is random, which has no folds"),
            ("split.fold=1", "split.fold=1: without effect beside --folds"),
            (
                "search={tuner: {name: grid}, space: {training.batch_size: {int: [4, 8]}}}",
                "a search has no folds",
            ),
        ],
    )
    def test_what_has_no_folds_is_refused(self, spec, override, message):
        with pytest.raises(UserError, match=message):
            fold_requests(requests([str(spec), override], None), None)

    def test_more_folds_than_runs_of_one_command_are_refused(self, spec):
        every = requests([str(spec), "split.folds=501"], "0,1")
        with pytest.raises(UserError, match="--folds: 1,002 runs; at most 1,000 at a time"):
            fold_requests(every, "0,1")

    def test_a_run_folder_is_refused(self, spec, finished):
        run = next(run_folders(finished)).path
        with pytest.raises(UserError, match="a run folder is one fold"):
            fold_requests(requests([str(run)], None), None)


def test_a_fold_that_cannot_be_run_stops_the_others_before_they_train(spec, tmp_path, capsys):
    words = ["run", str(spec), "--folds", "--runs", str(tmp_path / "runs")]
    # 16 groups of near-duplicates in 40 folds.
    assert main([*words, "split={kind: kfold, folds: 40, test: 0.2}"]) == 2
    assert "too few for 40 parts" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def start(spec: Path, runs: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "steelexp", "run", str(spec), "--folds", "--runs", str(runs)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_for(happened, process: subprocess.Popen[bytes]) -> None:
    """Wait until something has happened; the process must not have ended before."""
    until = time.monotonic() + 900
    while not happened():
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_kills_leave_the_same_folder(spec, finished, tmp_path):
    runs = tmp_path / "runs"
    moments = {
        "within a fold": lambda: any(runs.glob("tiny/*/run.json")),
        "between folds": lambda: any(runs.glob("tiny/*/record.json")),
        "while the folds are scored": lambda: any(runs.glob("tiny/folds-*/.lock")),
    }
    for happened in moments.values():
        process = start(spec, runs)
        wait_for(happened, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not list(folds_folders(runs))
    assert start(spec, runs).wait() == 0
    assert content(runs) == content(finished)
