"""A published figure, beside the runs' values of the same metric and of nothing else."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from analysis.strategies.comparison_figures import LOWER, dots, label_rows
from steelexp.comparison.evaluated_run import EvaluatedRun
from steelexp.comparison.evaluated_runs import EvaluatedRuns
from steelexp.metric_names import parse_name
from steelexp.metrics import METRICS
from steelexp.plain_figure import plain_figure
from steelexp.spec.schema import PublishedSpec
from steelexp.spec.training_section import TilingSpec


def draw_published(evaluated: EvaluatedRuns, baseline: str) -> Figure | str:
    """Draw each run on the axis of the figure that the baseline's spec gives, and that figure.

    Returns:
        The figure; or why there is none, "" where no spec gives a published one.
    """
    published = evaluated.strategies[baseline][0].spec.published
    if published is None:
        return ""
    if reason := _incomparable(evaluated, published.metric):
        return f"published {published.metric} is not drawn: {reason}"
    return _draw(evaluated, published)


def _incomparable(evaluated: EvaluatedRuns, metric: str) -> str:
    """Why values of a metric are not of one kind; "" if they are."""
    runs = [run for runs_of_strategy in evaluated.strategies.values() for run in runs_of_strategy]
    if missing := [run.label for run in runs if metric not in run.record.metrics]:
        return f"{missing[0]} has no {metric}"
    if METRICS[parse_name(metric).metric].on_images:
        return ""
    for what, of in (("batch size", _batch_size), ("tiling", _tiling)):
        other = [run for run in runs if of(run) != of(runs[0])]
        if other:
            return (
                f"it depends on the {what}, and {other[0].label} has another than {runs[0].label}"
            )
    return ""


def _batch_size(run: EvaluatedRun) -> int:
    return run.record.batch_size


def _tiling(run: EvaluatedRun) -> TilingSpec:
    return run.spec.tiling


def _draw(evaluated: EvaluatedRuns, published: PublishedSpec) -> Figure:
    metric = published.metric
    values = {
        name: [run.record.metrics[metric] for run in runs]
        for name, runs in evaluated.strategies.items()
    }
    names = sorted(values, key=lambda name: -np.mean(values[name]))
    figure = plain_figure(
        figsize=(7.0, 1.7 + 0.36 * len(names)), layout=ConstrainedLayoutEngine(h_pad=0.08)
    )
    axes = figure.subplots()
    for place, name in enumerate(names):
        dots(axes, values[name], place, baseline=False)
    value = published.value
    axes.axvline(value, color=LOWER, linewidth=1.6, linestyle="--", zorder=1)
    axes.margins(x=0.08)
    label_rows([axes], names)
    axes.set_xlabel(f"{metric}, on the validation images of these runs")
    line = Line2D([], [], color=LOWER, linewidth=1.6, linestyle="--")
    line.set_label(f"{published.source}: {value:g}, on images of its own{_caveat(published)}")
    figure.suptitle(f"{metric}: every run (circles), its mean (bars)", fontsize=11)
    figure.legend(handles=[line], loc="outside lower center", frameon=False, fontsize=9)
    return figure


def _caveat(published: PublishedSpec) -> str:
    return f";\n{published.caveat}" if published.caveat else ""
