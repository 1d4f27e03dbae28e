"""The command `report`: one HTML page of a run, a search, or a folder of them."""

import argparse
from pathlib import Path

from steelexp.command_line import RUNS
from steelexp.commands.outcome import DONE
from steelexp.errors import explain_write_errors
from steelexp.progress import say
from steelexp.report.page import write_page


def add(page: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    page.set_defaults(act=report)
    page.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=RUNS,
        metavar="RUN|SEARCH|FOLDER",
        help="default: runs",
    )
    page.add_argument(
        "--out", type=Path, help="file of the page (default: report.html in the folder)"
    )
    page.add_argument(
        "--baseline",
        metavar="NAME",
        help="strategy that the others are compared with at first (default: the shortest name)",
    )


def report(args: argparse.Namespace) -> int:
    """Write the page."""
    with explain_write_errors(args.out or args.folder, "choose another file with --out"):
        path = write_page(args.folder, args.out, baseline=args.baseline)
    say(f"Report: {path}")
    return DONE
