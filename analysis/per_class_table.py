"""Every strategy on every class: mean and spread over the seeds.

    python analysis/per_class_table.py runs
    python analysis/per_class_table.py runs --metric iou_pooled --out per_class.csv

Printed as Markdown; --out writes it, or as CSV in full digits. Run folders are all that is read.
Numbers of other images, thresholds or definitions do not share a table: they are refused.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from analysis.strategies.comparison_tables import figure, plain_line, setting, table
from steelexp.comparison.evaluated_runs import EvaluatedRuns, read_evaluated
from steelexp.errors import UserError, explain_write_errors
from steelexp.metric_names import class_names
from steelexp.metrics import ALL_EMPTY, ON_IMAGES, PRIMARY
from steelexp.progress import say
from steelexp.records.atomic import write_atomically
from steelexp.spreadsheet import csv_text
from steelexp.terminal import Parser, prepare_output, print_error

FORMATS: Final = (".md", ".csv")

Values = npt.NDArray[np.float64]


def main(argv: list[str]) -> int:
    """Print the table that `argv` asks for; 0 if it is printed, 2 if it cannot be."""
    prepare_output()
    arguments = _parser().parse_args(argv)
    out: Path | None = arguments.out
    try:
        if out is not None and out.suffix not in FORMATS:
            raise UserError(f"--out {out}: its ending has to be one of {', '.join(FORMATS)}")
        evaluated = read_evaluated(arguments.runs, arguments.part)
        values = per_class(evaluated, arguments.metric)
        text = markdown(evaluated, arguments.metric, values)
        if out is not None:
            content = text if out.suffix == ".md" else long(evaluated, values)
            with explain_write_errors(out, "choose another file with --out"):
                write_atomically(out, content.encode())
    except UserError as error:
        print_error(*error.lines, before="per_class_table")
        return 2
    say(*text.splitlines())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="per_class_table", description="Mean and spread of each strategy on each class."
    )
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUNS", help="a run folder, or a folder of runs"
    )
    parser.add_argument(
        "--metric", default=PRIMARY, help="metric of whole images (default: %(default)s)"
    )
    parser.add_argument(
        "--part",
        choices=("test", "val"),
        default="test",
        help="of the split; validation images picked the epochs (default: %(default)s)",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="a .md or a .csv, too")
    return parser


def per_class(evaluated: EvaluatedRuns, metric: str) -> dict[str, Values]:
    """Strategy -> [R, C + 1] of each run, all classes last; the best strategy first.

    Raises:
        UserError: the records have no such metric per class.
    """
    definitions = evaluated.record.definitions
    names = [each.name for each in ON_IMAGES if each.name in definitions]
    if metric not in names:
        raise UserError(f"--metric {metric}: not known per class; {', '.join(names)}")
    keys = class_names(metric, evaluated.images.classes)
    values_by_strategy = {
        name: np.array([[run.metric(key) for key in keys] for run in runs])
        for name, runs in evaluated.strategies.items()
    }
    return dict(
        sorted(values_by_strategy.items(), key=lambda item: -np.nan_to_num(item[1][:, -1].mean()))
    )


def markdown(evaluated: EvaluatedRuns, metric: str, values: dict[str, Values]) -> str:
    """A row a strategy, a column a class, as mean ± standard deviation over the runs."""
    images_per_class = evaluated.images.has_class.sum(axis=0).tolist()
    labels = zip(evaluated.images.classes, images_per_class, strict=True)
    head = ["strategy", "runs", *(f"{label} ({count:,} images)" for label, count in labels), "all"]
    body = [
        [name, str(len(runs)), *(_spread(column) for column in runs.T)]
        for name, runs in values.items()
    ]
    if metric == "dice_kaggle":
        empty = per_class(evaluated, ALL_EMPTY)
        nothing = next(iter(empty.values()))[0].tolist()
        body.append(["(predicting nothing)", "-", *map(figure, nothing)])
    meaning = (
        f"{metric}: {evaluated.record.definitions[metric]}. Mean ± standard deviation over runs."
    )
    return (
        "\n\n".join([plain_line(setting(evaluated)), plain_line(meaning), table(head, body)]) + "\n"
    )


def _spread(values: Values) -> str:
    mean = figure(float(values.mean()))
    return f"{mean} ± {values.std(ddof=1):.3f}" if len(values) > 1 and mean != "-" else mean


def long(evaluated: EvaluatedRuns, values: dict[str, Values]) -> str:
    """A line a strategy and class: strategy, class, runs, mean, sd; empty where undefined."""
    rows: list[list[Any]] = [["strategy", "class", "runs", "mean", "sd"]]
    for name, runs in values.items():
        for label, column in zip([*evaluated.images.classes, "all"], runs.T, strict=True):
            sd = column.std(ddof=1) if len(column) > 1 else np.nan
            cells = ["" if np.isnan(value) else value for value in (column.mean(), sd)]
            rows.append([name, label, len(column), *cells])
    return csv_text(rows)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
