"""What a data set holds, in one picture: the exploration that every Severstal study opens with.

    python -m steelexp data doctor data/severstal
    python analysis/dataset_overview.py doctor/severstal/doctor.json --out overview.png

Images per class, the imbalance in pixels, how large defects are, which classes occur together, and
where on the image they lie. The doctor's file is all that is read.
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
from steelexp.palette import CLASS_COLOURS, INK

SCHEMA_VERSION: Final = 1
CLEAN: Final = "#b0b0b0"
LONGEST: Final = 16  # characters of a class's name
FEW: Final = 4  # classes whose names and counts have room in the matrix
WIDE: Final = 2.5  # images this many times as wide as high are drawn two beside one another


class OverviewError(Exception):
    """A file that cannot be drawn; the message says why and what to do."""


@dataclass(frozen=True)
class Overview:
    """What is drawn of a data set.

    Attributes:
        name: of its folder.
        images: how many.
        clean: those without a label.
        size: height and width in pixels, of most images.
        classes: [C] names.
        held: [C] images that hold the class.
        pixels: [C] labelled.
        areas: [C] lists: share of the image that is labelled, on each image that holds the class.
        together: [C, C] images that hold both classes.
        heat: [C, gh, gw] share of each grid cell that is labelled, mean over those images.
        surfaces: how many images are left when near copies count once.
    """

    name: str
    images: int
    clean: int
    size: tuple[int, int]
    classes: tuple[str, ...]
    held: npt.NDArray[np.int64]
    pixels: npt.NDArray[np.int64]
    areas: list[list[float]]
    together: npt.NDArray[np.int64]
    heat: npt.NDArray[np.float64]
    surfaces: int


def main(argv: list[str]) -> int:
    """Draw the overview that `argv` asks for; 0 if it is drawn, 2 if it cannot be."""
    arguments = _parser().parse_args(argv)
    try:
        if arguments.out.suffix not in FORMATS:
            raise OverviewError(
                f"--out {arguments.out}: its ending has to be one of {', '.join(FORMATS)}"
            )
        figure = draw(read_overview(arguments.doctor))
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(arguments.out, dpi=160)
    except (OverviewError, OSError) as error:
        print(f"dataset_overview: {error}", file=sys.stderr)
        return 2
    print(f"overview of the data set: {arguments.out}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dataset_overview",
        description="Draw what a data set holds, from what `steelexp data doctor` wrote.",
    )
    parser.add_argument("doctor", type=Path, metavar="DOCTOR_JSON", help="doctor.json of the set")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("dataset_overview.png"),
        metavar="FILE",
        help="the picture: .png, .pdf or .svg (default: %(default)s)",
    )
    return parser


def read_overview(path: Path) -> Overview:
    """Read doctor.json.

    Raises:
        OverviewError: it is not the doctor's, another version wrote it, or nothing is labelled.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["schema_version"] != SCHEMA_VERSION:
            raise KeyError
        overview = _overview(found)
    except (ValueError, KeyError, TypeError, IndexError):
        raise OverviewError(
            f"{path}: not a doctor.json of this version; make it anew with "
            "python -m steelexp data doctor ROOT"
        ) from None
    if not overview.held.any():
        raise OverviewError(f"{path}: nothing is labelled in {overview.name}")
    return overview


def _overview(found: dict[str, Any]) -> Overview:
    usual = found["sizes"][0] if found["sizes"] else {"height": 1, "width": 1}
    table = found["classes"]
    return Overview(
        name=Path(found["root"]).name or found["root"],
        images=found["images"],
        clean=found["clean"],
        size=(usual["height"], usual["width"]),
        classes=tuple(row["class"] for row in table),
        held=np.array([row["images"] for row in table], np.int64),
        pixels=np.array([row["pixels"] for row in table], np.int64),
        areas=found["areas"],
        together=np.array(found["co_occurrence"], np.int64),
        heat=np.array(found["heat"], np.float64),
        surfaces=found["surfaces"],
    )


