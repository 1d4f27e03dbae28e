"""What a search found, what it cost, and which settings mattered.

    python analysis/search_history.py runs/quick_search/search
    python analysis/search_history.py runs/quick_search/search --out docs/results/quick_search

search.json is all that is read; a search that goes on can be looked at. Written are search.md,
search.csv and the figures progress, parallel, importance and cost.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from matplotlib.figure import Figure

from analysis.compare_strategies import FORMATS
from analysis.searches.cost_figure import draw_cost
from analysis.searches.importance_figure import draw_importance
from analysis.searches.parallel_coordinates import draw_parallel
from analysis.searches.search_figures import draw_progress, score_of
from analysis.searches.search_tables import markdown, spent, trials_csv, warnings
from analysis.searches.search_trials import Search, read_search
from analysis.searches.setting_importance import DRAWS, Importances, importances
from steelexp.errors import UserError, explain_write_errors
from steelexp.progress import say
from steelexp.records.atomic import write_atomically
from steelexp.spec.space_words import describe_value
from steelexp.terminal import Parser, prepare_output, print_error


def main(argv: list[str]) -> int:
    """Write the history that `argv` asks for; 0 if it is written, 2 if it cannot be."""
    prepare_output()
    arguments = _parser().parse_args(argv)
    try:
        search = read_search(arguments.search)
        if not search.finished and not search.failed:
            raise UserError(f"{arguments.search}: no trial has ended yet; look again later")
        importance = importances(search, draws=DRAWS)
        figures, undrawn = _figures(search, importance)
        with explain_write_errors(arguments.out, "choose another folder with --out"):
            paths = _write(search, importance, figures, arguments)
    except UserError as error:
        print_error(*error.lines, before="search_history")
        return 2
    for text in (*warnings(search, importance), *undrawn):
        print_error(text, before="search_history")
    say(_summary(search))
    say(f"history of {len(search.trials)} trials: {', '.join(map(str, paths))}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="search_history",
        description="Progress, settings, their importance and the cost of a search.",
    )
    parser.add_argument(
        "search", type=Path, metavar="SEARCH", help="the folder of a search, RUNS/<name>/search"
    )
    parser.add_argument(
        "--format", choices=FORMATS, default="png", help="of the figures (default: %(default)s)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("search_history"),
        metavar="FOLDER",
        help="where all is written (default: %(default)s)",
    )
    return parser


def _figures(search: Search, importance: Importances | str) -> tuple[dict[str, Figure], list[str]]:
    """The figures by name, and why others are not drawn."""
    attempts: dict[str, Figure | str] = {
        "progress": draw_progress(search),
        "parallel": draw_parallel(search),
        "importance": f"importance is not drawn: {importance}"
        if isinstance(importance, str)
        else draw_importance(search, importance),
        "cost": draw_cost(search),
    }
    figures = {name: each for name, each in attempts.items() if isinstance(each, Figure)}
    return figures, [each for each in attempts.values() if isinstance(each, str)]


def _write(
    search: Search,
    importance: Importances | str,
    figures: dict[str, Figure],
    arguments: argparse.Namespace,
) -> list[Path]:
    out: Path = arguments.out
    files = {name: f"{name}.{arguments.format}" for name in figures}
    texts = {
        "search.md": markdown(search, importance, files, draws=DRAWS),
        "search.csv": trials_csv(search),
    }
    paths = [write_atomically(out / name, text.encode()) for name, text in texts.items()]
    for name, figure in figures.items():
        figure.savefig(out / files[name], dpi=200)
        paths.append(out / files[name])
    return paths


def _summary(search: Search) -> str:
    """The best trial and the budget, in a line."""
    best = search.best
    if best is None:
        return f"no trial has a score; {', '.join(spent(search))}"
    values = ", ".join(f"{path} {describe_value(value)}" for path, value in best.values.items())
    return (
        f"best {search.objective} {describe_value(score_of(best))}, trial {best.id}: {values}; "
        f"{', '.join(spent(search))}"
    )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
