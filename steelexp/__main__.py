"""The command line, nothing else."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from steelexp import __version__
from steelexp.commands import (
    check,
    dashboard,
    data,
    evaluate,
    export,
    predict,
    report,
    reproduce,
    run,
    show,
    sync,
)
from steelexp.commands.outcome import INTERRUPTED, OBSTACLES, WRONG_REQUEST

EPILOG = """\
examples:
  python -m steelexp run experiments/quickstart.yaml
  python -m steelexp run experiments/b4_dice.yaml training.epochs=2 data.root=path/to/severstal
  python -m steelexp run experiments/imbalance --seeds 0,1,2
  python -m steelexp check experiments

exit codes: 0 done, 1 a run failed, 2 the request was wrong, 130 stopped by the user
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, act, and turn what users can cause into a message and an exit code."""
    parser = _parser()
    args, rest = parser.parse_known_args(arguments)
    # argparse ends a list of words at the first option; overrides may follow --runs and the like.
    if any(word.startswith("-") for word in rest) or (rest and not hasattr(args, "specs")):
        parser.error(f"unknown arguments: {' '.join(rest)}")
    if rest:
        args.specs += rest
    act: Callable[[argparse.Namespace], int] = args.act
    try:
        return act(args)
    except OBSTACLES as error:
        print(f"steelexp: {error}", file=sys.stderr)
        return WRONG_REQUEST
    except KeyboardInterrupt:
        print("\nsteelexp: stopped; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_program(),
        description="Tracked, declarative experiments for finding defects on steel.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (
        run, check, evaluate, predict, export, reproduce, show, report, sync, dashboard, data,
    ):  # fmt: skip
        command.add(commands)
    return parser


def _program() -> str:
    """The words that started this command line: the installed script's or the module's."""
    return "steelexp" if Path(sys.argv[0]).stem == "steelexp" else "python -m steelexp"


if __name__ == "__main__":
    raise SystemExit(main())
