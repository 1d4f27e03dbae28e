"""Time, memory and disk of a data set of Severstal's size, beside a set of half the size.

    python -m benchmarks.scale FOLDER [--strips 12568] [--predict 500]

FOLDER takes about 9 GB. The set is generated once; the half is its first strips. Each step runs in
a process of its own, and its line goes to FOLDER/steps.jsonl, so that a stopped benchmark goes on.
The last step of a size removes its cache. The table is printed at the end: a ratio of 2 is growth
with the data. Memory is that which no file backs (see process_cost.py).

`train` is one epoch of a small network on one tile of each training strip, the evaluation of the
validation and test strips, a tenth of all, and the page. `predict` takes some of the strips. Its
time for all of them is an extrapolation.
"""

import argparse
import csv
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.process_cost import MIB, cost_of, disk_bytes
from steelexp.data.synthetic import image_name

SPEC = """
name: strips_{strips}
data: {{source: severstal, root: {root}}}
split: {{kind: grouped, val: 0.05, test: 0.05, seed: 42}}
tiling: {{kind: columns, size: 128, count: 1}}
model:
  architecture: unet
  backbone: mobilenet
  weights: none
  decoder_filters: [64, 48, 32, 24, 16]
  resolution: half
loss: {{name: bce_dice, reduce: batch_and_class}}
optimizer: {{name: adam, learning_rate: 2.0e-3}}
training: {{epochs: 1, batch_size: 8}}
tracking: {{name: none}}
seed: 0
"""

LABELS = """
import sys
from pathlib import Path
from steelexp.plan import SpecModel, load_dataset
from steelexp.spec import load
dataset = load_dataset(load(Path(sys.argv[1]), model=SpecModel))
"""
CACHE = (
    LABELS
    + """
from steelexp.data.cache import cache_images
from steelexp.data.cache_root import cache_root
cached = cache_images(dataset, "disk", cache_root())
"""
)
DUPLICATES = (
    CACHE
    + """
from steelexp.data.duplicates.groups import duplicate_groups
duplicate_groups(cached, cache_root())
"""
)


class Bench:
    """The steps of one size.

    Args:
        folder: Folder of the benchmark.
        strips: Number of training strips.
        whole: Number of strips of the whole set.
        predictions: Number of strips to predict.
    """

    def __init__(self, folder: Path, strips: int, whole: int, predictions: int) -> None:
        self.folder = folder
        self.strips = strips
        self.whole = whole
        self.predictions = predictions
        self.root = folder / f"strips_{strips}"
        self.cache = folder / f"cache_{strips}"
        self.runs = folder / f"runs_{strips}"
        self.spec = folder / f"strips_{strips}.yaml"
        self.lines = folder / "steps.jsonl"

    def steps(self) -> None:
        """Run what is not done yet."""
        self.spec.write_text(SPEC.format(strips=self.strips, root=self.root.resolve()))
        spec = str(self.spec)
        self._step("generate", self._generate, makes=self.root)
        self._step("read and hash", lambda: [sys.executable, "-c", LABELS, spec], fresh=self.cache)
        self._step("cache", lambda: [sys.executable, "-c", CACHE, spec], makes=self.cache)
        self._step("near-duplicates", lambda: [sys.executable, "-c", DUPLICATES, spec])
        self._step("check --data", lambda: _steelexp("check", spec, "--data"))
        report = self.folder / f"doctor_{self.strips}"
        doctor = _steelexp("data", "doctor", str(self.root), "--out", str(report))
        self._step("data doctor", lambda: doctor, makes=report, fresh=report, codes=(0, 1))
        train = _steelexp("run", spec, "--runs", str(self.runs))
        self._step("train", lambda: train, makes=self.runs, fresh=self.runs, notes=self._epoch)
        self._step("report", lambda: _steelexp("report", str(self._run())))
        results = self.folder / f"predictions_{self.strips}"
        self._step(
            "predict",
            lambda: self._predict(results),
            makes=results,
            fresh=results,
            notes=lambda: {"images": self.predictions},
        )
        shutil.rmtree(self.cache, ignore_errors=True)

    def _step(
        self,
        name: str,
        command: Callable[[], Sequence[str]],
        *,
        makes: Path | None = None,
        fresh: Path | None = None,
        codes: tuple[int, ...] = (0,),
        notes: Callable[[], dict[str, Any]] = dict,
    ) -> None:
        """Run a step unless its line is there.

        Args:
            name: Name of the step.
            command: The command, asked for when it is needed.
            makes: File or folder that it makes.
            fresh: Folder that is removed before.
            codes: Exit codes of success.
            notes: What else belongs into the line.
        """
        if any(line["step"] == name for line in read(self.lines, self.strips)):
            return
        if fresh is not None:
            shutil.rmtree(fresh, ignore_errors=True)
        print(f"{self.strips} strips: {name}", flush=True)
        log = self.folder / f"log_{self.strips}.txt"
        cost = cost_of(command(), log, {"STEELEXP_CACHE": str(self.cache)})
        if cost.code not in codes:
            sys.exit(f"{name}: exit code {cost.code}; see {log}")
        line = {"strips": self.strips, "step": name, **cost._asdict(), **notes()}
        line["disk_mib"] = disk_bytes(makes) / MIB if makes else 0.0
        with self.lines.open("a") as stream:
            stream.write(json.dumps(line) + "\n")

    def _generate(self) -> Sequence[str]:
        if self.strips == self.whole:
            return _steelexp("data", "generate", str(self.root), "--strips", str(self.strips))
        words = [str(self.folder / f"strips_{self.whole}"), str(self.root), str(self.strips)]
        return [sys.executable, __file__, "--subset", *words]

    def _predict(self, results: Path) -> Sequence[str]:
        images = sorted((self.root / "train_images").iterdir())[: self.predictions]
        return _steelexp("predict", str(self._run()), *map(str, images), "--out", str(results))

    def _run(self) -> Path:
        return next(self.runs.glob("*/*/record.json")).parent

    def _epoch(self) -> dict[str, Any]:
        """The seconds of training and of validation within the epoch."""
        line = json.loads((self._run() / "epochs.jsonl").read_text().splitlines()[0])
        training = line["usage"]["training_seconds"]
        return {"training_seconds": training, "validation_seconds": line["seconds"] - training}


