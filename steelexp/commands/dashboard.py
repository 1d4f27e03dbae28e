"""The command `dashboard`: send the team's dashboard to Comet."""

import argparse
from typing import TYPE_CHECKING

from steelexp.commands.outcome import DONE
from steelexp.progress import say
from steelexp.tracking.comet.dashboard import push

if TYPE_CHECKING:
    from steelexp.commands.arguments import Subparsers


def add(commands: "Subparsers") -> None:
    """Add the command."""
    parser = commands.add_parser("dashboard", help="write the team's dashboard at Comet from code")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    pushing = actions.add_parser("push", help="create the dashboard, or update it")
    pushing.set_defaults(act=send)
    pushing.add_argument(
        "--project", default="steelexp", help="project at Comet (default: steelexp)"
    )
    pushing.add_argument("--workspace", help="workspace at Comet (default: your own)")
    pushing.add_argument(
        "--classes",
        nargs="+",
        default=["1", "2", "3", "4"],
        metavar="NAME",
        help="class names of the data set (default: Severstal's 1 2 3 4)",
    )


def send(args: argparse.Namespace) -> int:
    """Send the dashboard."""
    say(push(args.project, args.workspace, args.classes))
    return DONE
