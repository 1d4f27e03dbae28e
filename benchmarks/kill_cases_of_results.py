"""More cases of benchmarks/kills.py: predictions, exports, caches and generated data sets."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.kill_cases import PLAIN, SPEC, Case, Job, severstal
from steelexp.checksum import hash_bytes

_PASSED_OVER = (".lock", ".sqlite3")
"""Locks, and the memory of files, which knows them by inode and time."""


def predict_cases(work: Path) -> list[Case]:
    """The images of a run, by ONNX Runtime and by TensorFlow."""
    run = finished_run(work)
    images = str(work / "data" / "train_images")
    return [
        Case(
            name,
            ["predict", str(run), images, "--runtime", name, "--out", "out", "--labels", "coco"],
            state_of_prediction,
            contents_below("out"),
        )
        for name in ("onnx", "tensorflow")
    ]


def export_cases(work: Path) -> list[Case]:
    """A run that has an export of its network already, which is replaced."""
    run = finished_run(work)

    def prepare(folder: Path) -> None:
        shutil.copytree(run, folder / "run")
        content = bytearray((run / "exports" / "model.onnx").read_bytes())
        content[len(content) // 2] ^= 1  # the replaced one is another
        (folder / "run" / "exports" / "model.onnx").write_bytes(content)

    def state(folder: Path) -> str:
        names = sorted(path.name[0] for path in (folder / "run" / "exports").iterdir())
        return "while it was written" if "." in names else "before or after"

    words = ["export", "run", "--format", "onnx"]
    return [Case("replaced", words, state, contents_below("run"), prepare)]


def cache_cases(work: Path) -> list[Case]:
    """Decoded images and groups of near-duplicates, as a dry run makes them."""
    severstal(work / "data")
    spec = work / "cache.yaml"
    spec.write_text(SPEC.format(name="cache", data=work / "data", rest=PLAIN))

    def state(folder: Path) -> str:
        root = folder / "cache"
        if [*root.glob("*.groups.npy")]:
            return "after the groups"
        if [*root.glob("*/cache.json")]:
            return "after the decoded images"
        return "while they were decoded" if [*root.glob(".*.partial")] else "before"

    words = ["run", str(spec), "--dry-run", "--runs", "runs"]
    return [Case("dry run", words, state, contents_below("cache"))]


def generate_cases(work: Path) -> list[Case]:
    """A data set of 40 strips."""

    def state(folder: Path) -> str:
        return "after" if (folder / "new").is_dir() else "before it was whole"

    words = ["data", "generate", "new", "--strips", "40"]
    return [Case("strips", words, state, contents_below("new"))]


def finished_run(work: Path) -> Path:
    """A run of one epoch with an export, made by a process of its own."""
    from steelexp.__main__ import main

    severstal(work / "data")
    spec = work / "run.yaml"
    spec.write_text(SPEC.format(name="run", data=work / "data", rest=PLAIN))
    words = ["run", str(spec), "training.epochs=1", "--runs", str(work / "runs")]
    in_a_process(lambda: main(words), work)
    (run,) = (work / "runs" / "run").iterdir()
    in_a_process(lambda: main(["export", str(run)]), work)
    return run


def in_a_process(act: Callable[[], int], work: Path) -> None:
    """Act in a forked process, so that this one runs no network and may be forked again."""
    process = os.fork()
    if not process:
        code = 70
        try:
            os.environ["STEELEXP_CACHE"] = str(work / "cache")
            os.environ["STEELEXP_PROBE"] = "off"
            code = act()
        finally:
            os._exit(code)
    if status := os.waitpid(process, 0)[1]:
        raise RuntimeError(f"a command that prepares the cases ended with {status}")


def state_of_prediction(folder: Path) -> str:
    """How far a prediction had come."""
    out = folder / "out"
    lines = out / "journal.jsonl"
    predicted = lines.read_bytes().count(b"\n") if lines.is_file() else 0
    masks = len([*(out / "masks").glob("*.png")])
    if (out / "labels.json").is_file():
        return "after the labels"
    if (out / "submission.csv").is_file():
        return "after some tables"
    if masks > predicted:
        return "between a mask and its line"
    return "between two images" if predicted else "before the first line"


def contents_below(name: str) -> Callable[[Path], dict[str, Any]]:
    """A function from the folder of a case to the hash of each file below one of its folders."""

    def contents(folder: Path) -> dict[str, Any]:
        root = folder / name
        return {
            str(path.relative_to(root)): hash_bytes(path.read_bytes())
            for path in sorted(root.rglob("*"))
            if path.is_file() and not path.name.endswith(_PASSED_OVER)
        }

    return contents


RESULT_JOBS: dict[str, Job] = {
    "predict": predict_cases,
    "export": export_cases,
    "cache": cache_cases,
    "generate": generate_cases,
}
