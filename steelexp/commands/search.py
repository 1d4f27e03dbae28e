"""`run` of a spec that asks for a search, and where its trials run."""

import argparse

from steelexp.commands.preview import plan_line
from steelexp.commands.report import leave_report
from steelexp.errors import UserError
from steelexp.plan import prepare
from steelexp.progress import say
from steelexp.records.store import RunFolder
from steelexp.search.executor import Executor, LocalExecutor
from steelexp.search.ray_executor import RayExecutor
from steelexp.search.report import budget_lines, closing_lines
from steelexp.search.search import search
from steelexp.spec import ExperimentSpec
from steelexp.trial import TrialRunner


def add_executor_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where trials run."""
    parser.add_argument(
        "--executor",
        choices=("local", "ray"),
        default="local",
        help="where a search's trials run: in this process, or as tasks of Ray (default: local)",
    )
    parser.add_argument("--workers", type=int, metavar="N", help="of Ray: trials at once")
    parser.add_argument(
        "--address", help="of Ray: the cluster, HOST:PORT or auto (default: this machine alone)"
    )
    parser.add_argument("--gpus-per-trial", type=float, metavar="N", help="of Ray")


def check_executor(args: argparse.Namespace) -> None:
    """Options of Ray without Ray, and Ray without workers, are refused."""
    of_ray = ("workers", "address", "gpus_per_trial")
    chosen = [f"--{name.replace('_', '-')}" for name in of_ray if getattr(args, name) is not None]
    if args.executor == "local" and chosen:
        raise UserError(f"{', '.join(chosen)}: of Ray only; add --executor ray")
    if args.executor == "ray" and (args.workers or 0) < 1:
        raise UserError("--executor ray: say how many trials at once: --workers N, at least 1")


def run_search(spec: ExperimentSpec, args: argparse.Namespace) -> None:
    """Search to the end of the budget, from wherever an earlier session left it."""
    plan, folder = prepare(spec, args.runs), args.runs / spec.name / "search"
    if args.fresh and (aside := RunFolder(folder).set_aside()):
        say(f"The earlier search is kept as {aside}")
    say("\n".join([plan_line(plan), *budget_lines(spec)]))
    executor = _executor(args, TrialRunner(spec.model_dump(mode="json"), folder))
    try:
        best = search(spec, folder, executor, digest=plan.digest)
    finally:
        executor.close()
    for line in closing_lines(spec, folder, best):
        say(line)
    leave_report(folder)


def _executor(args: argparse.Namespace, runner: TrialRunner) -> Executor:
    if args.executor == "ray":
        return RayExecutor(
            runner,
            workers=args.workers,
            address=args.address,
            gpus_per_trial=args.gpus_per_trial,
        )
    return LocalExecutor(runner)
