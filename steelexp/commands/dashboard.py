"""The command `dashboard`: send the team's dashboards and comparisons to Comet."""

import argparse
from pathlib import Path

from steelexp.commands.outcome import DONE, FAILED
from steelexp.errors import UserError
from steelexp.plan import SpecModel
from steelexp.progress import say
from steelexp.records.search_file import FILE as SEARCH_FILE
from steelexp.records.search_file import read_search_file
from steelexp.spec import load
from steelexp.spec.objective import objectives
from steelexp.tracking.comet.dashboard import Search, push
from steelexp.tracking.comparison_events import comparison_journal
from steelexp.tracking.delivery import sync


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    pushing = actions.add_parser("push", help="create the dashboards, or update them")
    pushing.set_defaults(act=send)
    _add_place(pushing)
    pushing.add_argument(
        "--classes",
        nargs="+",
        default=["1", "2", "3", "4"],
        metavar="NAME",
        help="class names of the data set (default: Severstal's 1 2 3 4)",
    )
    pushing.add_argument(
        "--search",
        type=Path,
        metavar="SPEC|FOLDER",
        help="spec or folder of a search, whose settings the parallel coordinates show",
    )
    comparing = actions.add_parser("comparison", help="log a comparison of strategies, once")
    comparing.set_defaults(act=compare)
    comparing.add_argument(
        "folder", type=Path, metavar="FOLDER", help="what analysis/compare_strategies.py wrote"
    )
    _add_place(comparing)


def _add_place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--project", default="steelexp", help="project at Comet (default: steelexp)"
    )
    parser.add_argument("--workspace", help="workspace at Comet (default: your own)")


def send(args: argparse.Namespace) -> int:
    """Send the dashboards."""
    say(*push(args.project, args.workspace, args.classes, _search(args.search)))
    return DONE


def _search(path: Path | None) -> Search:
    """What a search varies and tries to improve; the usual without a search.

    Raises:
        UserError: The file is no search.
    """
    if path is None:
        return Search()
    if path.is_dir() or path.name == SEARCH_FILE:
        search = read_search_file(path if path.is_dir() else path.parent)
        return Search(list(search.space), list(search.objectives))
    spec = load(path, model=SpecModel, notes=[])
    if spec.search is None:
        raise UserError(f"--search {path}: its spec has no section search")
    return Search(list(spec.search.space), [each.name for each in objectives(spec)])


def compare(args: argparse.Namespace) -> int:
    """Log a comparison, or what Comet does not have of it yet."""
    journal = comparison_journal(
        args.folder, service="comet", project=args.project, workspace=args.workspace
    )
    is_sent, line = sync(journal)
    say(line)
    return DONE if is_sent else FAILED
