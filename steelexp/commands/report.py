"""The command `report`: one HTML file of a run, a search, or a folder of them."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from steelexp.commands.outcome import DONE
from steelexp.errors import explain_write_errors, reason
from steelexp.progress import say
from steelexp.report.page import PageError, write_page

if TYPE_CHECKING:
    from steelexp.commands.arguments import Subparsers


def add(commands: "Subparsers") -> None:
    """Add the command."""
    page = commands.add_parser("report", help="a page of a run, a search, or a folder of runs")
    page.set_defaults(act=report)
    page.add_argument(
        "folder", nargs="?", type=Path, default=Path("runs"), metavar="RUN|SEARCH|FOLDER"
    )
    page.add_argument("--out", type=Path, help="the file (default: report.html in the folder)")
    page.add_argument(
        "--baseline",
        metavar="NAME",
        help="the strategy that the others are held against at first (default: the shortest name)",
    )


def report(args: argparse.Namespace) -> int:
    """Write the page."""
    with explain_write_errors(args.out or args.folder, "choose another file with --out"):
        path = write_page(args.folder, args.out, baseline=args.baseline)
    say(f"Report: {path}")
    return DONE


def leave_report(folder: Path) -> None:
    """Write the page at the end of a run, and say where; whatever fails here fails no run."""
    try:
        say(f"Report: {write_page(folder)}")
    except PageError:
        return  # no run has got so far that there is anything to show
    except Exception as error:
        say(
            f"The report could not be written ({type(error).__name__}: {reason(error)}); "
            f"python -m steelexp report {folder} tries again"
        )
