"""Learning curves of one run, or of several together.

    python analysis/learning_curves.py runs/b4_dice/3f9c1a7e
    python analysis/learning_curves.py runs --metric val_iou_pooled --out curves.png

At the left the training and validation loss, at the right a metric: of one run overall and per
class, of several runs a line each. The best epoch is marked. Of strategies with several seeds the
metric alone is drawn, mean and spread of each strategy in a panel of its own; `--metric val_loss`
draws their loss. Run folders are all that is read.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections import Counter
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.epoch_curves import Run, Values, best_epoch, read_runs
from analysis.strategies.strategy_curves import draw_strategies
from steelexp.errors import UserError, explain_write_errors
from steelexp.metric_names import axis_title, classes_of, full_name, parse_name
from steelexp.metrics import LOSS, PRIMARY, is_bounded, lower_is_better
from steelexp.palette import CLASS_COLOURS, INK, RUN_COLOURS
from steelexp.plain_figure import plain_figure
from steelexp.progress import say
from steelexp.terminal import Parser, prepare_output, print_error

MARKERS: Final = ("", "o", "s", "^", "D", "v", "P", "X")
VAL_LOSS: Final = full_name(LOSS, "val")
FORMATS: Final = (".png", ".pdf", ".svg")


def main(argv: list[str]) -> int:
    """Draw the learning curves that `argv` asks for; 0 if they are drawn, 2 if they cannot be."""
    prepare_output()
    arguments = _parser().parse_args(argv)
    try:
        if arguments.out.suffix not in FORMATS:
            raise UserError(
                f"--out {arguments.out}: its ending has to be one of {', '.join(FORMATS)}"
            )
        runs = read_runs(arguments.runs)
        figure = draw(runs, arguments.metric)
        with explain_write_errors(arguments.out, "choose another file with --out"):
            arguments.out.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(arguments.out, dpi=160)
    except UserError as error:
        print_error(*error.lines, before="learning_curves")
        return 2
    say(f"learning curves of {len(runs)} run{'s'[: len(runs) > 1]}: {arguments.out}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="learning_curves",
        description="Draw loss and a metric of runs, epoch by epoch, and mark the best epoch.",
    )
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="a run folder, or a folder of runs"
    )
    parser.add_argument(
        "--metric",
        default=full_name(PRIMARY, "val"),
        help="a metric of epochs.jsonl (default: %(default)s); the least value of a loss is its "
        "best, the greatest of any other metric",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("learning_curves.png"),
        metavar="FILE",
        help="the picture: .png, .pdf or .svg (default: %(default)s)",
    )
    return parser


def draw(runs: list[Run], metric: str) -> Figure:
    """Draw the loss and the metric, side by side, or the metric of strategies with several seeds.

    Args:
        runs: one run, drawn with its classes, several, drawn as a line each, or strategies.
        metric: a name in `Run.metrics`, such as "val_dice_positive".

    Raises:
        UserError: a run does not have the metric.
    """
    for run in runs:
        if np.isnan(run.metrics.get(metric, np.array([np.nan]))).all():
            metrics = ", ".join(name for name in run.metrics if "/" not in name)
            raise UserError(f"{run.folder}: no value of {metric}; its metrics are {metrics}")
    names = {run.name for run in runs}
    if 1 < len(names) < len(runs):
        return draw_strategies(runs, metric)
    figure = plain_figure(
        figsize=(11.0, 4.2), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1)
    )
    loss, score = figure.subplots(1, 2)
    if len(runs) == 1:
        loss.set_title(_wrapped(f"{runs[0].name}, seed {runs[0].seed}"), loc="left")
        _draw_loss_of_one(loss, runs[0])
        _draw_metric_of_one(score, runs[0], metric)
    else:
        handles = _draw_each(loss, score, runs, metric)
        lines = sum(str(handle.get_label()).count("\n") + 1 for handle in handles)
        figure.set_size_inches(13.0, max(4.2, 1.0 + 0.22 * lines))
        figure.legend(handles=handles, loc="outside right center", frameon=False, fontsize=9)
        _explain_lines(loss, score)
    _label(loss, LOSS)
    _label(score, metric)
    return figure


def _draw_loss_of_one(axes: Axes, run: Run) -> None:
    for metric, label, colour, style in (
        (LOSS, "training", RUN_COLOURS[0], "--"),
        (VAL_LOSS, "validation", RUN_COLOURS[4], "-"),
    ):
        if metric in run.metrics:
            _line(axes, run, run.metrics[metric], colour, linestyle=style, label=label)
    if axes.lines:
        axes.legend(frameon=False)


def _draw_metric_of_one(axes: Axes, run: Run, metric: str) -> None:
    values = run.metrics[metric]
    best = best_epoch(values, metric)
    lines = []
    part, base, _ = parse_name(metric)
    for number, name in enumerate(classes_of(run.metrics)):
        curve = run.metrics.get(full_name(base, part, name))
        if curve is None:
            continue
        colour = CLASS_COLOURS[number % len(CLASS_COLOURS)]
        score = "none" if np.isnan(curve[best]) else f"{curve[best]:.3f}"
        lines.append(_line(axes, run, curve, colour, label=_wrapped(f"{name}: {score}")))
    label = f"{'all classes' if lines else metric}: {values[best]:.3f}"
    overall = _line(axes, run, values, INK, linewidth=2.8, label=label)
    axes.axvline(run.epochs[best], color=INK, linewidth=0.8, linestyle=":")
    axes.plot(run.epochs[best], values[best], "*", color=INK, markersize=14, zorder=4)
    axes.legend(
        handles=[overall, *lines],
        title=f"best epoch: {run.epochs[best]}",
        alignment="left",
        frameon=False,
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
    )


def _draw_each(loss: Axes, score: Axes, runs: list[Run], metric: str) -> list[Line2D]:
    """Draw a line a run, of one colour where they share a name; return the legend, best first."""
    names = list(dict.fromkeys(run.name for run in runs))
    colours_used: Counter[str] = Counter()
    ranked = []
    for number, run in enumerate(runs):
        group = names.index(run.name) if len(names) > 1 else number
        colour = RUN_COLOURS[group % len(RUN_COLOURS)]
        marker = MARKERS[colours_used[colour] % len(MARKERS)]
        colours_used[colour] += 1
        if LOSS in run.metrics:
            _line(loss, run, run.metrics[LOSS], colour, linestyle="--", linewidth=1.0)
        if VAL_LOSS in run.metrics:
            _line(loss, run, run.metrics[VAL_LOSS], colour, marker=marker)
        values = run.metrics[metric]
        best = best_epoch(values, metric)
        text = f"{run.name}, seed {run.seed}: {values[best]:.3f} at epoch {run.epochs[best]}"
        line = _line(score, run, values, colour, marker=marker, label=_wrapped(text))
        score.plot(run.epochs[best], values[best], "*", color=colour, markersize=14, zorder=4)
        ranked.append((values[best], line))
    ranked.sort(key=lambda pair: pair[0], reverse=not lower_is_better(metric))
    return [line for _, line in ranked]


def _explain_lines(loss: Axes, score: Axes) -> None:
    validation = Line2D([], [], color=INK, label="validation")
    training = Line2D([], [], color=INK, linestyle="--", linewidth=1.0, label="training")
    best = Line2D([], [], color=INK, linestyle="", marker="*", markersize=11, label="best epoch")
    loss.legend(handles=[validation, training], frameon=False)
    score.legend(handles=[best], frameon=False)


def _line(axes: Axes, run: Run, values: Values, colour: str, **style: Any) -> Line2D:
    """Draw a curve over the epochs that have a value; a single one is a dot."""
    defined = ~np.isnan(values)
    count = int(np.count_nonzero(defined))
    if count == 1 and not style.get("marker"):
        style["marker"] = "o"
    every = max(1, count // 8)
    (line,) = axes.plot(
        run.epochs[defined], values[defined], color=colour, markersize=5, markevery=every, **style
    )
    return line


def _label(axes: Axes, metric: str) -> None:
    axes.set_ylabel(axis_title(metric))
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(axis="y", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if is_bounded(metric):
        axes.set_ylim(-0.02, 1.02)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 48)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
