"""The network of a run as it is registered at a tracking service: without its optimizer.

`weights` is a zip file of a small run folder, NAME/DIGEST/: spec.yaml, run.json, record.json and
weights/best.h5. The commands predict, evaluate and export take the unpacked folder as they take a
run folder. `onnx` is the network with its model card, as the command export writes it.
"""

import json
import math
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from steelexp.errors import reason
from steelexp.inference.export import export, replaced_weights
from steelexp.metric_names import LOWER, UPPER, full_name, grouped_name
from steelexp.metrics import HEADLINES, PRIMARY
from steelexp.plan import Plan
from steelexp.progress import say
from steelexp.records.atomic import replacing
from steelexp.records.evaluation_report import EvaluationReport
from steelexp.records.model_card import card_of
from steelexp.records.postprocessing import describe_rules
from steelexp.records.record import Record
from steelexp.records.run_file import hashes_of, write_run_file
from steelexp.records.store import RECORD, RunFolder
from steelexp.run_model import load_model
from steelexp.tracking.tracker import ModelFormat, TrackedModel
from steelexp.training import checkpoint

FOLDER: Final = "registered"
"""Folder of the registered network below the run folder."""

COMPARED: Final = 2
"""Validation images on which an ONNX export is compared with the network."""

SPEC: Final = "spec.yaml"


def tracked_model(
    form: ModelFormat, model: Any, plan: Plan, record: Record, report: EvaluationReport
) -> TrackedModel | None:
    """Write a run's network to its folder and describe it; a line says where that fails.

    A resumed run keeps the file of an earlier session if it holds the same weights, because the
    tracker may have noted it.

    Args:
        form: Format of the file.
        model: Network with the weights of the best epoch.
        plan: Plan of the run.
        record: Record of the run.
        report: Evaluation of the run.

    Returns:
        The file and its description; None where nothing is registered.
    """
    if form == "none":
        return None
    try:
        path = _WRITERS[form](model, plan, record)
    except Exception as error:  # the run must not fail with its tracking
        say(f"{plan.folder.path / FOLDER}: the model is not registered ({reason(error)})")
        return None
    return TrackedModel(path, _comment(record, report), _metadata(record, report))


def write_inference_folder(target: Path, model: Any, source: RunFolder, record: Record) -> None:
    """Write what prediction needs of a run: a run folder without optimizer, epochs and results.

    Args:
        target: Folder to write into.
        model: Network with the weights of the best epoch.
        source: Run folder.
        record: Record of the run.
    """
    target.mkdir(parents=True)
    folder = RunFolder(target)
    folder.write(SPEC, source.file(SPEC).read_text("utf-8"))
    write_run_file(target, record.digest, hashes_of(target, [SPEC]))
    folder.best_weights.parent.mkdir()
    checkpoint.save_weights(folder.best_weights, model, record.digest)
    folder.finish(record)


def _write_weights(model: Any, plan: Plan, record: Record) -> Path:
    path = plan.folder.path / FOLDER / "model.zip"
    place = f"{record.name}/{record.digest}"
    if _zipped_weights(path, f"{place}/{RECORD}") == record.weights:
        return path
    path.parent.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=path.parent) as temporary, replacing(path) as beside:
        target = Path(temporary) / "run"
        write_inference_folder(target, model, plan.folder, record)
        with zipfile.ZipFile(beside, "w") as archive:  # weights cannot be compressed
            for file in sorted(path for path in target.rglob("*") if path.is_file()):
                archive.write(file, f"{place}/{file.relative_to(target).as_posix()}")
    return path


def _zipped_weights(path: Path, member: str) -> str | None:
    """Hash of the weights in a whole file of an earlier session; None without one."""
    try:
        with zipfile.ZipFile(path) as archive:
            whole = archive.testzip() is None
            return str(json.loads(archive.read(member))["weights"]) if whole else None
    except (OSError, zipfile.BadZipFile, KeyError, ValueError):
        return None


def _write_onnx(model: Any, plan: Plan, record: Record) -> Path:
    """In float32, whatever the precision of the training: another network of the same weights."""
    path = plan.folder.path / FOLDER / "model.onnx"
    card = card_of(record)
    if path.is_file() and replaced_weights("onnx", path, card) is None:
        return path
    path.parent.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=path.parent) as temporary:
        target = Path(temporary) / "run"
        write_inference_folder(target, model, plan.folder, record)
        network = load_model(RunFolder(target), precision="float32", decoder="plain")
    images = [plan.dataset.image(row) for row in plan.split.val[:COMPARED].tolist()]
    export(network, card, "onnx", path, images, source=plan.folder.best_weights)
    return path


_WRITERS: dict[str, Callable[[Any, Plan, Record], Path]] = {
    "weights": _write_weights,
    "onnx": _write_onnx,
}


def _comment(record: Record, report: EvaluationReport) -> str:
    """For example "b4_dice 3f9c1a7e: test_dice_positive 0.812, 95 % interval 0.790 to 0.834"."""
    name = full_name(PRIMARY, report.part)
    text = f"{record.name} {record.digest}: {name} {record.metrics[name]:.3f}"
    if PRIMARY not in report.intervals:
        return text
    lower, upper = report.intervals[PRIMARY]
    return f"{text}, 95 % interval {lower:.3f} to {upper:.3f}"


def _metadata(record: Record, report: EvaluationReport) -> dict[str, str | int | float]:
    """Run, data, post-processing and the headline metrics with their intervals."""
    post = record.postprocessing
    facts: dict[str, str | int | float] = {
        "spec": record.name,
        "run": record.digest,
        "seed": record.seed,
        "best_epoch": record.best_epoch,
        "weights": record.weights,
        "data": record.data,
        "images": record.image_count,
        "classes": ", ".join(record.class_weights),
        "threshold": record.threshold,
        "postprocessing": "none" if post is None else f"tuned for {post.metric}",
    }
    rules = {} if post is None else post.classes
    facts |= {f"postprocessing/{label}": describe_rules(each) for label, each in rules.items()}
    facts |= _scores(record.metrics, report.part, report.intervals, report.classes)
    return facts | _scores(record.metrics, "test_post", report.post_intervals, report.classes)


def _scores(
    metrics: Mapping[str, float],
    part: Any,
    intervals: Mapping[str, tuple[float, float]],
    classes: Sequence[str],
) -> dict[str, float]:
    """The headline metrics of a part, the first of them for each class too, with intervals."""
    values = {}
    for metric in (*HEADLINES, *(full_name(PRIMARY, None, label) for label in classes)):
        name = full_name(metric, part)
        if math.isfinite(metrics.get(name, math.nan)):
            values[name] = metrics[name]
            lower, upper = intervals.get(metric, (math.nan, math.nan))
            bounds = {grouped_name(LOWER, name): lower, grouped_name(UPPER, name): upper}
            values |= {key: value for key, value in bounds.items() if math.isfinite(value)}
    return values