def subset(source: Path, target: Path, strips: int) -> None:
    """Link the first strips of a generated set into a set of their own."""
    names = {image_name(0, strip) for strip in range(strips)}
    shutil.rmtree(target, ignore_errors=True)
    (target / "train_images").mkdir(parents=True)
    for name in names:
        os.link(source / "train_images" / name, target / "train_images" / name)
    with (source / "train.csv").open() as table, (target / "train.csv").open("w") as out:
        rows = csv.reader(table)
        csv.writer(out).writerows(row for n, row in enumerate(rows) if n == 0 or row[0] in names)


def read(file: Path, strips: int) -> list[dict[str, Any]]:
    """The lines of one size."""
    lines = file.read_text().splitlines() if file.is_file() else []
    return [line for text in lines if (line := json.loads(text))["strips"] == strips]


def print_table(file: Path, half: int, whole: int) -> None:
    """Print each step of both sizes."""
    before = {line["step"]: line for line in read(file, half)}
    print(
        f"| step | s, {half} | s, {whole} | ratio | CPU s | MiB, {half} | MiB, {whole} | disk MiB |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for line in read(file, whole):
        small = before.get(line["step"])
        if small is None or line["step"] == "generate":
            cells = ["", f"{line['seconds']:.0f}", ""]
            memory = ""
        else:
            ratio = line["cpu_seconds"] / small["cpu_seconds"]
            cells = [f"{small['seconds']:.0f}", f"{line['seconds']:.0f}", f"{ratio:.2f}"]
            memory = f"{small['own_mib']:.0f}"
        print(
            f"| {line['step']} | {' | '.join(cells)} | {line['cpu_seconds']:.0f} | {memory} "
            f"| {line['own_mib']:.0f} | {line['disk_mib']:.0f} |"
        )
    print("The ratio is of processor time, which a busy machine changes less.")
    for line in read(file, whole):
        if "training_seconds" in line:
            print(
                f"train: {line['training_seconds']:.0f} s of training, "
                f"{line['validation_seconds']:.0f} s of validation within the epoch"
            )
        if "images" in line:
            every = line["seconds"] / line["images"] * whole
            print(f"predict: {line['images']} strips; all would take {every / 60:.0f} min")


def _steelexp(*words: str) -> list[str]:
    return [sys.executable, "-m", "steelexp", *words]


def main(args: argparse.Namespace) -> None:
    """Run both sizes and print the table."""
    args.folder.mkdir(parents=True, exist_ok=True)
    half = args.strips // 2
    whole = Bench(args.folder, args.strips, args.strips, args.predict)
    whole.steps()
    Bench(args.folder, half, args.strips, args.predict).steps()
    print_table(args.folder / "steps.jsonl", half, args.strips)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--strips", type=int, default=12_568)
    parser.add_argument("--predict", type=int, default=500)
    parser.add_argument("--subset", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.subset:
        subset(Path(arguments.subset[0]), Path(arguments.subset[1]), int(arguments.subset[2]))
    elif arguments.folder is None:
        parser.error("FOLDER is missing")
    else:
        main(arguments)
