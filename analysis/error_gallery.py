"""The worst images of each class, side by side across strategies.

    python analysis/error_gallery.py runs
    python analysis/error_gallery.py runs --class 2 --count 6

Worst is the least Dice on an image that holds the class, mean over all runs, strategies alike; of
near-duplicates only the worst is shown. For each class worst_<class> shows what every strategy
found, missed and falsely marked there, in pixels; worst.csv has the same of every run.

pictures_<class> shows the worst images that have a picture in the first run of every strategy. Runs
draw some validation images after each epoch (training.overlays). Where the worst images have no
pictures, the command that draws them is printed. It evaluates the runs again from their weights.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from analysis.strategies.gallery_figures import draw_pictures, draw_pixels, pictured
from steelexp.command_line import command_line
from steelexp.comparison.evaluated_runs import EvaluatedRuns, read_evaluated
from steelexp.errors import UserError, explain_write_errors
from steelexp.progress import say
from steelexp.records.atomic import write_atomically
from steelexp.spreadsheet import csv_text
from steelexp.terminal import Parser, prepare_output, print_error

FORMATS: Final = ("png", "pdf", "svg")

EvaluatedImages = npt.NDArray[np.int64]


def main(argv: list[str]) -> int:
    """Draw the gallery that `argv` asks for; 0 if it is drawn, 2 if it cannot be."""
    prepare_output()
    arguments = _parser().parse_args(argv)
    try:
        if arguments.count < 1:
            raise UserError(f"--count {arguments.count}: at least 1")
        evaluated = read_evaluated(arguments.runs, arguments.part)
        labels = _labels(evaluated, arguments.label)
        worst_images = {label: worst(evaluated, label, arguments.count) for label in labels}
        out: Path = arguments.out
        figures = _figures(evaluated, worst_images, arguments.count)
        with explain_write_errors(out, "choose another folder with --out"):
            files = [
                write_atomically(out / "worst.csv", worst_csv(evaluated, worst_images).encode())
            ]
            for name, figure in figures.items():
                files.append(out / f"{name}.{arguments.format}")
                figure.savefig(files[-1], dpi=200)
    except UserError as error:
        print_error(*error.lines, before="error_gallery")
        return 2
    say(f"worst images of {len(labels)} classes: {', '.join(map(str, files))}")
    with_pictures = set(pictured(evaluated))
    if any(not with_pictures.issuperset(images.tolist()) for images in worst_images.values()):
        say(f"Not all of them have pictures; this draws them: {drawing(evaluated, worst_images)}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="error_gallery", description="Show the worst images of each class.")
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUNS", help="a run folder, or a folder of runs"
    )
    parser.add_argument(
        "--class", dest="label", metavar="CLASS", help="only this one (default: every class)"
    )
    parser.add_argument(
        "--count", type=int, default=6, help="images of a class (default: %(default)s)"
    )
    parser.add_argument(
        "--part",
        choices=("test", "val"),
        default="test",
        help="of the split (default: %(default)s)",
    )
    parser.add_argument(
        "--format", choices=FORMATS, default="png", help="of the figures (default: %(default)s)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("gallery"),
        metavar="DIR",
        help="where all is written (default: %(default)s)",
    )
    return parser


def _labels(evaluated: EvaluatedRuns, label: str | None) -> list[str]:
    """The classes to show: those that an image holds."""
    images = evaluated.images
    classes = [images.classes[c] for c in np.flatnonzero(images.labelled.any(axis=0)).tolist()]
    if label is None:
        return classes
    if label not in classes:
        raise UserError(
            f"--class {label}: no {images.part} image holds it; {', '.join(classes) or 'none does'}"
        )
    return [label]


def worst(
    evaluated: EvaluatedRuns, label: str, count: int, among: Sequence[int] | None = None
) -> EvaluatedImages:
    """The images with the least Dice on a class, the worst first; of near-duplicates the worst.

    Args:
        evaluated: the runs.
        label: Name of the class.
        count: Largest number of images.
        among: image numbers; None: all.
    """
    images = evaluated.images
    place = images.classes.index(label)
    score = np.mean(  # [S]; strategies count alike, however many runs they have
        [
            np.mean([run.dice[:, place] for run in runs], axis=0)
            for runs in evaluated.strategies.values()
        ],
        axis=0,
    )
    positive = np.flatnonzero(images.has_class[:, place])
    candidates = (
        positive if among is None else np.intersect1d(positive, np.asarray(among, np.int64))
    )
    ranked = candidates[np.argsort(score[candidates], kind="stable")]
    first = np.unique(images.groups[ranked], return_index=True)[1]
    return np.asarray(ranked[np.sort(first)][:count], np.int64)


def worst_csv(evaluated: EvaluatedRuns, worst_images: dict[str, EvaluatedImages]) -> str:
    """A line a class, image and run: pixels found, false and missed, and the Dice."""
    head = ("class", "rank", "image", "group", "strategy", "seed", "tp", "fp", "fn", "dice")
    rows: list[tuple[Any, ...]] = [head]
    images = evaluated.images
    for label, numbers in worst_images.items():
        place = images.classes.index(label)
        for rank, image in enumerate(numbers.tolist(), start=1):
            at = (image, place)
            for name, runs in evaluated.strategies.items():
                for run in runs:
                    pixels = [part[at] for part in run.counts]
                    named = (label, rank, images.names[image], images.groups[image], name)
                    rows.append((*named, run.record.seed, *pixels, f"{run.dice[at]:.6f}"))
    return csv_text(rows)


def _figures(
    evaluated: EvaluatedRuns, worst_images: dict[str, EvaluatedImages], count: int
) -> dict[str, Figure]:
    with_pictures = pictured(evaluated)
    figures = {}
    for label, numbers in worst_images.items():
        name = re.sub(r"\W+", "_", label)
        figures[f"worst_{name}"] = draw_pixels(evaluated, label, numbers)
        worst_pictured = worst(evaluated, label, count, among=with_pictures)
        if len(worst_pictured):
            figures[f"pictures_{name}"] = draw_pictures(evaluated, label, worst_pictured)
    return figures


def drawing(evaluated: EvaluatedRuns, worst_images: dict[str, EvaluatedImages]) -> str:
    """The command that draws the worst images with the first run of every strategy."""
    names = {
        evaluated.images.names[image]: None for images in worst_images.values() for image in images
    }
    folders = [runs[0].label for runs in evaluated.strategies.values()]
    return command_line("evaluate", *folders, "--overlays", *names)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
