"""The commands `check` and `schema`: what a spec may say, without running it."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from steelexp.commands.arguments import runs_option, spec_files
from steelexp.commands.outcome import DONE
from steelexp.errors import UserError
from steelexp.plan import SpecModel, prepare
from steelexp.progress import say
from steelexp.spec import json_schema, load

if TYPE_CHECKING:
    from steelexp.commands.arguments import Subparsers


def add(commands: "Subparsers") -> None:
    """Add the commands."""
    checks = commands.add_parser(
        "check", parents=[runs_option()], help="check specs; trains nothing"
    )
    checks.set_defaults(act=check)
    checks.add_argument("specs", nargs="+", metavar="SPEC|FOLDER")
    checks.add_argument("--data", action="store_true", help="read the data set as well")

    commands.add_parser("schema", help="the JSON Schema of a spec").set_defaults(act=schema)


def check(args: argparse.Namespace) -> int:
    """Check names, settings and ranges; with --data, the data as well."""
    problems = []
    paths = spec_files(args.specs)
    for path in paths:
        try:
            spec = load(path, model=SpecModel)
            if args.data:
                prepare(spec, args.runs)
        except UserError as error:
            problems.append(str(error))
            continue
        root = Path(str(spec.data.settings.get("root", ".")))
        absent = spec.data.choice != "synthetic" and not root.exists()
        say(f"{path}: ok{f' (its data is not at {root})' if absent else ''}")
    if problems:
        raise UserError("\n".join(["these specs cannot be used:", *problems]))
    return DONE


def schema(args: argparse.Namespace) -> int:
    """Print the JSON Schema of a spec."""
    print(json.dumps(json_schema(SpecModel), indent=2))
    return DONE