def draw(overview: Overview) -> Figure:
    """Draw counts, imbalance, areas and co-occurrence above, places on the image below."""
    classes, (height, width) = len(overview.classes), overview.size
    columns = min(classes, 2 if width > WIDE * height else 4)
    rows = -(-classes // columns)
    below = rows * (12.0 / columns * 0.76 * height / width + 0.75) + 0.5
    figure = Figure(
        figsize=(13.0, 4.2 + below), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1)
    )
    parts = figure.subfigures(2, 1, squeeze=False, height_ratios=(4.2, below))
    upper, lower = parts[:, 0]
    upper.suptitle(_title(overview), fontsize=12)
    held, pixels, areas, together = upper.subplots(1, 4, width_ratios=(1.0, 1.0, 1.0, 1.15))
    _draw_held(held, overview)
    _draw_pixels(pixels, overview)
    _draw_areas(areas, overview)
    for axes in (held, pixels, areas):
        _rows(axes, [*_names(overview), "clean"])
    for axes in (pixels, areas):
        axes.tick_params(labelleft=False)
    _draw_together(together, overview)
    _draw_places(lower, overview, rows, columns)
    return figure


def _title(overview: Overview) -> str:
    height, width = overview.size
    return (
        f"{textwrap.shorten(overview.name, 60)}: {overview.images:,} images of {height} × {width}, "
        f"{overview.clean:,} clean, {overview.surfaces:,} distinct surfaces"
    )


def _draw_held(axes: Axes, overview: Overview) -> None:
    counts = [*overview.held.tolist(), overview.clean]
    bars = axes.barh(range(len(counts)), counts, color=[*_colours(len(overview.classes)), CLEAN])
    axes.bar_label(bars, [f"{count:,}" for count in counts], padding=3, fontsize=9)
    axes.margins(x=0.22)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_title("images that hold the class")
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
    axes.set_xlim(pixels.min() / 3, pixels.max() * 12)
    axes.set_title("share of the labelled pixels")
    axes.set_xlabel("labelled pixels, log scale")


def _draw_areas(axes: Axes, overview: Overview) -> None:
    boxes = axes.boxplot(
        [np.asarray(shares) for shares in overview.areas],
        positions=range(len(overview.areas)),
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


def _draw_together(axes: Axes, overview: Overview) -> None:
    counts, names = overview.together, overview.classes
    shades, size = np.log1p(counts), 9 if len(names) <= FEW else 6
    axes.imshow(shades, cmap="Blues", vmin=0.0, vmax=2.0 * shades.max())
    for c, d in np.ndindex(counts.shape):
        axes.text(d, c, f"{counts[c, d]:,}", ha="center", va="center", color=INK, fontsize=size)
    long = max(map(len, names)) > 3
    axes.set_xticks(range(len(names)), [_short(name) for name in names])
    axes.tick_params(axis="x", labelrotation=(30 if len(names) <= FEW else 90) if long else 0)
    axes.set_title("images that hold both")
    axes.set_xlabel("class")
    _rows(axes, _names(overview))
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _draw_places(figure: SubFigure, overview: Overview, rows: int, columns: int) -> None:
    """One map a class, each with its own scale: rare classes would vanish on a common one."""
    height, width = overview.size
    figure.suptitle(
        "where defects lie: labelled share of each place, mean over the images that hold the class"
    )
    names, panels = _names(overview), figure.subplots(rows, columns, squeeze=False).flat
    for c, axes in enumerate(panels):
        if c >= len(names):
            axes.set_axis_off()
            continue
        extent = (0, width, height, 0)
        drawn = axes.imshow(overview.heat[c], cmap="cividis", vmin=0.0, extent=extent)
        count = int(overview.held[c])
        axes.set_title(f"{names[c]}: {count:,} image{'s'[: count != 1]}", fontsize=10)
        axes.set_xlabel("column, pixels")
        axes.set_ylabel("row, pixels")
        axes.set_yticks([0, height // 2, height])
        bar = figure.colorbar(drawn, cax=axes.inset_axes((1.02, 0.0, 0.02, 1.0)))
        bar.locator = MaxNLocator(nbins=3)
        bar.formatter = FuncFormatter(lambda share, _: f"{100 * share:g} %")


def _names(overview: Overview) -> list[str]:
    return [f"class {name}" if name.isdigit() else _short(name) for name in overview.classes]


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"


def _colours(count: int) -> list[str]:
    return [CLASS_COLOURS[c % len(CLASS_COLOURS)] for c in range(count)]


def _rows(axes: Axes, names: list[str]) -> None:
    """A row a class, the first on top."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
