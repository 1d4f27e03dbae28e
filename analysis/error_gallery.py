"""The worst strips of each class, side by side across strategies.

    python analysis/error_gallery.py runs
    python analysis/error_gallery.py runs --class 2 --count 6

Worst is the least Dice on a strip that holds the class, mean over all runs, strategies alike; of
near-duplicates only the worst is shown. For each class worst_<class> shows what every strategy
found, missed and falsely marked there, in pixels; worst.csv has the same of every run.

pictures_<class> shows the worst strips that have a picture in the first run of every strategy. Runs
draw some tune strips after each epoch (training.overlays); where the worst strips have no pictures,
the command that draws them is printed: it judges the runs again from their weights.
"""

from __future__ import annotations

import argparse
import csv
import io
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from analysis.gallery_figures import draw_pictures, draw_pixels, pictured
from analysis.judged_run import RunError
from analysis.judged_runs import JudgedRuns, read_judged
from steelexp.records.store import DamagedError, write_atomically

FORMATS: Final = ("png", "pdf", "svg")

Strips = npt.NDArray[np.int64]


def main(argv: list[str]) -> int:
    """Draw the gallery that `argv` asks for; 0 if it is drawn, 2 if it cannot be."""
    arguments = _parser().parse_args(argv)
    try:
        if arguments.count < 1:
            raise RunError(f"--count {arguments.count}: at least 1")
        judged = read_judged(arguments.runs, arguments.part)
        labels = _labels(judged, arguments.label)
        shown = {label: worst(judged, label, arguments.count) for label in labels}
        out: Path = arguments.out
        written = [write_atomically(out / "worst.csv", worst_csv(judged, shown).encode())]
        figures = _figures(judged, shown, arguments.count)
        for name, figure in figures.items():
            written.append(out / f"{name}.{arguments.format}")
            figure.savefig(written[-1], dpi=200)
    except (RunError, DamagedError, OSError) as error:
        print(f"error_gallery: {error}", file=sys.stderr)
        return 2
    print(f"worst strips of {len(labels)} classes: {', '.join(map(str, written))}")
    drawn = set(pictured(judged))
    if any(not drawn.issuperset(strips.tolist()) for strips in shown.values()):
        print(f"Not all of them have pictures; this draws them: {drawing(judged, shown)}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="error_gallery", description="Show the worst strips of each class."
    )
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUNS", help="a run folder, or a folder of runs"
    )
    parser.add_argument(
        "--class", dest="label", metavar="CLASS", help="only this one (default: every class)"
    )
    parser.add_argument(
        "--count", type=int, default=6, help="strips of a class (default: %(default)s)"
    )
    parser.add_argument(
        "--part",
        choices=("test", "tune"),
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


def _labels(judged: JudgedRuns, label: str | None) -> list[str]:
    """The classes to show: those that a strip holds."""
    strips = judged.strips
    held = [strips.classes[c] for c in np.flatnonzero(strips.labelled.any(axis=0)).tolist()]
    if label is None:
        return held
    if label not in held:
        raise RunError(
            f"--class {label}: no {strips.part} strip holds it; {', '.join(held) or 'none does'}"
        )
    return [label]


def worst(judged: JudgedRuns, label: str, count: int, among: Sequence[int] | None = None) -> Strips:
    """The strips with the least Dice on a class, the worst first; of near-duplicates the worst.

    Args:
        judged: the runs.
        label: of the class.
        count: how many at most.
        among: strip numbers; None: all.
    """
    strips, place = judged.strips, judged.strips.classes.index(label)
    score = np.mean(  # [S]; strategies count alike, however many runs they have
        [
            np.mean([run.dice[:, place] for run in runs], axis=0)
            for runs in judged.strategies.values()
        ],
        axis=0,
    )
    held = np.flatnonzero(strips.held[:, place])
    kept = held if among is None else np.intersect1d(held, np.asarray(among, np.int64))
    ranked = kept[np.argsort(score[kept], kind="stable")]
    first = np.unique(strips.groups[ranked], return_index=True)[1]
    return np.asarray(ranked[np.sort(first)][:count], np.int64)


def worst_csv(judged: JudgedRuns, shown: dict[str, Strips]) -> str:
    """A line a class, strip and run: pixels found, false and missed, and the Dice."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    head = ("class", "rank", "strip", "group", "strategy", "seed", "tp", "fp", "fn", "dice")
    writer.writerow(head)
    strips = judged.strips
    for label, numbers in shown.items():
        place = strips.classes.index(label)
        for rank, strip in enumerate(numbers.tolist(), start=1):
            at = (strip, place)
            for name, runs in judged.strategies.items():
                for run in runs:
                    pixels = (run.tp[at], run.fp[at], strips.labelled[at] - run.tp[at])
                    named = (label, rank, strips.names[strip], strips.groups[strip], name)
                    writer.writerow([*named, run.record.seed, *pixels, f"{run.dice[at]:.6f}"])
    return text.getvalue()


def _figures(judged: JudgedRuns, shown: dict[str, Strips], count: int) -> dict[str, Figure]:
    drawn = pictured(judged)
    figures = {}
    for label, numbers in shown.items():
        name = re.sub(r"\W+", "_", label)
        figures[f"worst_{name}"] = draw_pixels(judged, label, numbers)
        seen = worst(judged, label, count, among=drawn)
        if len(seen):
            figures[f"pictures_{name}"] = draw_pictures(judged, label, seen)
    return figures


def drawing(judged: JudgedRuns, shown: dict[str, Strips]) -> str:
    """The command that draws the worst strips with the first run of every strategy."""
    names = {judged.strips.names[strip]: None for strips in shown.values() for strip in strips}
    folders = [runs[0].label for runs in judged.strategies.values()]
    return shlex.join(["python", "-m", "steelexp", "evaluate", *folders, "--pictures", *names])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
