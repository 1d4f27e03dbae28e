"""A worker that follows its chief: here one after the other, each alone, in one process.

tests/search/test_ray_train.py has them train together, in processes of Ray.
"""

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from steelexp import joint_training
from steelexp.data import rle
from steelexp.errors import UserError
from steelexp.joint_training import run_as_worker
from steelexp.plan import SpecModel
from steelexp.records.store import Epoch, RunFolder, run_folders
from steelexp.search.ray_train import Worker
from steelexp.spec import load
from steelexp.training.execution import execution_here
from steelexp.training.fit import fit


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Four images of 32 x 32 with a square each; overlays, a plateau and early stopping."""
    root = tmp_path_factory.mktemp("data")
    (root / "train_images").mkdir()
    rows = ["ImageId,ClassId,EncodedPixels"]
    for number in range(4):
        image = np.random.default_rng(number).integers(70, 130, (32, 32), np.uint8)
        mask = np.zeros((32, 32), bool)
        mask[8:24, number : number + 16] = True
        image[mask] = 200
        cv2.imwrite(str(root / "train_images" / f"{number}.png"), image)
        rows.append(f"{number}.png,{number + 1},{rle.encode(mask)}")
    (root / "train.csv").write_text("\n".join(rows) + "\n")
    path = root / "tiny.yaml"
    path.write_text(
        f"""
        name: tiny
        data: {{source: severstal, root: {root}}}
        split: {{kind: random, val: 0.5, seed: 3}}
        tiling: {{kind: columns, size: 32, count: 1}}
        model: {{architecture: unet, backbone: mobilenet, weights: none,
                decoder_filters: [4, 4, 4, 4, 4]}}
        loss: {{name: bce_dice}}
        loss_warm_up: {{name: focal, epochs: 1, fade: 1}}
        optimizer: {{name: adam, learning_rate: 1.0e-3}}
        training: {{epochs: 5, batch_size: 2, overlays: 2, monitor: val_loss,
                   reduce_lr_patience: 1, early_stopping_patience: 2}}
        tracking: {{name: none}}
        seed: 1
        """
    )
    return load(path, (), model=SpecModel).model_dump(mode="json")


def chief(spec: dict[str, Any], runs: Path, *, epochs: int | None = None) -> list[Any]:
    """Run as the chief; stop after some epochs; return what was broadcast."""
    sent: list[Any] = []

    def broadcast(value: Any) -> Any:
        if epochs is not None and len(sent) >= 2 + epochs:
            raise KeyboardInterrupt
        sent.append(value)
        return value

    with contextlib.suppress(KeyboardInterrupt):
        run_as_worker(spec, runs, "steelexp run tiny.yaml", Worker(True, broadcast))
    return sent


Follow = Callable[[dict[str, Any], Path, list[Any]], tuple[list[Epoch], list[Any]]]


@pytest.fixture
def follow(monkeypatch: pytest.MonkeyPatch) -> Follow:
    """Follow a chief; return the worker's own epochs and the broadcasts that it left unheard."""
    histories: list[list[Epoch]] = []

    def observed(*args: Any, **settings: Any) -> list[Epoch]:
        histories.append(fit(*args, **settings))
        return histories[-1]

    monkeypatch.setattr(joint_training, "fit", observed)

    def work(spec: dict[str, Any], runs: Path, sent: list[Any]) -> tuple[list[Epoch], list[Any]]:
        unheard = list(sent)
        worker = Worker(False, lambda _: unheard.pop(0))
        run_as_worker(spec, runs, "steelexp run tiny.yaml", worker)
        return histories[-1], unheard

    return work


def decisions(epochs: list[Epoch]) -> list[tuple[int, int, dict[str, float]]]:
    return [(epoch.epoch, epoch.step, epoch.metrics) for epoch in epochs]


def only(runs: Path) -> RunFolder:
    (folder,) = run_folders(runs)
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.slow
def test_after_a_kill_a_worker_goes_on_from_the_chiefs_state(
    spec: dict[str, Any], tmp_path: Path, follow: Follow
) -> None:
    """Killed between the checkpoint and its line: the chief repairs, the worker takes over."""
    runs = tmp_path / "runs"
    chief(spec, runs, epochs=2)
    lines = only(runs).path / "epochs.jsonl"
    lines.write_text("".join(lines.read_text().splitlines(keepends=True)[:-1]))
    killed = tmp_path / "killed"
    shutil.copytree(runs, killed)
    start, (history, weights), *metrics = chief(spec, runs)
    assert len(history) == 2
    before = files(killed)

    epochs, unheard = follow(spec, killed, [start, (history, weights), *metrics])

    assert unheard == []
    assert decisions(epochs) == decisions(only(runs).epochs)
    rates = [epoch.metrics["learning_rate"] for epoch in epochs]
    assert len(epochs) < 5 or rates[-1] < rates[0]  # something followed from the history
    assert files(killed) == before  # the worker wrote nothing
    with pytest.raises(
        UserError, match=r"other weights .* --runs a folder that all machines share"
    ):
        follow(spec, tmp_path / "not shared", [start, (history, weights)])


def test_a_worker_with_other_data_than_the_chiefs_is_told(
    spec: dict[str, Any], tmp_path: Path, follow: Follow
) -> None:
    with pytest.raises(UserError, match=r"data, .* not the chief's .* instead of 0123456789abcdef"):
        follow(spec, tmp_path, [("0123456789abcdef", False, execution_here())])


def test_a_worker_of_a_finished_run_trains_nothing(spec: dict[str, Any], tmp_path: Path) -> None:
    digest = chief(spec, tmp_path, epochs=-1)[0][0]
    heard = []
    run_as_worker(
        spec,
        tmp_path,
        "",
        Worker(False, lambda value: heard.append(value) or (digest, True, execution_here())),
    )
    assert heard == [(digest, False, execution_here())]
