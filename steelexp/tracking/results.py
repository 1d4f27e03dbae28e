"""The closing events of a run: final table, curves, confusion matrix, weights."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from steelexp.records.evaluation_report import FILE as EVALUATION
from steelexp.spreadsheet import guarded
from steelexp.tracking.journal import file_entry
from steelexp.tracking.tracker import TrackedRun

TABLE = "classes.csv"
CONFUSION = "confusion.json"
CURVE = "precision and recall/{name}"


def results(
    run: TrackedRun, metrics: Mapping[str, float]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The closing events of a run.

    Args:
        run: Finished run; its evaluation.json and weights are added where they exist.
        metrics: Final metrics; empty where the run was stopped.
    """
    if not metrics:
        yield "others", {"status": "stopped"}
        return
    yield "others", {f"best/{name}": value for name, value in metrics.items()}
    yield "table", {"name": TABLE, **_table(metrics)}
    report = run.folder / EVALUATION
    if report.is_file():
        yield from _evaluated(json.loads(report.read_bytes()))
    if run.model is not None and run.weights is not None and run.weights.is_file():
        yield "model", {"name": run.model, **file_entry(run.weights, run.folder)}
    yield "others", {"status": "finished"}


def _table(metrics: Mapping[str, float]) -> dict[str, Any]:
    """A row a class, a column a metric; "all" holds what is not of one class."""
    cells = {}
    for name, value in metrics.items():
        metric, _, label = name.partition("/")
        cells[label or "all", metric] = value
    classes = sorted({label for label, _ in cells}, key=lambda label: (label == "all", label))
    names = list(dict.fromkeys(metric for _, metric in cells))
    rows = [
        [guarded(label), *(cells.get((label, name), "") for name in names)] for label in classes
    ]
    return {"headers": ["class", *names], "rows": rows}


def _evaluated(report: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for label, curve in report["pr"].items():
        points = [
            (recall, precision)
            for recall, precision in zip(curve["recall"], curve["precision"], strict=True)
            if recall is not None and precision is not None
        ]
        if points:
            recall, precision = zip(*points, strict=True)
            yield "curve", {"name": CURVE.format(name=label), "x": recall, "y": precision}
    confusion = report["confusion"]
    yield (
        "confusion",
        {
            "name": CONFUSION,
            "title": f"Pixels of the {report['part']} images",
            "matrix": confusion["pixels"],
            "labels": confusion["labels"],
        },
    )
