"""Which charts a page holds: of one run, of strategies together, of a search."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

from steelexp.metric_names import full_name
from steelexp.metrics import CURVES, LOSS, PRIMARY
from steelexp.palette import STRATEGY_ORDER
from steelexp.records.evaluation_report import EvaluationReport
from steelexp.records.store import Epoch
from steelexp.report.charts import COLOURS, Chart, Drawing, Series, draw
from steelexp.report.runs import Run
from steelexp.report.searches import Search

UNIT: Final = (0.0, 1.0)
MOST_TRIALS: Final = 60  # lines of a search's learning curves


def run_curves(run: Run) -> list[Drawing]:
    """Loss, the overall metrics, and each class, by epoch; the best one is marked."""
    mark = None if run.best_epoch is None else (float(run.best_epoch), "best")
    of_class = [
        Series(label, _points(run.epochs, full_name(PRIMARY, "val", label)), number)
        for number, label in enumerate(run.classes)
    ]
    overall = [
        Series(name, _points(run.epochs, full_name(name, "val")), number)
        for number, name in enumerate(CURVES)
    ]
    loss = [
        Series("training tiles", _points(run.epochs, LOSS), 3),
        Series("validation tiles", _points(run.epochs, full_name(LOSS, "val")), 2),
    ]
    return _drawings(
        Chart("Loss", "epoch", "loss", loss, mark),
        Chart("On the validation images", "epoch", "score", overall, mark),
        Chart("Per class, on the validation images", "epoch", PRIMARY, of_class, mark),
    )


def strategy_curves(runs: Sequence[Run], colours: dict[str, int]) -> list[Drawing]:
    """A panel a metric and class: the mean of each strategy's runs, and from least to greatest."""
    panels = [(name, "score", full_name(name, "val")) for name in CURVES]
    panels += [
        (f"class {label}", PRIMARY, full_name(PRIMARY, "val", label)) for label in runs[0].classes
    ]
    lines: list[list[Series]] = [[] for _ in panels]
    for name, each in _by_name(runs).items():
        epochs = [run.read_epochs() for run in each]
        for (_, _, key), panel in zip(panels, lines, strict=True):
            values = [dict(_points(of_run, key)) for of_run in epochs]
            panel.append(_strategy(name, values, _colour(colours[name])))
    return _drawings(
        *(
            Chart(title, "epoch", y_title, panel)
            for (title, y_title, _), panel in zip(panels, lines, strict=True)
            if panel
        )
    )


def _by_name(runs: Sequence[Run]) -> dict[str, list[Run]]:
    by_name: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        by_name[run.name].append(run)
    return by_name


def _strategy(name: str, runs: Sequence[dict[float, float]], colour: int) -> Series:
    """The mean of the runs, and the range from the least to the greatest.

    Args:
        name: Name of the strategy.
        runs: Epoch -> value, of each run.
        colour: Number of the colour.
    """
    shared = sorted(set.intersection(*map(set, runs)))
    values = {x: [run[x] for run in runs] for x in shared}
    mean = [(x, sum(ys) / len(ys)) for x, ys in values.items()]
    band = [(x, min(ys), max(ys)) for x, ys in values.items()] if len(runs) > 1 else []
    return Series(name, mean, colour, band=band)


def _colour(number: int) -> int:
    """The colour of a strategy; after eight they repeat with another dash."""
    return number // COLOURS * COLOURS + STRATEGY_ORDER[number % COLOURS]


