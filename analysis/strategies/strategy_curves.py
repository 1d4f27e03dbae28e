"""A metric of strategies over the epochs: mean and spread of the seeds, a panel a strategy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from analysis.epoch_curves import Run, Values, best_epoch
from analysis.strategies.comparison_figures import HIGHER, folded
from steelexp.metric_names import axis_title
from steelexp.metrics import lower_is_better
from steelexp.palette import INK
from steelexp.plain_figure import plain_figure

COLUMNS: Final = 5
OTHERS: Final = "#c4c4c4"


class Strategy(NamedTuple):
    """Mean and spread of a strategy over the epochs.

    Attributes:
        name: Name of the spec.
        runs: its seeds.
        best: [R] value of each run at its best epoch.
        epochs: [E] at which every run has a value.
        values: [R, E] at those epochs.
    """

    name: str
    runs: Sequence[Run]
    best: Values
    epochs: npt.NDArray[np.int64]
    values: Values

    @property
    def mean(self) -> Values:
        """[E] over the runs."""
        return np.asarray(self.values.mean(axis=0))


def strategies(runs: Sequence[Run], metric: str) -> list[Strategy]:
    """Runs by their name, the best mean first."""
    runs_of_strategy = []
    for name in dict.fromkeys(run.name for run in runs):
        seeds = [run for run in runs if run.name == name]
        epochs = _epochs_with(seeds[0], metric)
        for run in seeds[1:]:
            epochs = np.intersect1d(epochs, _epochs_with(run, metric))
        values = np.array([run.metrics[metric][np.isin(run.epochs, epochs)] for run in seeds])
        curves = [run.metrics[metric] for run in seeds]
        best = np.array([curve[best_epoch(curve, metric)] for curve in curves])
        runs_of_strategy.append(Strategy(name, seeds, best, epochs, values))
    sign = 1.0 if lower_is_better(metric) else -1.0
    return sorted(runs_of_strategy, key=lambda each: sign * float(each.best.mean()))


def _epochs_with(run: Run, metric: str) -> npt.NDArray[np.int64]:
    """The epochs in which a run has a metric."""
    return run.epochs[~np.isnan(run.metrics[metric])]


def draw_strategies(runs: Sequence[Run], metric: str) -> Figure:
    """Draw each strategy in a panel, before the means of all others, the best first.

    The mean and the band from the least to the greatest seed go over the epochs at which all seeds
    of the strategy have a value. Thin lines are the seeds, to their own ends, and stars their best
    epochs. A mean over the seeds that are left would jump where one stops early.
    """
    runs_of_strategy = strategies(runs, metric)
    columns = min(len(runs_of_strategy), COLUMNS)
    rows = -(-len(runs_of_strategy) // columns)
    figure = plain_figure(
        figsize=(1.0 + 2.5 * columns, 1.0 + 2.5 * rows),
        layout=ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.08),
    )
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for number, axes in enumerate(grid.flat):
        if number >= len(runs_of_strategy):
            axes.set_axis_off()
            continue
        for other in runs_of_strategy:
            if other is not runs_of_strategy[number]:
                axes.plot(other.epochs, other.mean, color=OTHERS, linewidth=0.8, zorder=1)
        _draw_one(axes, runs_of_strategy[number], metric)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, steps=[1, 2, 5, 10]))
        if number + columns >= len(runs_of_strategy):
            axes.tick_params(labelbottom=True)
            axes.set_xlabel("epoch")
    figure.supylabel(axis_title(metric), fontsize=10)
    figure.legend(
        handles=_legend(),
        loc="outside lower center",
        ncols=min(5, 2 * columns - 1),
        fontsize=9,
        frameon=False,
    )
    return figure


def _draw_one(axes: Axes, strategy: Strategy, metric: str) -> None:
    for run in strategy.runs:
        values = run.metrics[metric]
        best = best_epoch(values, metric)
        epochs = _epochs_with(run, metric)
        curve = values[np.isin(run.epochs, epochs)]
        axes.plot(epochs, curve, color=HIGHER, linewidth=0.7, alpha=0.6, zorder=2)
        axes.plot(run.epochs[best], values[best], "*", color=INK, markersize=7, zorder=5)
    low = strategy.values.min(axis=0)
    high = strategy.values.max(axis=0)
    axes.fill_between(strategy.epochs, low, high, color=HIGHER, alpha=0.22, linewidth=0, zorder=1.5)
    axes.plot(
        strategy.epochs,
        strategy.mean,
        color=HIGHER,
        linewidth=2.2,
        marker="o" if len(strategy.epochs) == 1 else "",
        zorder=4,
    )
    count = len(strategy.runs)
    spread = f" ± {strategy.best.std(ddof=1):.3f}" if count > 1 else ""
    axes.set_title(
        f"{folded(strategy.name)}\n{strategy.best.mean():.3f}{spread}, {count} "
        f"seed{'s'[: count != 1]}",
        fontsize=9,
    )
    axes.grid(axis="y", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _legend() -> list[Line2D | Patch]:
    return [
        Line2D([], [], color=HIGHER, linewidth=2.2, label="mean"),
        Patch(color=HIGHER, alpha=0.22, label="least to greatest seed"),
        Line2D([], [], color=HIGHER, linewidth=0.7, alpha=0.6, label="seed"),
        Line2D([], [], color=INK, marker="*", linestyle="", label="best epoch (title: ± SD)"),
        Line2D([], [], color=OTHERS, linewidth=0.8, label="other strategies"),
    ]
