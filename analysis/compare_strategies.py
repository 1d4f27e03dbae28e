"""Which strategy beats the baseline, by how much, and is that more than chance?

    python analysis/compare_strategies.py runs --baseline b4_dice
    python analysis/compare_strategies.py runs/b4_dice runs/b4_focal --baseline b4_dice --out focal
    python analysis/compare_strategies.py runs --baseline b4_dice --postprocessed
    python analysis/compare_strategies.py pilot --study study.yaml --power
    python analysis/compare_strategies.py runs --study study.yaml

A strategy is a spec's name, its seeds are its runs. Strategies are paired image by image on the
same images; numbers of other images, thresholds or definitions are refused. Run folders are all
that is read; unfinished runs are named and left out. Written are comparison.md, comparison.csv,
runs.csv and the figures differences, classes and, where the baseline's spec has a published figure,
published: that metric alone, on an axis of its own.

A study file fixes baseline, metric, part and the tested strategies before the first run
(steelexp/comparison/study.py). With --power the runs are a pilot, and what is printed is the share
of studies that would call a true difference.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure

from analysis.strategies.comparison import ALL, Comparison, compare
from analysis.strategies.comparison_figures import draw_classes, draw_differences
from analysis.strategies.comparison_tables import (
    interval,
    markdown,
    rows_csv,
    runs_csv,
    signed,
    verdict,
    warnings,
)
from analysis.strategies.power_table import power_lines
from analysis.strategies.published_figure import draw_published
from steelexp.comparison.evaluated_runs import EvaluatedRuns, read_evaluated, with_postprocessed
from steelexp.comparison.study import Study, read_study
from steelexp.errors import UserError, explain_write_errors
from steelexp.metrics import COMPARED, PRIMARY
from steelexp.progress import say
from steelexp.records.atomic import write_atomically
from steelexp.terminal import Parser, prepare_output, print_error

FORMATS: Final = ("png", "pdf", "svg")


def main(argv: list[str]) -> int:
    """Write the comparison that `argv` asks for; 0 if it is written, 2 if it cannot be."""
    prepare_output()
    arguments = _parser().parse_args(argv)
    try:
        study = _study(arguments)
        if arguments.metric not in COMPARED:
            raise UserError(
                f"--metric {arguments.metric}: not paired image by image; {', '.join(COMPARED)}"
            )
        if arguments.power:
            say(*power_lines(study, read_evaluated(arguments.runs, arguments.part)))
            return 0
        evaluated = _evaluated(arguments)
        comparison = compare(
            evaluated,
            arguments.baseline,
            tested=study.metric if study else PRIMARY,
            family=study.family.strategies if study else None,
        )
        figures, unpublished = _figures(comparison, arguments.metric)
        with explain_write_errors(arguments.out, "choose another folder with --out"):
            files = _write(comparison, figures, study, arguments)
    except UserError as error:
        print_error(*error.lines, before="compare_strategies")
        return 2
    for text in (*evaluated.left_out, *warnings(comparison), *unpublished):
        print_error(text.removeprefix("- "), before="compare_strategies")
    say(*_summary(comparison, arguments.metric))
    say(f"comparison of {len(evaluated.strategies)} strategies: {', '.join(map(str, files))}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="compare_strategies",
        description="Compare strategies with a baseline: differences, 95 % intervals, tests.",
    )
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUNS", help="a run folder, or a folder of runs"
    )
    parser.add_argument("--baseline", metavar="NAME", help="the spec name that others are held to")
    parser.add_argument(
        "--metric",
        help=f"what is drawn and printed: {', '.join(COMPARED)}; the tables hold all, and the "
        f"tests are of {PRIMARY} (default: {PRIMARY})",
    )
    parser.add_argument(
        "--part",
        choices=("test", "val"),
        help="of the split; validation images picked the epochs (default: test)",
    )
    parser.add_argument(
        "--study",
        type=Path,
        metavar="FILE",
        help="a study file; it says baseline, metric, part and which strategies are tested",
    )
    parser.add_argument(
        "--power",
        action="store_true",
        help="print what the study can show; the runs are a pilot of the baseline, and of others",
    )
    parser.add_argument(
        "--postprocessed",
        action="store_true",
        help="add each strategy again with the post-processing tuned on the validation images",
    )
    parser.add_argument(
        "--format", choices=FORMATS, default="png", help="of the figures (default: %(default)s)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("comparison"),
        metavar="DIR",
        help="where all is written (default: %(default)s)",
    )
    return parser


def _study(arguments: argparse.Namespace) -> Study | None:
    """The study, if one is given; baseline, metric and part of the arguments are filled in."""
    if arguments.study is None:
        if arguments.power:
            raise UserError("--power: what is planned is in a study file; add --study FILE")
        if arguments.baseline is None:
            raise UserError("--baseline NAME or --study FILE is needed")
        arguments.metric = arguments.metric or PRIMARY
        arguments.part = arguments.part or "test"
        return None
    for name in ("baseline", "metric", "part", "postprocessed"):
        if getattr(arguments, name):
            raise UserError(f"--{name}: the study says it; leave it out, or leave out --study")
    study = read_study(arguments.study)
    arguments.baseline = study.baseline
    arguments.metric = study.metric
    arguments.part = study.part
    return study


def _evaluated(arguments: argparse.Namespace) -> EvaluatedRuns:
    evaluated = read_evaluated(arguments.runs, arguments.part)
    if not arguments.postprocessed:
        return evaluated
    if arguments.part != "test":
        raise UserError(
            "--postprocessed: the rules were tuned on the validation images; use --part test"
        )
    return with_postprocessed(evaluated, arguments.runs)


def _figures(comparison: Comparison, metric: str) -> tuple[dict[str, Figure], list[str]]:
    """The figures by name, and why one is not drawn."""
    figures = {
        "differences": draw_differences(comparison, metric),
        "classes": draw_classes(comparison, metric),
    }
    published = draw_published(comparison.evaluated, comparison.baseline)
    if isinstance(published, Figure):
        return figures | {"published": published}, []
    return figures, [published] if published else []


def _write(
    comparison: Comparison,
    figures: dict[str, Figure],
    study: Study | None,
    arguments: argparse.Namespace,
) -> list[Path]:
    out: Path = arguments.out
    texts = {
        "comparison.md": markdown(comparison, study),
        "comparison.csv": rows_csv(comparison),
        "runs.csv": runs_csv(comparison),
    }
    files = [write_atomically(out / name, text.encode()) for name, text in texts.items()]
    for name, figure in figures.items():
        path = out / f"{name}.{arguments.format}"
        figure.savefig(path, dpi=200)
        files.append(path)
    return files


def _summary(comparison: Comparison, metric: str) -> list[str]:
    """A line a strategy."""
    rows = comparison.of(metric, ALL)
    width = max(len(row.strategy) for row in rows)
    lines = [f"{metric} less that of {comparison.baseline} ({rows[0].baseline_mean:.3f})"]
    for row in sorted(rows, key=lambda row: -row.difference):
        line = f"  {row.strategy:{width}}  {signed(row.difference)}  [{interval(row)}]  "
        lines.append((line + verdict(comparison, row)).rstrip(" -"))
    return lines


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