def evaluation_charts(report: EvaluationReport) -> list[Drawing]:
    """Precision against recall, and calibration, of each class."""
    precision_recall: list[Series] = []
    calibration: list[Series] = []
    for number, label in enumerate(report.classes or report.pr):
        if (pr := report.pr.get(label)) is not None:
            area = "" if pr.average_precision is None else f" (AP {pr.average_precision:.2f})"
            precision_recall.append(
                Series(f"{label}{area}", _pairs(pr.recall, pr.precision), number)
            )
        if (curve := report.calibration.get(label)) is not None:
            calibration.append(Series(label, _pairs(curve.score, curve.share), number))
    pixels = f"of the pixels, {report.part} images"
    return _drawings(
        Chart(
            f"Precision and recall {pixels}",
            "recall",
            "precision",
            precision_recall,
            x_range=UNIT,
            y_range=UNIT,
        ),
        Chart(
            f"Calibration {pixels}",
            "score",
            "share that is of the class",
            calibration,
            diagonal=True,
            x_range=UNIT,
            y_range=UNIT,
        ),
    )


def search_charts(search: Search) -> list[Drawing]:
    """Progress, the learning curves of the trials, and the score against each setting."""
    if search.file is None:
        return []
    scored = [(n, trial) for n, trial in enumerate(search.file.trials) if trial.score is not None]
    points = [(float(n + 1), trial.score) for n, trial in scored if trial.score is not None]
    pick = max if search.file.direction == "max" else min
    best = [(x, pick(y for _, y in points[: n + 1])) for n, (x, _) in enumerate(points)]
    objective = search.file.objective
    progress = Chart(
        "Progress",
        "trial",
        objective,
        [Series("each trial", points, 3, "dots"), Series("best so far", best, 2, "steps")],
    )
    drawing = draw(progress)
    if drawing is None:
        return []
    _, _, low, high = drawing.scale
    curves = Chart("Learning curves", "epoch", objective, _trial_curves(search, objective))
    space = search.file.space.items()
    by_setting = [_against(search, path, values, (low, high)) for path, values in space]
    return [drawing, *_drawings(curves, *by_setting)]


def _trial_curves(search: Search, objective: str) -> list[Series]:
    assert search.file is not None
    trials = [each for each in search.file.trials if each.id != search.file.best]
    lines = [
        Series(each.id, _points(search.epochs(each), objective), -1, thin=True)
        for each in trials[:MOST_TRIALS]
    ]
    if (best := search.best) is not None:
        lines.append(Series(f"best, {best.id}", _points(search.epochs(best), objective), 2))
    return lines


def _against(
    search: Search, path: str, values: dict[str, Any], scores: tuple[float, float]
) -> Chart:
    """The score of every trial by one setting; choices stand side by side."""
    assert search.file is not None
    choices = [str(choice) for choice in values.get("choice", ())]
    points = []
    for trial in search.file.trials:
        if trial.score is None or path not in trial.values:
            continue
        value = trial.values[path]
        if choices:
            points.append((_place(str(value), choices), trial.score))
        elif isinstance(value, int | float):
            points.append((float(value), trial.score))
    return Chart(
        f"Score by {path}",
        path,
        search.file.objective,
        [Series("each trial", points, 3, "dots")],
        log_x="log_uniform" in values,
        x_names=choices,
        x_range=(0.5, len(choices) + 0.5) if choices else _ends(values),
        y_range=scores,
    )


def _place(value: str, choices: Sequence[str]) -> float:
    return choices.index(value) + 1.0 if value in choices else math.nan


def _ends(values: dict[str, Any]) -> tuple[float, float] | None:
    """The range of a setting; None where they are not two different numbers."""
    ends = next((each for each in values.values() if isinstance(each, list)), [])
    if len(ends) != 2 or not all(isinstance(end, int | float) for end in ends):
        return None
    return (float(ends[0]), float(ends[1])) if ends[0] < ends[1] else None


def _points(epochs: Iterable[Epoch], key: str) -> list[tuple[float, float]]:
    return [(float(e.epoch), e.metrics[key]) for e in epochs if key in e.metrics]


def _pairs(xs: Sequence[float | None], ys: Sequence[float | None]) -> list[tuple[float, float]]:
    return [(x, y) for x, y in zip(xs, ys, strict=False) if x is not None and y is not None]


def _drawings(*charts: Chart) -> list[Drawing]:
    return [drawing for chart in charts if (drawing := draw(chart)) is not None]
