"""The command `schema`: what files hold."""

import argparse
import json
import sys

from steelexp.commands.outcome import DONE
from steelexp.plan import SpecModel
from steelexp.records.file_schemas import FORMATS, file_schema
from steelexp.spec import json_schema

SPEC = "spec"
"""Kind of file whose JSON Schema is printed by default."""


def add(schemas: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    schemas.set_defaults(act=schema, prints_only=True)
    schemas.add_argument(
        "kind",
        nargs="?",
        choices=(SPEC, *FORMATS),
        default=SPEC,
        help=f"{SPEC}, {', '.join(FORMATS)} (default: {SPEC})",
        metavar="KIND",
    )


def schema(args: argparse.Namespace) -> int:
    """Print the JSON Schema of a spec, or of a kind of file that steelexp writes."""
    content = json_schema(SpecModel) if args.kind == SPEC else file_schema(args.kind)
    sys.stdout.write(json.dumps(content, indent=2) + "\n")
    return DONE
