"""The command `list`: the leaderboard of a folder of runs."""

import argparse
from pathlib import Path

from steelexp.command_line import RUNS
from steelexp.commands.outcome import DONE
from steelexp.errors import UserError
from steelexp.progress import say, show
from steelexp.records.store import run_folders
from steelexp.report.folds import folds_board, folds_parts
from steelexp.report.tables import leaderboard, standings


def add(board: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    board.set_defaults(act=list_runs, prints_only=True, inputs=("folder",))
    board.add_argument("folder", nargs="?", type=Path, default=RUNS, help="default: runs")


def list_runs(args: argparse.Namespace) -> int:
    """Print the leaderboard."""
    rows = standings(run_folders(args.folder))
    if not rows:
        raise UserError(f"{args.folder}: no runs here; make one: make run")
    show(leaderboard(rows))
    if parts := folds_parts(args.folder):
        show(folds_board(parts))
        say(*(part.problem for part in parts if part.file is None))
    for row in rows:
        if row.problem is not None:
            say(*row.problem.lines)
    return DONE
