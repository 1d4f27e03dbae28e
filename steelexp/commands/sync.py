"""The command `sync`: send to Comet what it does not have yet of runs."""

import argparse
import time
from pathlib import Path

from steelexp.command_line import RUNS
from steelexp.commands.arguments import positive
from steelexp.commands.outcome import DONE, FAILED
from steelexp.errors import UserError
from steelexp.progress import say
from steelexp.records.store import run_folders
from steelexp.tracking import delivery, journal, receipt


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.set_defaults(act=sync)
    parser.add_argument(
        "runs", nargs="*", type=Path, default=[RUNS], metavar="RUN|FOLDER",
        help="run folders, folders of runs (default: runs)",
    )  # fmt: skip
    parser.add_argument(
        "--minutes", type=positive, default=delivery.SYNC_SECONDS / 60, metavar="N",
        help="longest time for all runs together; what is left then is said (default: 30)",
    )  # fmt: skip


def sync(args: argparse.Namespace) -> int:
    """Send the rest of every run's journal."""
    tracked = [folder for path in args.runs for folder in _tracked(path)]
    if not tracked:
        raise UserError(f"{', '.join(map(str, args.runs))}: no runs here that Comet tracks")
    deadline = time.monotonic() + 60 * args.minutes
    answers = [_is_sent(folder, deadline) for folder in tracked]
    return DONE if all(answers) else FAILED


def _tracked(path: Path) -> list[Path]:
    """The tracked runs below a folder; or the folder itself, such as that of a comparison."""
    folders = [path, *(folder.path for folder in run_folders(path))]
    names = (journal.NAME, receipt.NAME)
    runs = [folder for folder in folders if any((folder / name).exists() for name in names)]
    return list(dict.fromkeys(runs))


def _is_sent(folder: Path, deadline: float) -> bool:
    """Send the rest of one run and say what came out; a damaged run does not hold up the others."""
    try:
        is_complete, line = delivery.sync(folder, deadline - time.monotonic())
    except UserError as error:
        is_complete = False
        line = f"not sent: {error}"
    say(f"{folder}: {line}")
    return is_complete
