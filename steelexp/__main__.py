"""The command line, nothing else."""

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

from steelexp import __version__
from steelexp.command_line import program
from steelexp.commands import COMMANDS
from steelexp.commands.crash_log import crash_line
from steelexp.commands.outcome import BROKEN_PIPE, BUG, FAILED, INTERRUPTED, WRONG_REQUEST
from steelexp.commands.renamed_options import check_names
from steelexp.errors import RunFailedError, UserError
from steelexp.file_names import is_utf8
from steelexp.last_words import last_words
from steelexp.obstacles import MEMORY_FIX, obstacle_line
from steelexp.standard_streams import LostReaderError, Output, standard_streams
from steelexp.terminal import Parser, prepare_output, print_error

EPILOG = """\
examples:
  {program} run experiments/quickstart.yaml
  {program} run experiments/b4_dice.yaml training.epochs=2 data.root=path/to/severstal
  {program} run experiments/imbalance --seeds 0,1,2
  {program} check experiments

exit codes: 0 done, 1 a run failed, 2 the request was wrong, 3 a bug or an unexpected system error,
130 stopped by the user, 141 nobody reads what a command prints (a job, which writes files, goes on)
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code."""
    try:
        with standard_streams() as output:
            prepare_output()
            return _run(arguments, output)
    except LostReaderError:
        return BROKEN_PIPE


def _run(arguments: Sequence[str] | None, output: Output) -> int:
    """Parse and act; turn errors into a line and an exit code."""
    args = argparse.Namespace()
    try:
        args = _parsed(sys.argv[1:] if arguments is None else arguments)
        output.goes_on = not args.prints_only
        act: Callable[[argparse.Namespace], int] = args.act
        with last_words(_killed(args)) if output.goes_on else nullcontext():
            code = act(args)
        output.flush()
        return code
    except UserError as error:
        print_error(*error.lines, before="steelexp")
        return FAILED if isinstance(error, RunFailedError) else WRONG_REQUEST
    except KeyboardInterrupt:
        print_error("", f"steelexp: stopped{_way_on(args)}")
        return INTERRUPTED
    except LostReaderError:
        raise
    except Exception as error:
        if line := obstacle_line(error):
            print_error(line, before="steelexp")
            return WRONG_REQUEST
        print_error(crash_line(error), before="steelexp")
        return BUG


def _killed(args: argparse.Namespace) -> str:
    """The line after an end that no error precedes."""
    return f"steelexp: killed, or out of memory. If memory was short, {MEMORY_FIX}{_way_on(args)}"


def _way_on(args: argparse.Namespace) -> str:
    """What the user can type after an early end, for the end of a line."""
    if not hasattr(args, "fresh"):
        return ""
    goes_on = "without --fresh goes on from here" if args.fresh else "goes on from here"
    return f"; the same command {goes_on}"


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the arguments.

    argparse ends a list of words at the first option; overrides may follow --runs and the like.
    """
    check_names(arguments)
    parser = _parser(next((word for word in arguments if not word.startswith("-")), ""))
    args, rest = parser.parse_known_args(arguments)
    words = next((vars(args)[name] for name in ("specs", "overrides") if name in args), None)
    if any(word.startswith("-") for word in rest) or (rest and words is None):
        parser.error(f"unknown arguments: {' '.join(rest)}")
    if words is not None:
        words += rest
    _check_utf8(args)
    return args


def _check_utf8(args: argparse.Namespace) -> None:
    """Check that what is written is UTF-8, which records and libraries take; inputs need not be.

    Raises:
        UserError: An argument is not.
    """
    for name, value in vars(args).items():
        for word in value if isinstance(value, list) else [value]:
            if isinstance(word, (str, Path)) and name not in args.inputs and not is_utf8(str(word)):
                raise UserError(f"{word}: not a UTF-8 name; rename it")


def _parser(command: str) -> argparse.ArgumentParser:
    """The parser, with the arguments of one command only.

    Args:
        command: Command that was typed; none that is known for the help of all.
    """
    parser = Parser(
        prog=program(),
        description="Tracked, declarative experiments for finding defects on steel.",
        epilog=EPILOG.format(program=program()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.set_defaults(prints_only=False, inputs=())
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        one = commands.add_parser(name, help=summary)
        if name == command:
            importlib.import_module(f"steelexp.commands.{name}").add(one)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
