"""The commands of `python -m steelexp data`; each returns the exit code."""

import argparse
from pathlib import Path

from steelexp.data.synthetic import draw
from steelexp.progress import say, steps

DONE, PROBLEMS = 0, 1


def data_commands(parser: argparse.ArgumentParser) -> None:
    """Add the commands below `data`."""
    commands = parser.add_subparsers(metavar="WHAT", required=True)
    drawn = commands.add_parser("draw", help="draw a Severstal-like data set in Kaggle's layout")
    drawn.set_defaults(act=draw_set)
    drawn.add_argument("folder", type=Path, metavar="FOLDER")
    drawn.add_argument("--strips", type=int, default=200, help="training strips (default: 200)")
    drawn.add_argument("--seed", type=int, default=0)
    drawn.add_argument(
        "--rarity",
        type=float,
        default=1.0,
        help="1: Severstal's class imbalance (default), 0: classes equally frequent",
    )


def draw_set(given: argparse.Namespace) -> int:
    """Draw a Severstal-like data set."""
    with steps("drawing", given.strips, every=10.0) as advance:
        draw(
            given.folder,
            strips=given.strips,
            seed=given.seed,
            rarity=given.rarity,
            report=lambda done, total: advance(done),
        )
    say(f"{given.folder}: {given.strips} strips; use it with data.root={given.folder}")
    return DONE
