"""The command `sync`: send to Comet what it does not have yet of runs."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from steelexp.command_line import RUNS
from steelexp.commands.outcome import DONE, FAILED
from steelexp.errors import UserError
from steelexp.progress import say
from steelexp.records.store import run_folders
from steelexp.tracking import delivery, journal

if TYPE_CHECKING:
    from steelexp.commands.arguments import Subparsers


def add(commands: "Subparsers") -> None:
    """Add the command."""
    parser = commands.add_parser("sync", help="send to Comet what it does not have yet")
    parser.set_defaults(act=sync)
    parser.add_argument(
        "runs", nargs="*", type=Path, default=[RUNS], metavar="RUN|FOLDER",
        help="run folders, folders of runs (default: runs)",
    )  # fmt: skip


def sync(args: argparse.Namespace) -> int:
    """Send the rest of every run's journal."""
    folders = [folder.path for path in args.runs for folder in run_folders(path)]
    tracked = [folder for folder in folders if (folder / journal.NAME).is_file()]
    if not tracked:
        raise UserError(f"{', '.join(map(str, args.runs))}: no runs here that Comet tracks")
    complete = True
    for folder in tracked:
        sent, line = delivery.sync(folder)
        say(f"{folder}: {line}")
        complete = complete and sent
    return DONE if complete else FAILED
