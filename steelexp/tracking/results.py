"""The closing events of a run: final metrics, table, curves, confusion matrix, model."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from steelexp.metric_names import BEST, LOWER, UPPER, full_name, grouped_name, parse_name
from steelexp.records.evaluation_report import FILE as EVALUATION
from steelexp.spreadsheet import guarded
from steelexp.tracking.journal import Event, New, file_entry
from steelexp.tracking.tracker import TrackedModel, TrackedRun

CLASSES = "classes.csv"
CONFUSION = "confusion.json"
CONFUSION_TABLE = "confusion.csv"
CURVE = "precision and recall/{name}"
CALIBRATION = "calibration/{name}"
FEWEST_PIXELS = 100
"""Fewest pixels of a bin of a calibration curve; with fewer its share is chance."""

PLOTS = {name: f"plots/{name}" for name in ("pr", "calibration", "confusion")}
"""Plot of an evaluation -> name of its picture."""


def results(
    run: TrackedRun,
    metrics: Mapping[str, float],
    events: Sequence[Event],
    *,
    status: str,
    model: TrackedModel | None = None,
    model_status: str | None = None,
) -> Iterator[New]:
    """The closing events of a run.

    Args:
        run: Finished run; its evaluation.json is added where it exists.
        metrics: Final metrics; empty where the run was stopped.
        events: Events of the run so far.
        status: State of the run at its end: finished, stopped or diverged.
        model: Network to register; None for no registration.
        model_status: Status of the registered version; None for none.
    """
    if not metrics:
        yield "others", {"status": status}
        return
    yield from final_metrics(run.folder, BEST, metrics, events)
    yield "table", {"name": CLASSES, **_table(run.name, metrics)}
    report = run.folder / EVALUATION
    if report.is_file():
        yield from _evaluated(run.name, json.loads(report.read_bytes()))
    if model is not None:
        yield from _registered(run, model, model_status)
    yield "others", {"status": status}


def _registered(run: TrackedRun, model: TrackedModel, status: str | None) -> Iterator[New]:
    if run.model is None or not model.path.is_file():
        return
    content = {
        "name": run.model,
        "comment": model.comment,
        "tags": list(run.tags),
        "status": status,
        "metadata": dict(model.metadata),
    }
    yield "model", {**content, **file_entry(model.path, run.folder)}


def final_metrics(
    folder: Path, group: str, metrics: Mapping[str, float], events: Sequence[Event]
) -> Iterator[New]:
    """The final metrics of a group and the bounds of their intervals, unless they were noted last.

    Args:
        folder: Folder of the evaluation, whose evaluation.json has the intervals.
        group: BEST, or the name of a later evaluation.
        metrics: Metric name -> value.
        events: Events of the run so far.
    """
    named = {grouped_name(group, name): value for name, value in metrics.items()}
    for name, (lower, upper) in _intervals(folder / EVALUATION).items():
        whole = name if group == BEST else grouped_name(group, name)
        named |= {grouped_name(LOWER, whole): lower, grouped_name(UPPER, whole): upper}
    earlier = [e.content for e in events if e.kind == "final" and e.content["group"] == group]
    if earlier and json.dumps(earlier[-1]["metrics"]) == json.dumps(named):
        return
    last = last_epoch(events)
    step = last["step"] + len(earlier)
    yield "final", {"group": group, "epoch": last["epoch"], "step": step, "metrics": named}


def _intervals(evaluation: Path) -> dict[str, tuple[float, float]]:
    """Full name of a metric -> its interval; of one without an interval there is none."""
    if not evaluation.is_file():
        return {}
    report = json.loads(evaluation.read_bytes())
    parts = {report["part"]: report["intervals"], "test_post": report["post_intervals"]}
    return {
        full_name(name, part): tuple(bounds)
        for part, intervals in parts.items()
        for name, bounds in intervals.items()
    }


def _table(run: str, metrics: Mapping[str, float]) -> dict[str, Any]:
    """A row a class, a column a metric; "all" holds what is not of one class.

    The run is in each row, because a panel joins the tables of several runs.
    """
    cells = {}
    for name, value in metrics.items():
        metric, _, label = name.partition("/")
        cells[label or "all", metric] = value
    classes = sorted({label for label, _ in cells}, key=lambda label: (label == "all", label))
    names = sorted(dict.fromkeys(metric for _, metric in cells), key=_test_first)
    rows = [
        [guarded(run), guarded(label), *(cells.get((label, name), "") for name in names)]
        for label in classes
    ]
    return {"headers": ["run", "class", *names], "rows": rows}


def _test_first(name: str) -> int:
    """Place of a metric's part: test images, post-processed, others."""
    order = ("test", "test_post")
    part = parse_name(name).part
    return order.index(part) if part in order else len(order)


def _evaluated(run: str, report: Mapping[str, Any]) -> Iterator[New]:
    for label, curve in report["pr"].items():
        points = [
            (recall, precision)
            for recall, precision in zip(curve["recall"], curve["precision"], strict=True)
            if recall is not None and precision is not None
        ]
        if points:
            recall, precision = zip(*points, strict=True)
            yield "curve", {"name": CURVE.format(name=label), "x": recall, "y": precision}
    for label, curve in report["calibration"].items():
        bins = zip(curve["score"], curve["share"], curve["pixels"], strict=True)
        points = [(score, share) for score, share, pixels in bins if pixels >= FEWEST_PIXELS]
        if points:
            score, share = zip(*points, strict=True)
            yield "curve", {"name": CALIBRATION.format(name=label), "x": score, "y": share}
    confusion = report["confusion"]
    labels = [guarded(label) for label in confusion["labels"]]
    rows = [
        [guarded(run), label, *row] for label, row in zip(labels, confusion["pixels"], strict=True)
    ]
    yield "table", {"name": CONFUSION_TABLE, "headers": ["run", "truth", *labels], "rows": rows}
    yield (
        "confusion",
        {
            "name": CONFUSION,
            "title": f"Pixels of the {report['part']} images",
            "matrix": confusion["pixels"],
            "labels": confusion["labels"],
        },
    )


def last_epoch(events: Sequence[Event]) -> Mapping[str, int]:
    """Number of the last epoch and its optimizer steps; 0 where there is none."""
    epochs = [event.content for event in events if event.kind == "epoch"]
    return epochs[-1] if epochs else {"epoch": 0, "step": 0}
