"""Pictures of the dashboards, drawn from their JSON and from what a server holds of real runs.

    python benchmarks/dashboard_picture.py [--out pictures] [--runs 2] [--epochs 2]

Trains runs of three strategies, a fold and a search of the quickstart's generated strips, tracked
to a server on loopback by Comet's real client, compares the strategies, sends the dashboards, and
draws each view on its grid. Comet draws it in another style. What a panel shows and what it lacks
is the same: a panel without data is drawn empty, and is named at the end.
"""

import argparse
import csv
import io
import json
import os
import tempfile
import textwrap
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from analysis.compare_strategies import main as compare
from steelexp.__main__ import main as steelexp
from tests.comet_server import API_KEY, CometServer, comet_server

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
TINY = (
    "data.strips=60", "data.root=data", "tiling.count=2", "training.overlays=2",
    "model.decoder_filters=[8,8,8,8,8]", "tracking={name: comet, project: steel}",
)  # fmt: skip
STRATEGIES = {"dice": "{name: dice}", "focal": "{name: focal}", "bce_dice": "{name: bce_dice}"}
SPACE = (
    "search={tuner: {name: random}, trials: 4, seed: 1, space: {optimizer.learning_rate: "
    "{log_uniform: [1.0e-4, 1.0e-2]}, loss.name: {choice: [dice, focal, tversky]}}}"
)
ROW_INCHES = 3.2


class Experiment:
    """What a server holds of one experiment.

    Args:
        server: The server.
        key: Key of the experiment.
    """

    def __init__(self, server: CometServer, key: str) -> None:
        self.parameters = server.parameters(key)
        self.others = server.others(key)
        self.name = str(self.others.get("Name", key[:6]))
        self.pictures = {name: (step, request) for name, step, request in server.pictures(key)}
        self.files = {name: request.file for name, request in server.assets(key)}
        self.metrics: dict[str, list[tuple[int, int, float]]] = defaultdict(list)
        for name, value, *place in server.metrics(key):
            self.metrics[name].append((*place, float(value)))

    def last(self, name: str) -> float | None:
        """The last value of a metric or a parameter; None without one."""
        if values := sorted(self.metrics.get(name, ())):
            return values[-1][2]
        value = self.parameters.get(name)
        try:
            return None if value is None else float(value)
        except ValueError:
            return None

    def label(self, keys: Sequence[Mapping[str, str]]) -> str:
        """The experiment as a legend names it."""
        sources = {"params": self.parameters, "log_other": {"Name": self.name, **self.others}}
        return " - ".join(str(sources[key["source"]].get(key["value"])) for key in keys)


def draw_lines(axes: Axes, panel: Mapping[str, Any], runs: Sequence[Experiment]) -> bool:
    """A line a run and metric."""
    for run in runs:
        for name in panel["metricNames"]:
            if points := sorted(run.metrics.get(name, ())):
                steps, epochs, values = zip(*points, strict=True)
                x = epochs if panel["selectedXAxis"] == "epoch" else steps
                label = run.label(panel["selectedLegendKeys"]) + " " + name
                axes.plot(x, values, ".-", label=label, linewidth=1)
    axes.set_xlabel(panel["selectedXAxis"], fontsize=7)
    if 0 < len(axes.lines) <= 8:
        axes.legend(fontsize=5)
    return bool(axes.lines)


def draw_bars(axes: Axes, panel: Mapping[str, Any], runs: Sequence[Experiment]) -> bool:
    """The mean of each group."""
    groups = defaultdict(list)
    for run in runs:
        if (value := run.last(panel["metricName"])) is not None:
            groups[run.label(panel["selectedLegendKeys"])].append(value)
    names = sorted(groups)
    axes.barh(names, [float(np.mean(groups[name])) for name in names], color="C0")
    for place, name in enumerate(names):
        axes.text(0, place, f" {np.mean(groups[name]):.3f}  ({len(groups[name])})", fontsize=7)
    return bool(names)


