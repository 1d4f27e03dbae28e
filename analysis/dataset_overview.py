"""Overview of a data set in one figure, from doctor.json.

    python -m steelexp data doctor data/severstal
    python analysis/dataset_overview.py doctor/severstal/doctor.json --out overview.png

Images per class, class imbalance in pixels, area of defects, co-occurrence of classes, and heatmaps
of their positions. Images are not read.
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter, StrMethodFormatter

from analysis.learning_curves import FORMATS
from steelexp.command_line import command_line
from steelexp.errors import UserError, explain_read_errors, explain_write_errors
from steelexp.palette import CLASS_COLOURS, INK
from steelexp.plain_figure import plain_figure
from steelexp.progress import say
from steelexp.terminal import Parser, prepare_output, print_error

SCHEMA_VERSION: Final = 3
CLEAN: Final = "#b0b0b0"
LONGEST: Final = 16  # characters of a class name
FEW: Final = 4  # classes up to which names and counts in the matrix are large
WIDE: Final = 2.5  # aspect ratio above which there are two heatmaps in a row instead of four


@dataclass(frozen=True)
class Overview:
    """The statistics of a data set to plot.

    Attributes:
        name: Name of the folder.
        images: Number of images.
        clean: Number of images without labels.
        size: Most frequent height and width in pixels.
        classes: [C] class names.
        images_per_class: [C] number of images with the class.
        pixels: [C] number of labelled pixels.
        area_shares: [C] lists of the labelled share of each image with the class.
        co_occurrence: [C, C] number of images with both classes.
        heatmap: [C, gh, gw] labelled share of each grid cell, mean over the images with the class.
        distinct_images: Number of images if near-duplicates count once.
    """

    name: str
    images: int
    clean: int
    size: tuple[int, int]
    classes: tuple[str, ...]
    images_per_class: npt.NDArray[np.int64]
    pixels: npt.NDArray[np.int64]
    area_shares: list[list[float]]
    co_occurrence: npt.NDArray[np.int64]
    heatmap: npt.NDArray[np.float64]
    distinct_images: int


def main(argv: list[str]) -> int:
    """Run the command; exit code 0 if the overview is written, 2 on an error."""
    prepare_output()
    arguments = _parser().parse_args(argv)
    try:
        if arguments.out.suffix not in FORMATS:
            raise UserError(
                f"--out {arguments.out}: the suffix has to be one of {', '.join(FORMATS)}"
            )
        figure = draw(read_overview(arguments.doctor))
        with explain_write_errors(arguments.out, "choose another file with --out"):
            arguments.out.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(arguments.out, dpi=160)
    except UserError as error:
        print_error(*error.lines, before="dataset_overview")
        return 2
    say(f"overview of the data set: {arguments.out}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="dataset_overview",
        description="Plot an overview of a data set from a doctor.json.",
    )
    parser.add_argument(
        "doctor", type=Path, metavar="DOCTOR_JSON", help="doctor.json of the data set"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("dataset_overview.png"),
        metavar="FILE",
        help="output file: .png, .pdf or .svg (default: %(default)s)",
    )
    return parser


def read_overview(path: Path) -> Overview:
    """Read doctor.json.

    Raises:
        UserError: The file is not a doctor.json of this version, or nothing is labelled.
    """
    fix = f"write it again: {command_line('data', 'doctor', 'ROOT')}"
    try:
        with explain_read_errors(path, fix):
            content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema_version"] != SCHEMA_VERSION:
            raise KeyError
        overview = _overview(content)
    except (ValueError, KeyError, TypeError, IndexError):
        raise UserError(f"{path}: not a doctor.json of this version; {fix}") from None
    if not overview.images_per_class.any():
        raise UserError(f"{path}: nothing is labelled in {overview.name}")
    return overview


def _overview(content: dict[str, Any]) -> Overview:
    most_frequent = content["sizes"][0] if content["sizes"] else {"height": 1, "width": 1}
    table = content["classes"]
    return Overview(
        name=Path(content["root"]).name or content["root"],
        images=content["images"],
        clean=content["clean"],
        size=(most_frequent["height"], most_frequent["width"]),
        classes=tuple(row["class"] for row in table),
        images_per_class=np.array([row["images"] for row in table], np.int64),
        pixels=np.array([row["pixels"] for row in table], np.int64),
        area_shares=content["area_shares"],
        co_occurrence=np.array(content["co_occurrence"], np.int64),
        heatmap=np.array(content["heatmap"], np.float64),
        distinct_images=content["distinct_images"],
    )


def draw(overview: Overview) -> Figure:
    """Draw images per class, imbalance, areas and co-occurrence above, heatmaps below."""
    classes = len(overview.classes)
    height, width = overview.size
    columns = min(classes, 2 if width > WIDE * height else 4)
    rows = -(-classes // columns)
    below = rows * (12.0 / columns * 0.76 * height / width + 0.75) + 0.5
    figure = plain_figure(
        figsize=(13.0, 4.2 + below), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1)
    )
    parts = figure.subfigures(2, 1, squeeze=False, height_ratios=(4.2, below))
    upper, lower = parts[:, 0]
    upper.suptitle(_title(overview), fontsize=12)
    images_per_class, pixels, area_shares, co_occurrence = upper.subplots(
        1, 4, width_ratios=(1.0, 1.0, 1.0, 1.15)
    )
    _draw_images(images_per_class, overview)
    _draw_pixels(pixels, overview)
    _draw_areas(area_shares, overview)
    for axes in (images_per_class, pixels, area_shares):
        _rows(axes, [*_names(overview), "clean"])
    for axes in (pixels, area_shares):
        axes.tick_params(labelleft=False)
    _draw_co_occurrence(co_occurrence, overview)
    _draw_heatmaps(lower, overview, rows, columns)
    return figure


def _title(overview: Overview) -> str:
    height, width = overview.size
    return (
        f"{textwrap.shorten(overview.name, 60)}: {overview.images:,} images of {height} × {width}, "
        f"{overview.clean:,} clean, {overview.distinct_images:,} distinct"
    )


def _draw_images(axes: Axes, overview: Overview) -> None:
    counts = [*overview.images_per_class.tolist(), overview.clean]
    bars = axes.barh(range(len(counts)), counts, color=[*_colours(len(overview.classes)), CLEAN])
    axes.bar_label(bars, [f"{count:,}" for count in counts], padding=3, fontsize=9)
    axes.margins(x=0.22)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_title("images with the class")
    axes.set_xlabel("images")


def _draw_pixels(axes: Axes, overview: Overview) -> None:
    present = np.flatnonzero(overview.pixels)
    pixels = overview.pixels[present]
    colours = np.array(_colours(len(overview.classes)))[present].tolist()
    axes.scatter(pixels, present, s=90, c=colours, edgecolors=INK, zorder=3)
    for c, count in zip(present.tolist(), pixels.tolist(), strict=True):
        share = f"{count / overview.pixels.sum():.1%}"
        axes.annotate(
            share, (count, c), xytext=(8, 0), textcoords="offset points", va="center", fontsize=9
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_xlim(pixels.min() / 3, pixels.max() * 12)
    axes.set_title("share of the labelled pixels")
    axes.set_xlabel("labelled pixels, log scale")


def _draw_areas(axes: Axes, overview: Overview) -> None:
    boxes = axes.boxplot(
        [np.asarray(shares) for shares in overview.area_shares],
        positions=range(len(overview.area_shares)),
        orientation="horizontal",
        whis=(5, 95),
        widths=0.6,
        patch_artist=True,
        medianprops={"color": INK},
        flierprops={"marker": ".", "markersize": 3, "markeredgecolor": INK, "alpha": 0.5},
    )
    for box, colour in zip(boxes["boxes"], _colours(len(overview.classes)), strict=True):
        box.set_facecolor(colour)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_title("area where present")
    axes.set_xlabel("% of the image, log scale;\nbox: quartiles, whiskers: 5 to 95 %")


def _draw_co_occurrence(axes: Axes, overview: Overview) -> None:
    counts = overview.co_occurrence
    names = overview.classes
    shades = np.log1p(counts)
    size = 9 if len(names) <= FEW else 6
    axes.imshow(shades, cmap="Blues", vmin=0.0, vmax=2.0 * shades.max())
    for c, d in np.ndindex(counts.shape):
        axes.text(d, c, f"{counts[c, d]:,}", ha="center", va="center", color=INK, fontsize=size)
    long = max(map(len, names)) > 3
    axes.set_xticks(range(len(names)), [_short(name) for name in names])
    axes.tick_params(axis="x", labelrotation=(30 if len(names) <= FEW else 90) if long else 0)
    axes.set_title("images with both classes")
    axes.set_xlabel("class")
    _rows(axes, _names(overview))
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _draw_heatmaps(figure: SubFigure, overview: Overview, rows: int, columns: int) -> None:
    """One heatmap per class, each with its own scale, so that rare classes stay visible."""
    height, width = overview.size
    figure.suptitle(
        "positions of defects: labelled share of each cell, mean over the images with the class"
    )
    names = _names(overview)
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for c, axes in enumerate(panels):
        if c >= len(names):
            axes.set_axis_off()
            continue
        extent = (0, width, height, 0)
        image = axes.imshow(overview.heatmap[c], cmap="cividis", vmin=0.0, extent=extent)
        count = int(overview.images_per_class[c])
        axes.set_title(f"{names[c]}: {count:,} image{'s'[: count != 1]}", fontsize=10)
        axes.set_xlabel("column, pixels")
        axes.set_ylabel("row, pixels")
        axes.set_yticks([0, height // 2, height])
        bar = figure.colorbar(image, cax=axes.inset_axes((1.02, 0.0, 0.02, 1.0)))
        bar.locator = MaxNLocator(nbins=3)
        bar.formatter = FuncFormatter(lambda share, _: f"{100 * share:g} %")


def _names(overview: Overview) -> list[str]:
    return [f"class {name}" if name.isdigit() else _short(name) for name in overview.classes]


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"


def _colours(count: int) -> list[str]:
    return [CLASS_COLOURS[c % len(CLASS_COLOURS)] for c in range(count)]


def _rows(axes: Axes, names: list[str]) -> None:
    """One row per class, the first one on top."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
