"""`run` of a spec with a search, and where its trials run."""

import argparse
import functools
from collections.abc import Sequence
from pathlib import Path

from steelexp.commands.extended_plan import extended_plan
from steelexp.commands.own_folder import set_aside
from steelexp.commands.preview import plan_lines, search_plan_lines
from steelexp.earlier_trials import earlier_trials
from steelexp.errors import UserError
from steelexp.progress import say
from steelexp.records.search_file import FILE
from steelexp.report.final_page import leave_report
from steelexp.search.executor import Executor, LocalExecutor
from steelexp.search.process_executor import ProcessExecutor
from steelexp.search.ray_executor import RayExecutor
from steelexp.search.report import closing_lines
from steelexp.search.search import search
from steelexp.spec import ExperimentSpec
from steelexp.training import probe
from steelexp.trial import TrialRunner

_OPTIONS = ("workers", "gpus_per_trial", "address")
_USED = {"local": (), "processes": ("workers",), "ray": _OPTIONS}
"""The options of each executor that have an effect."""


def add_executor_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where trials run."""
    parser.add_argument(
        "--executor",
        choices=tuple(_USED),
        default="local",
        help="where the trials of a hyperparameter search run: one at a time in this process, "
        "in several processes of this machine, or as tasks of Ray (default: local)",
    )
    parser.add_argument(
        "--workers", type=int, metavar="N", help="processes and Ray: number of trials at once"
    )
    parser.add_argument(
        "--address",
        help="Ray: address of the cluster, HOST:PORT or auto (default: this machine alone)",
    )
    parser.add_argument(
        "--gpus-per-trial",
        type=float,
        metavar="N",
        help="Ray: GPUs of each trial; a share such as 0.5 lets trials share one",
    )


def check_executor(args: argparse.Namespace, specs: Sequence[ExperimentSpec]) -> None:
    """Refuse options of an executor that have no effect, and a missing number of workers.

    Args:
        args: Arguments of `run`.
        specs: Specs to run.

    Raises:
        UserError: An option has no effect on these specs, or --workers is missing.
    """
    executor = args.executor
    searches = any(spec.search is not None for spec in specs)
    together = any(spec.search is None and spec.training.workers > 1 for spec in specs)
    if executor != "local" and not searches:
        raise UserError(
            f"--executor {executor}: without effect, no spec here has a search; several workers of "
            "Ray train one network with training.workers=N"
        )
    useless = [
        name
        for name in _OPTIONS
        if getattr(args, name) is not None
        and name not in _USED[executor]
        and not (name == "address" and together)
    ]
    if useless:
        # The first executor with which all of them have an effect.
        way = next(name for name, used in _USED.items() if set(useless) <= set(used))
        words = ", ".join(f"--{name.replace('_', '-')}" for name in useless)
        raise UserError(
            f"{words}: without effect with --executor {executor}; write --executor {way}"
        )
    if executor != "local" and (args.workers or 0) < 1:
        raise UserError(f"--executor {executor}: give the number of trials at once: --workers N")


def executor_words(args: argparse.Namespace) -> list[str]:
    """The options of the executor, as they were typed."""
    words = [] if args.executor == "local" else ["--executor", args.executor]
    for name in _OPTIONS:
        if (value := getattr(args, name)) is not None:
            words += [f"--{name.replace('_', '-')}", f"{value}"]
    return words


def run_search(spec: ExperimentSpec, args: argparse.Namespace) -> None:
    """Search to the end of the budget, from wherever an earlier session left it."""
    plan = extended_plan(spec, args.runs)
    folder = args.runs / spec.name / "search"
    lines = [*plan_lines(plan), *search_plan_lines(plan)]
    read_earlier = functools.partial(earlier_trials, plan, folder)
    if args.executor != "ray":  # whose trials run elsewhere
        probe.measure_once()
    executor = _executor(args, TrialRunner(spec.model_dump(mode="json"), folder), folder)
    try:
        if args.fresh and (aside := set_aside(folder, FILE, "a search")):
            say(f"The earlier search is kept as {aside}")
        say(*lines)
        best = search(spec, folder, executor, digest=plan.digest, read_earlier=read_earlier)
    finally:
        executor.close()
    for line in closing_lines(spec, folder, best):
        say(line)
    leave_report(folder)


def _executor(args: argparse.Namespace, runner: TrialRunner, folder: Path) -> Executor:
    if args.executor == "processes":
        return ProcessExecutor(runner, workers=args.workers, folder=folder)
    if args.executor == "ray":
        return RayExecutor(
            runner,
            workers=args.workers,
            address=args.address,
            gpus_per_trial=args.gpus_per_trial,
        )
    return LocalExecutor(runner)