def draw_scatter(axes: Axes, panel: Mapping[str, Any], runs: Sequence[Experiment]) -> bool:
    """A point a run."""
    labels = sorted({run.label(panel["selectedLegendKeys"]) for run in runs})
    points = 0
    for run in runs:
        x, y = (run.last(panel[f"selected{axis}Axis"]) for axis in "XY")
        if x is not None and y is not None:
            label = run.label(panel["selectedLegendKeys"])
            axes.plot(x, y, "o", color=f"C{labels.index(label)}", label=label)
            points += 1
    handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    axes.legend(handles.values(), handles.keys(), fontsize=6)
    axes.set_xlabel(panel["selectedXAxis"], fontsize=7)
    axes.set_ylabel(panel["selectedYAxis"], fontsize=7)
    return points > 0


def draw_coordinates(axes: Axes, panel: Mapping[str, Any], runs: Sequence[Experiment]) -> bool:
    """A line a run over the axes; texts are placed by their order."""
    names = [*panel["params"], *panel["metrics"]]
    columns = []
    for name in names:
        values = [run.parameters.get(name, run.last(name)) for run in runs]
        order = sorted({str(value) for value in values})
        numbers = [run.last(name) for run in runs]
        if any(number is None for number in numbers):
            numbers = [order.index(str(value)) for value in values]
        low, high = min(numbers, default=0), max(numbers, default=1)
        columns.append([(number - low) / ((high - low) or 1) for number in numbers])
        axes.text(len(columns) - 1, -0.12, name, fontsize=7, ha="center")
        for place, text in ((0, low), (1, high)):
            axes.text(len(columns) - 1, place, f" {text:.3g}", fontsize=6)
    for place in range(len(runs)):
        axes.plot([column[place] for column in columns], color=plt.cm.viridis(columns[-1][place]))
    axes.set_axis_off()
    return bool(runs)


