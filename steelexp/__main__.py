"""The command line, nothing else."""

import argparse
import os
import select
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

from steelexp import __version__
from steelexp.command_line import program
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
from steelexp.commands.crash_log import crash_line
from steelexp.commands.outcome import BROKEN_PIPE, BUG, FAILED, INTERRUPTED, WRONG_REQUEST
from steelexp.commands.renamed_options import check_names
from steelexp.errors import RunFailedError, UserError
from steelexp.terminal import Parser, prepare_output, print_error

EPILOG = """\
examples:
  {program} run experiments/quickstart.yaml
  {program} run experiments/b4_dice.yaml training.epochs=2 data.root=path/to/severstal
  {program} run experiments/imbalance --seeds 0,1,2
  {program} check experiments

exit codes: 0 done, 1 a run failed, 2 the request was wrong, 3 a bug or an unexpected system error,
130 stopped by the user, 141 nobody reads the output any more
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code."""
    prepare_output()
    try:
        try:
            return _run(arguments)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # at exit, Python would report a broken pipe itself
    except BrokenPipeError:
        _discard_output()
        return BROKEN_PIPE


def _run(arguments: Sequence[str] | None) -> int:
    """Parse and act; turn errors into a line and an exit code."""
    args = argparse.Namespace()
    try:
        args = _parsed(sys.argv[1:] if arguments is None else arguments)
        act: Callable[[argparse.Namespace], int] = args.act
        return act(args)
    except UserError as error:
        print_error(*error.lines, before="steelexp")
        return FAILED if isinstance(error, RunFailedError) else WRONG_REQUEST
    except KeyboardInterrupt:
        print_error("", f"steelexp: {_stopped(args)}")
        return INTERRUPTED
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _has_lost_its_reader():
            raise
        print_error(crash_line(error), before="steelexp")
        return BUG


def _stopped(args: argparse.Namespace) -> str:
    """What the user can type after Ctrl-C."""
    if not hasattr(args, "fresh"):
        return "stopped"
    goes_on = "without --fresh goes on from here" if args.fresh else "goes on from here"
    return f"stopped; the same command {goes_on}"


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the arguments.

    argparse ends a list of words at the first option; overrides may follow --runs and the like.
    """
    check_names(arguments)
    parser = _parser()
    args, rest = parser.parse_known_args(arguments)
    words = next((vars(args)[name] for name in ("specs", "overrides") if name in args), None)
    if any(word.startswith("-") for word in rest) or (rest and words is None):
        parser.error(f"unknown arguments: {' '.join(rest)}")
    if words is not None:
        words += rest
    return args


def _has_lost_its_reader() -> bool:
    """Whether stdout or stderr is a pipe that nobody reads any more."""
    poll = select.poll()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            poll.register(stream.fileno(), select.POLLERR)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _discard_output() -> None:
    """Send what is still buffered to the null device, so that Python's last flush succeeds."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            os.dup2(null, stream.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=program(),
        description="Tracked, declarative experiments for finding defects on steel.",
        epilog=EPILOG.format(program=program()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (
        run, check, evaluate, predict, export, reproduce, show, report, sync, dashboard, data,
    ):  # fmt: skip
        command.add(commands)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
