"""One HTML file with the results of runs and searches. It loads nothing from a network."""

import base64
import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from steelexp import __version__, palette
from steelexp.command_line import again_line, command_line, public_line, shell_word
from steelexp.comparison.comparability import describe_data
from steelexp.errors import UserError
from steelexp.metric_names import full_name
from steelexp.metrics import HEADLINES, LOSS, ON_IMAGES, PRIMARY
from steelexp.privacy import without_home
from steelexp.progress import duration
from steelexp.records.atomic import write_atomically
from steelexp.records.search_confirmation import lead_lines
from steelexp.records.search_file import best_line, describe_score
from steelexp.records.store import RunFolder, run_folders
from steelexp.report.charts import Drawing
from steelexp.report.comparison import Change, Comparison, comparisons, runs_apart
from steelexp.report.figures import evaluation_charts, run_curves, search_charts, strategy_curves
from steelexp.report.page_file import check_replaceable
from steelexp.report.pictures import BYTES, Gallery, gallery
from steelexp.report.runs import Run, read_run
from steelexp.report.searches import Search, searches
from steelexp.report.settings import differing
from steelexp.report.tables import postprocessing_lines
from steelexp.spec.space_words import describe_values
from steelexp.terminal import visible, visible_lines

NAME = "report.html"
EPOCH_COLUMNS = (
    LOSS,
    *(full_name(name, "val") for name in (LOSS, *HEADLINES)),
    "learning_rate",
)


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
        changes: Baseline -> every strategy beside it.
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
    runs = [read_run(folder) for folder in run_folders(root) if not _of(folder, search_list)]
    if not runs and not search_list:
        raise PageError(f"{root}: no runs here; make one: make run")
    names = sorted({run.name for run in runs})
    if baseline is not None and baseline not in names:
        raise PageError(f"--baseline {baseline}: no such strategy here; here: {', '.join(names)}")
    colours = {name: number for number, name in enumerate(names)}
    compared = [_compared(each, baseline, colours) for each in comparisons(runs)]
    best = {search.path: _best_run(search) for search in search_list}
    entries = [(run, "") for run in runs]
    entries += [(run, search.name) for search in search_list if (run := best[search.path])]
    parts = _parts(entries)
    return _rendered(
        title=runs[0].label if len(runs) == 1 and not search_list else _title(root, search_list),
        alone=len(runs) == 1 and not search_list,
        runs=sorted(runs, key=_rank),
        parts=parts,
        side=_side([part.gallery for part in parts if part.gallery]),
        compared=compared,
        apart=runs_apart(runs),
        colours=colours,
        settings=differing(runs) if len(runs) > 1 else {},
        searches=[_searched(search, best[search.path]) for search in search_list],
    )


def _title(root: Path, search_list: Sequence[Search]) -> str:
    if search_list and root.resolve() == search_list[0].path.resolve():
        return search_list[0].name
    return root.absolute().name


def _of(folder: RunFolder, search_list: Iterable[Search]) -> bool:
    """Whether a run is a trial of one of the searches."""
    return any(search.path / "trials" in folder.path.parents for search in search_list)


def _rank(run: Run) -> float:
    value = run.metric(PRIMARY)
    return 2.0 if value is None else -value


def _best_run(search: Search) -> Run | None:
    folder = search.run(search.best) if search.best else None
    return read_run(folder) if folder else None


def _parts(entries: Sequence[tuple[Run, str]]) -> list[RunPart]:
    """The parts of the runs; what one leaves of the room for pictures goes to the next."""
    parts = []
    room = BYTES
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
    changes = {name: of.against(name) for name in of.strategies}
    return ComparedPart(of, of.baseline(baseline), changes, strategy_curves(of.runs, colours))


def _searched(search: Search, best: Run | None) -> SearchPart:
    return SearchPart(search, search_charts(search), best.anchor if best else "")


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8", errors="replace")
    except OSError:
        return ""


def _rendered(**content: Any) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # 0.1 s, at the end of a run
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("steelexp.report"),
        autoescape=True,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {
        "figure": _figure,
        "signed": _signed,
        "duration": duration,
        "describe": describe_values,
        "shell_word": lambda word: public_line(shell_word(word)),
        "visible": visible,
        "without_name": lambda values: {key: values[key] for key in values if key != "name"},
    }
    environment.globals |= {
        "columns": ON_IMAGES,
        "primary": PRIMARY,
        "full_name": full_name,
        "again_line": lambda *words: public_line(again_line(*words)),
        "describe_score": describe_score,
        "lead_lines": lead_lines,
        "best_line": lambda *words: public_line(best_line(*words)),
        "command_line": lambda *words: public_line(command_line(*words)),
        "describe_data": describe_data,
        "palette": palette,
        "post_columns": HEADLINES,
        "postprocessing_lines": postprocessing_lines,
        "epoch_columns": EPOCH_COLUMNS,
        "isnan": math.isnan,
        "nan": math.nan,
        "status_counts": lambda runs: Counter(run.status for run in runs),
    }
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    script = "\n" + environment.get_template("page.js").render() + "\n"
    template = environment.get_template("page.html")
    return template.render(
        version=__version__,
        written=now,
        script=Markup(script),  # a file of this package
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        **content,
    )


def _visible(value: object) -> object:
    """What a template prints: markup as it is, all else as text that shows no home folder.

    Control characters are spelled out.
    """
    return value if hasattr(value, "__html__") else visible_lines(without_home(str(value)))


def _figure(value: float | None, digits: int = 3) -> str:
    if value is None or not math.isfinite(value):
        return "\N{EN DASH}"
    return f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _signed(value: float, digits: int = 3) -> str:
    text = _figure(value, digits)
    return f"+{text}" if math.isfinite(value) and value >= 0 else text