def draw_pictures(axes: Axes, panel: Mapping[str, Any], runs: Sequence[Experiment]) -> bool:
    """The named pictures of the first runs, or all of them, below one another."""
    images = []
    for run in runs[: panel["experimentsCount"]]:
        for name in panel["images"] or run.pictures:
            if name in run.pictures:
                image = Image.open(io.BytesIO(run.pictures[name][1].file)).convert("RGB")
                images.append(np.asarray(image.resize((800, 800 * image.height // image.width))))
    axes.set_axis_off()
    if images:
        axes.imshow(np.concatenate(images[:6] if not panel["images"] else images[:2]))
    return bool(images)


def draw_table(axes: Axes, panel: Mapping[str, Any], runs: Sequence[Experiment]) -> bool:
    """The first rows of the table of the first runs."""
    rows: list[list[str]] = []
    for run in runs[: panel["experimentsCount"]]:
        if panel["fileName"] in run.files:
            each = list(csv.reader(io.StringIO(run.files[panel["fileName"]].decode())))
            rows += each if not rows else each[1:]
    axes.set_axis_off()
    if rows:
        cells = [[cell[:12] for cell in row[:7]] for row in rows[:12]]
        drawn = axes.table(cells, loc="upper center", cellLoc="left")
        drawn.auto_set_font_size(False)
        drawn.set_fontsize(6)
    return bool(rows)


DRAW: dict[str, Callable[[Axes, Mapping[str, Any], Sequence[Experiment]], bool]] = {
    "line": draw_lines,
    "bar": draw_bars,
    "scatter": draw_scatter,
    "parallel": draw_coordinates,
    "image": draw_pictures,
    "data": draw_table,
}


def is_shown(run: Experiment, view: Mapping[str, Any]) -> bool:
    """Whether an experiment passes the filter of a view."""
    groups = json.loads(view["experimentQueryState"])["rulesTree"]["rules"]
    return any(all(run.others.get(r["field"]) == r["value"] for r in g["rules"]) for g in groups)


def draw_view(view: Mapping[str, Any], runs: Sequence[Experiment]) -> tuple[Figure, list[str]]:
    """A view on its grid, and the titles of panels without data."""
    sections = view["v3"]["sections"]
    heights = [max(spot["y"] + spot["h"] for spot in s["layout"]) for s in sections]
    figure = plt.figure(figsize=(15, ROW_INCHES * (sum(heights) + 0.3 * len(sections))))
    grid = figure.add_gridspec(10 * sum(heights) + 3 * len(sections), 6, hspace=6, wspace=0.6)
    top = 0
    empty = []
    for section, height in zip(sections, heights, strict=True):
        head = figure.add_subplot(grid[top : top + 2, :])
        head.set_axis_off()
        head.text(-0.02, 0.2, section["title"], fontsize=14, weight="bold")
        top += 3
        for panel, spot in zip(section["panels"], section["layout"], strict=True):
            y = top + 10 * spot["y"]
            cells = grid[y : y + 10 * spot["h"] - 1, spot["x"] : spot["x"] + spot["w"]]
            axes = figure.add_subplot(cells)
            axes.set_title(panel["chartName"], fontsize=9)
            axes.tick_params(labelsize=6)
            if not DRAW[panel["chartType"]](axes, panel, runs):
                empty.append(panel["chartName"])
        top += 10 * height
    columns = json.loads(view["reactGridTableState"])["columnOrders"][4:]
    head = f"{view['templateName']}: {len(runs)} experiments. Table: {', '.join(columns)}"
    inch = 1 / figure.get_figheight()
    figure.suptitle(textwrap.fill(head, 150), x=0.1, y=1 - 0.2 * inch, ha="left", fontsize=10)
    figure.subplots_adjust(top=1 - inch, bottom=0.01, left=0.1, right=0.97)
    return figure, empty


def train(arguments: argparse.Namespace) -> None:
    """Runs, a fold, a search and a comparison, tracked to the server of the environment."""
    spec = str(EXPERIMENTS / "quickstart.yaml")
    epochs = f"training.epochs={arguments.epochs}"
    for name, override in STRATEGIES.items():
        seeds = ",".join(map(str, range(1, arguments.runs + 1)))
        steelexp(["run", spec, *TINY, epochs, f"name={name}", f"loss={override}", "--seeds", seeds])
    fold = "split={kind: kfold, folds: 3, fold: 0}"
    folders = [f"runs/{name}" for name in STRATEGIES]
    compared = [*folders, "--baseline", "bce_dice", "--out", "comparison"]
    codes = (
        steelexp(["run", spec, *TINY, epochs, "name=folds", fold]),
        steelexp(["run", spec, *TINY, epochs, "name=searched", SPACE]),
        compare(compared),
        steelexp(["dashboard", "comparison", "comparison", "--project", "steel"]),
        steelexp(["dashboard", "push", "--project", "steel", "--search", "runs/searched/search"]),
    )
    assert not any(codes), codes


def main() -> None:
    """Train, draw, and name the panels that stay empty."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("pictures"))
    parser.add_argument("--runs", type=int, default=2, help="runs of a strategy (default: 2)")
    parser.add_argument("--epochs", type=int, default=2, help="epochs of a run (default: 2)")
    arguments = parser.parse_args()
    out = arguments.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    with comet_server() as server, tempfile.TemporaryDirectory() as where:
        os.environ |= {"COMET_URL_OVERRIDE": server.url, "COMET_API_KEY": API_KEY}
        os.chdir(where)
        train(arguments)
        runs = [Experiment(server, key) for key in sorted(server.experiments)]
        for number, view in enumerate(server.views, start=1):
            shown = [run for run in runs if is_shown(run, view)]
            figure, empty = draw_view(view, shown)
            figure.savefig(out / f"{number}.png", dpi=60)
            print(f"{view['templateName']}: {len(shown)} experiments; without data: {empty}")
        os.chdir("/")


if __name__ == "__main__":
    main()
