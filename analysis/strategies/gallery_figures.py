"""Figures of the error gallery: what each strategy found, missed and falsely marked."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, StrMethodFormatter
from PIL import Image

from analysis.strategies.comparison_figures import folded, on_images
from steelexp.comparison.evaluated_run import EvaluatedRun
from steelexp.comparison.evaluated_runs import EvaluatedRuns
from steelexp.palette import BLUE, INK, ORANGE, PURPLE
from steelexp.plain_figure import plain_figure

TRUE_POSITIVE: Final = BLUE
FALSE_NEGATIVE: Final = ORANGE
FALSE_POSITIVE: Final = PURPLE
WIDE: Final = 2.0  # pictures this many times as wide as high are laid below one another
COLUMNS: Final = 3  # images side by side

EvaluatedImages = npt.NDArray[np.int64]


def draw_pixels(evaluated: EvaluatedRuns, label: str, images: EvaluatedImages) -> Figure:
    """A panel an image, a bar a strategy: pixels found, missed, falsely marked; mean over runs."""
    columns = min(len(images), COLUMNS)
    lines = -(-len(images) // columns)
    names = list(evaluated.strategies)
    figure = plain_figure(
        figsize=(2.4 + 3.2 * columns, 1.2 + lines * (0.9 + 0.32 * len(names))),
        layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08),
    )
    grid = figure.subplots(lines, columns, squeeze=False)
    for axes in grid.flat[len(images) :]:
        axes.set_axis_off()
    for number, (axes, image) in enumerate(zip(grid.flat, images.tolist(), strict=False)):
        _draw_image(axes, evaluated, evaluated.images.classes.index(label), image)
        texts = [folded(name) for name in names]
        axes.set_yticks(range(len(names)), texts if number % columns == 0 else [""] * len(names))
    figure.suptitle(f"worst images of class {label}, of {on_images(evaluated)}", fontsize=11)
    words = {"found": TRUE_POSITIVE, "missed": FALSE_NEGATIVE, "falsely marked": FALSE_POSITIVE}
    figure.legend(
        handles=[Patch(color=colour, label=word) for word, colour in words.items()],
        loc="outside lower center",
        ncols=3,
        frameon=False,
        fontsize=9,
    )
    return figure


def _draw_image(axes: Axes, evaluated: EvaluatedRuns, place: int, image: int) -> None:
    at = (image, place)
    labelled = int(evaluated.images.labelled[at])
    for row, runs in enumerate(evaluated.strategies.values()):
        tp, fp, dice = (
            float(np.mean([value[at] for value in values]))
            for values in zip(
                *((run.counts.tp, run.counts.fp, run.dice) for run in runs), strict=True
            )
        )
        left = 0.0
        bars = ((tp, TRUE_POSITIVE), (labelled - tp, FALSE_NEGATIVE), (fp, FALSE_POSITIVE))
        for width, colour in bars:
            axes.barh(row, width, left=left, color=colour, height=0.7)
            left += width
        axes.annotate(
            f"{dice:.2f}",
            (left, row),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    axes.axvline(labelled, color=INK, linewidth=0.8, linestyle=":")
    axes.margins(x=0.16)
    axes.set_xlim(left=0)
    axes.invert_yaxis()
    axes.set_title(f"{evaluated.images.names[image]}\n{labelled:,} labelled pixels", fontsize=9)
    axes.set_xlabel("pixels; figures: Dice", fontsize=8.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.tick_params(axis="both", labelsize=8.5)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right"]].set_visible(False)


def draw_pictures(evaluated: EvaluatedRuns, label: str, images: EvaluatedImages) -> Figure:
    """The overlays of the first run of every strategy: a column a strategy, a row an image.

    Wide images lie the other way: below one another for each image, one strategy a row.
    """
    firsts = [runs[0] for runs in evaluated.strategies.values()]
    pictures = [
        [np.asarray(Image.open(_picture(run, n)).convert("RGB")) for run in firsts] for n in images
    ]
    height, width = pictures[0][0].shape[:2]
    stacked = width > WIDE * height
    cell = 7.0 if stacked else 3.0
    rows, columns = (len(images) * len(firsts), 1) if stacked else (len(images), len(firsts))
    size = (cell * columns, 0.6 + rows * (cell * height / width + 0.3))
    figure = plain_figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.05, h_pad=0.05))
    grid = figure.subplots(rows, columns, squeeze=False)
    place = evaluated.images.classes.index(label)
    cells = [(n, k) for n in range(len(images)) for k in range(len(firsts))]
    for axes, (n, k) in zip(grid.flat, cells, strict=True):
        axes.imshow(pictures[n][k])
        axes.set_axis_off()
        run = firsts[k]
        dice = run.dice[images[n], place]
        axes.set_title(
            f"{folded(run.record.name)}, seed {run.record.seed}: Dice {dice:.2f}", fontsize=8.5
        )
    figure.suptitle(
        f"worst images of class {label} that have pictures; {on_images(evaluated)}", fontsize=10
    )
    return figure


def pictured(evaluated: EvaluatedRuns) -> list[int]:
    """The images of which the first run of every strategy has a picture."""
    firsts = [runs[0] for runs in evaluated.strategies.values()]
    images = range(len(evaluated.images.names))
    return [n for n in images if all(_picture(run, n).is_file() for run in firsts)]


def _picture(run: EvaluatedRun, image: int) -> Path:
    """The overlay of an image after the epoch whose weights were evaluated."""
    return run.folder.overlay(run.record.best_epoch, run.images.names[image])
