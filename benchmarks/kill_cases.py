"""The cases of benchmarks/kills.py: commands, the state that a kill left, what is compared."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from steelexp.data import rle
from steelexp.lazy import h5py

VOLATILE = {
    "seconds",
    "started",
    "time",
    "key",
    "check",
    "checksum",
    "sha256",
    "elapsed",
    "epochs.jsonl",
}
"""Keys of JSON files whose values are times, hashes over times, or drawn by Comet."""

EPOCHS = "steelexp_training_state/epochs"
"""Dataset of a checkpoint with the epochs so far, which have their seconds."""

SPEC = """
name: {name}
data: {{source: severstal, root: {data}}}
split: {{kind: grouped, val: 0.3, test: 0.2, seed: 3}}
tiling: {{kind: columns, size: 64, count: 1}}
augment: {{flips: {{}}}}
model: {{architecture: unet, backbone: mobilenet, weights: none, batch_norm_momentum: 0.9,
        decoder_filters: [8, 8, 8, 8, 8]}}
loss: {{name: bce_dice}}
optimizer: {{name: adam, learning_rate: 1.0e-3}}
seed: 1
{rest}
"""

PLAIN = """
training: {epochs: 4, batch_size: 3, overlays: 2}
tracking: {name: none}
"""

SCHEDULED = """
loss_warm_up: {name: focal, epochs: 1, fade: 2}
training: {epochs: 9, batch_size: 3, overlays: 2, monitor: val_loss, early_stopping_patience: 2,
           reduce_lr_patience: 1}
tracking: {name: none}
"""

TRACKED = """
training: {epochs: 3, batch_size: 3, overlays: 2}
tracking: {name: comet, mode: offline}
"""

SEARCH = """
training: {epochs: 2, batch_size: 3, overlays: 0}
tracking: {name: none}
search:
  tuner: {name: random}
  trials: 2
  space:
    optimizer.learning_rate: {log_uniform: [5.0e-4, 1.0e-2]}
"""


class Case(NamedTuple):
    """A command that is killed.

    Attributes:
        name: Name.
        words: Words of the command, which runs in a folder of its own.
        state: Function from that folder to what a kill left there, in words.
        contents: Function from that folder to what it holds at the end, by name of the file.
        prepare: Function that puts into that folder what the command needs there.
    """

    name: str
    words: Sequence[str]
    state: Callable[[Path], str]
    contents: Callable[[Path], dict[str, Any]]
    prepare: Callable[[Path], object] = lambda folder: None


Job = Callable[[Path], list[Case]]
"""Function from the folder of a campaign to its cases."""


def run_cases(work: Path) -> list[Case]:
    """Runs: a plain one, one with schedules and early stopping, a tracked one, a search."""
    data = severstal(work / "data")
    cases = []
    for name, rest in (
        ("plain", PLAIN),
        ("scheduled", SCHEDULED),
        ("tracked", TRACKED),
        ("search", SEARCH),
    ):
        spec = work / f"{name}.yaml"
        spec.write_text(SPEC.format(name=name, data=data, rest=rest))
        cases.append(Case(name, ["run", str(spec), "--runs", "runs"], state_of_run, contents))
    return cases


def severstal(root: Path) -> Path:
    """Twenty images of 64 x 128 in Kaggle's layout: squares of the four classes, four clean."""
    draw = np.random.default_rng(0)
    (root / "train_images").mkdir(parents=True)
    rows = ["ImageId,ClassId,EncodedPixels"]
    for number in range(20):
        image = draw.integers(70, 130, (64, 128), np.uint8)
        if number < 16:
            mask = np.zeros((64, 128), bool)
            mask[16:48, 4 * number + 16 : 4 * number + 48] = True
            image[mask] = 180 + 20 * (number % 4)
            rows.append(f"{number}.png,{number % 4 + 1},{rle.encode(mask)}")
        cv2.imwrite(str(root / "train_images" / f"{number}.png"), image)
    (root / "train.csv").write_text("\n".join(rows) + "\n")
    return root


def state_of_run(folder: Path) -> str:
    """What the run that a kill met had come to, the last one of a search."""
    runs = sorted((folder / "runs").glob("**/spec.yaml"), key=lambda path: path.stat().st_mtime)
    if not runs:
        return "before the run folder" if (folder / "cache").is_dir() else "before the cache"
    run = runs[-1].parent
    lines = run / "epochs.jsonl"
    epochs = lines.read_bytes().count(b"\n") if lines.is_file() else 0
    weights = [path.name for path in (run / "weights").glob("*")]
    drawn = len([*(run / "overlays").glob("*")])
    if (run / "record.json").is_file():
        return "after the record"
    if any(name.startswith(".") for name in weights):
        return "in a checkpoint"
    if (run / "image_scores.parquet").is_file():
        return "in the record"
    if saved_epochs(run) > epochs:
        return "between checkpoint and its line"
    if drawn > epochs:
        return "in the overlays or just behind"
    return "in the first epoch" if not epochs else "in a later epoch, validation or evaluation"


def saved_epochs(run: Path) -> int:
    """Number of the last checkpoint's epoch; 0 without one."""
    path = run / "weights" / "last.h5"
    if not path.is_file():
        return 0
    with h5py.File(path, "r") as file:
        return len(_epochs(file[EPOCHS]))


def _epochs(dataset: Any) -> Any:
    return json.loads(dataset[()].tobytes())


def contents(folder: Path) -> dict[str, Any]:
    """What each file below `runs` holds, without what is volatile."""
    root = folder / "runs"
    return dict(_named(path, root) for path in sorted(root.rglob("*")) if path.is_file())


def _named(path: Path, root: Path) -> tuple[str, Any]:
    name = str(path.relative_to(root))
    if "/comet/" in name:  # archives whose names Comet draws
        return "/".join(name.split("/")[:-1]) + "/*" + path.suffix, "there"
    if path.suffix == ".html" or path.name == ".lock":  # the page shows times
        return name, "there"
    return name, _content(path)


def _content(path: Path) -> Any:
    if path.suffix == ".h5":
        return dict(_datasets(path))
    if path.suffix == ".json":
        return lasting(json.loads(path.read_text()))
    if path.suffix == ".jsonl":
        return [lasting(json.loads(line)) for line in path.read_text().splitlines()]
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _datasets(path: Path) -> Iterator[tuple[str, str]]:
    """Name and hash of each array of an HDF5 file."""
    arrays: list[tuple[str, str]] = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            array = np.asarray(item[()]).tobytes()
            if name == EPOCHS:
                array = json.dumps(lasting(_epochs(item))).encode()
            arrays.append((name, hashlib.sha256(array).hexdigest()))

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    yield from arrays


def lasting(value: Any) -> Any:
    """A JSON value without its volatile keys and the names of Comet's archives."""
    if isinstance(value, dict):
        return {key: lasting(item) for key, item in value.items() if key not in VOLATILE}
    if isinstance(value, list):
        return [lasting(item) for item in value]
    return re.sub(r"comet/\w+\.zip", "comet/*.zip", value) if isinstance(value, str) else value


JOBS: dict[str, Job] = {"run": run_cases}
