"""The command `dashboard`: the team's dashboard, sent to Comet."""

import argparse
from typing import TYPE_CHECKING

from steelexp.commands.outcome import DONE
from steelexp.progress import say
from steelexp.tracking.comet.dashboard import push

if TYPE_CHECKING:
    from steelexp.commands.arguments import Subparsers


def add(commands: "Subparsers") -> None:
    """Add the command."""
    parser = commands.add_parser("dashboard", help="the team's dashboard at Comet, as code")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    sent = actions.add_parser("push", help="send it; sent again, it is updated")
    sent.set_defaults(act=send)
    sent.add_argument("--project", default="steelexp", help="at Comet (default: steelexp)")
    sent.add_argument("--workspace", help="at Comet (default: your own)")
    sent.add_argument(
        "--classes",
        nargs="+",
        default=["1", "2", "3", "4"],
        metavar="NAME",
        help="of the data set (default: Severstal's 1 2 3 4)",
    )


def send(args: argparse.Namespace) -> int:
    """Send the dashboard."""
    say(push(args.project, args.workspace, args.classes))
    return DONE
