"""One HTML file with the results of runs and searches. It loads nothing from a network."""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from steelexp.errors import UserError
from steelexp.records.atomic import write_atomically
from steelexp.records.store import run_folders
from steelexp.report import selection
from steelexp.report.charts import Drawing
from steelexp.report.comparison import Change, Comparison, comparisons, runs_apart
from steelexp.report.figures import evaluation_charts, run_curves, search_charts, strategy_curves
from steelexp.report.folds import folds_parts
from steelexp.report.page_file import check_replaceable
from steelexp.report.pictures import BYTES, Gallery, gallery
from steelexp.report.rendering import rendered
from steelexp.report.runs import Run, read_run
from steelexp.report.searches import Search, searches
from steelexp.report.selection import detailed, rank
from steelexp.report.settings import differing

NAME = "report.html"
MOST_BASELINES = 16
"""Strategies among which each can be the baseline; the page has a table for each baseline."""

MOST_BYTES = 4_300_000
"""Bytes of the parts of the runs with their pictures; a page stays below 5 MB with 1,000 runs."""

PART_BYTES = 60_000
"""Bytes of the part of a run without pictures: 50 kB with 6 epochs, 80 kB with 30."""


class PageError(UserError):
    """There is nothing to report, or not what was asked for."""


class RunPart(NamedTuple):
    """The part of the page about one run.

    Attributes:
        run: The run.
        curves: Learning curves.
        evaluated: Charts of the evaluation report.
        gallery: Overlays; None without.
        spec: Text of spec.yaml.
        trial_of: Search that it is the best trial of, or "".
    """

    run: Run
    curves: Sequence[Drawing]
    evaluated: Sequence[Drawing]
    gallery: Gallery | None
    spec: str
    trial_of: str


class ComparedPart(NamedTuple):
    """The part of the page about runs on the same images.

    Attributes:
        of: Comparison of their strategies.
        baseline: Strategy that the others are first compared with.
        changes: Baseline -> every strategy beside it. Among many strategies, one baseline only.
        curves: Learning curves, a panel a metric.
    """

    of: Comparison
    baseline: str
    changes: dict[str, list[Change]]
    curves: Sequence[Drawing]

    @property
    def places(self) -> list[int]:
        """Columns of a strategy's arrays: all classes, then each."""
        classes = len(self.of.classes)
        return [classes, *range(classes)]

    @property
    def single(self) -> list[str]:
        """Strategies with one run."""
        return [name for name, each in self.of.strategies.items() if each.runs == 1]

    @property
    def reach(self) -> float:
        """Length of the whiskers to either side: the farthest end of an interval, in twentieths.

        At most 0.25: one strategy that scatters would leave the others no length.
        """
        ends = [
            np.abs([change.difference.low, change.difference.high])
            for changes in self.changes.values()
            for change in changes
        ]
        finite = np.array(ends)[np.isfinite(ends)]
        return min(0.25, max(0.05, math.ceil(float(finite.max(initial=0.0)) * 20) / 20))


class SidePart(NamedTuple):
    """Images and epochs of which several runs have overlays, to see them side by side."""

    images: list[str]
    epochs: list[int]


class SearchPart(NamedTuple):
    """The part of the page about a search.

    Attributes:
        search: The search.
        charts: Progress, and the score by each setting.
        best: Anchor of the best trial's run, or "".
    """

    search: Search
    charts: Sequence[Drawing]
    best: str


def write_page(root: Path, out: Path | None = None, *, baseline: str | None = None) -> Path:
    """Write the page of a run, or of a folder with runs and searches.

    Args:
        root: Folder.
        out: File to write; report.html in the folder if None.
        baseline: Strategy that the others are first compared with; the page can change it.

    Returns:
        The file.

    Raises:
        PageError: There is no run here, or no strategy of that name.
        UserError: Another file than such a page is in its place.
    """
    file = out or root / NAME
    check_replaceable(file)
    text = page(root, baseline=baseline)
    return write_atomically(file, text.encode("utf-8", "backslashreplace"))


def page(root: Path, *, baseline: str | None = None) -> str:
    """The page as text; arguments and errors are those of `write_page`."""
    search_list = list(searches(root))
    trials = {search.path / "trials" for search in search_list}
    folders = (each for each in run_folders(root) if trials.isdisjoint(each.path.parents))
    runs = [read_run(folder) for folder in folders]
    if not runs and not search_list:
        raise PageError(f"{root}: no runs here; make one: make run")
    names = sorted({run.name for run in runs})
    if baseline is not None and baseline not in names:
        raise PageError(f"--baseline {baseline}: no such strategy here; here: {', '.join(names)}")
    colours = {name: number for number, name in enumerate(names)}
    compared = [_compared(each, baseline, colours) for each in comparisons(runs, baseline)]
    best = {search.path: _best_run(search) for search in search_list}
    shown = detailed(runs)
    entries = [(run, "") for run in shown]
    entries += [(run, search.name) for search in search_list if (run := best[search.path])]
    parts = _parts(entries)
    return rendered(
        title=runs[0].label if len(runs) == 1 and not search_list else _title(root, search_list),
        alone=len(runs) == 1 and not search_list,
        runs=sorted(runs, key=rank),
        most_rows=selection.MOST_ROWS,
        detailed={run.anchor for run in shown},
        parts=parts,
        side=_side([part.gallery for part in parts if part.gallery]),
        compared=compared,
        apart=runs_apart(runs),
        colours=colours,
        settings=differing(shown) if len(shown) > 1 else {},
        folds=folds_parts(root),
        searches=[_searched(search, best[search.path]) for search in search_list],
    )


def _title(root: Path, search_list: Sequence[Search]) -> str:
    if search_list and root.resolve() == search_list[0].path.resolve():
        return search_list[0].name
    return root.absolute().name


def _best_run(search: Search) -> Run | None:
    folder = search.run(search.best) if search.best else None
    return read_run(folder) if folder else None


def _parts(entries: Sequence[tuple[Run, str]]) -> list[RunPart]:
    """The parts of the runs; what one leaves of the room for pictures goes to the next."""
    parts = []
    room = min(BYTES, MOST_BYTES - PART_BYTES * len(entries))
    for number, (run, trial_of) in enumerate(entries):
        pictures = gallery(run, room // (len(entries) - number))
        if pictures is not None:
            room -= sum(len(p.uri) for image in pictures.images.values() for p in image)
        evaluated = evaluation_charts(run.evaluation) if run.evaluation else []
        spec = _text(run.folder.path / "spec.yaml")
        parts.append(RunPart(run, run_curves(run), evaluated, pictures, spec, trial_of))
    return parts


def _side(galleries: Sequence[Gallery]) -> SidePart:
    """The images of the most runs first."""
    runs_of_image = Counter(image for each in galleries for image in each.images)
    images = [image for image, runs in runs_of_image.most_common() if runs > 1]
    return SidePart(images, sorted({epoch for each in galleries for epoch in each.epochs}))


def _compared(of: Comparison, baseline: str | None, colours: dict[str, int]) -> ComparedPart:
    if not of.strategies:
        return ComparedPart(of, "", {}, [])
    first = of.baseline(baseline)
    bases = of.strategies if len(of.strategies) <= MOST_BASELINES else [first]
    changes = {name: of.against(name) for name in bases}
    return ComparedPart(of, first, changes, strategy_curves(of.runs, colours))


def _searched(search: Search, best: Run | None) -> SearchPart:
    return SearchPart(search, search_charts(search), best.anchor if best else "")


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8", errors="replace")
    except OSError:
        return ""
