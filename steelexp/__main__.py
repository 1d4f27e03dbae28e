"""The command line, nothing else."""

import argparse
import functools
import json
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from steelexp import __version__, experiment
from steelexp.data.commands import data_commands
from steelexp.data.fold import PARTS
from steelexp.data.strips import DataError
from steelexp.model.class_weights import ClassWeightsError
from steelexp.model.loss_inputs import LossError
from steelexp.model.unet import ARCHITECTURES, WeightsError
from steelexp.plan import MODEL, Plan, prepare
from steelexp.progress import say, show
from steelexp.records.store import BusyError, DamagedError, RunFolder, run_folders
from steelexp.report.tables import leaderboard, leak_lines, metrics_table, run_lines
from steelexp.search.engine import Engine, LocalEngine
from steelexp.search.ray_cluster import EngineError
from steelexp.search.ray_engine import RayEngine
from steelexp.search.ray_train import train_together
from steelexp.search.report import budget_lines, closing_lines
from steelexp.search.search import NothingFoundError, SearchError, search
from steelexp.spec import ExperimentSpec, SpecError, json_schema, load, read_resolved
from steelexp.tracking.tracker import TrackingError
from steelexp.training.devices import DevicesError
from steelexp.training.fit import DivergedError
from steelexp.trial import TrialRunner

DONE, FAILED, WRONG_REQUEST, INTERRUPTED = 0, 1, 2, 130

OBSTACLES = (
    DataError,
    ClassWeightsError,
    WeightsError,
    LossError,
    DevicesError,
    TrackingError,
    BusyError,
    DamagedError,
    experiment.UnfinishedError,
    SearchError,
    EngineError,
)
"""Why a run cannot be had; each says what to do."""

FAILURES = (DivergedError, NothingFoundError)
"""What a run may come to without a fault in the request."""

EPILOG = """\
examples:
  python -m steelexp run experiments/quickstart.yaml
  python -m steelexp run experiments/b4_dice.yaml training.epochs=2 data.root=path/to/severstal
  python -m steelexp run experiments/imbalance --seeds 0,1,2
  python -m steelexp check experiments

exit codes: 0 done, 1 a run failed, 2 the request was wrong, 130 stopped by the user
"""


class RequestError(Exception):
    """The command cannot be obeyed; the message is for the user."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, act, and turn what users can cause into a message and an exit code."""
    parser = _parser()
    given, rest = parser.parse_known_args(arguments)
    # argparse ends a list of words at the first option; overrides may follow --runs and the like.
    if any(word.startswith("-") for word in rest) or (rest and not hasattr(given, "specs")):
        parser.error(f"unknown arguments: {' '.join(rest)}")
    if rest:
        given.specs += rest
    act: Callable[[argparse.Namespace], int] = given.act
    try:
        return act(given)
    except (RequestError, SpecError, *OBSTACLES) as error:
        print(f"steelexp: {error}", file=sys.stderr)
        return WRONG_REQUEST
    except KeyboardInterrupt:
        print("\nsteelexp: stopped; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED


def run(given: argparse.Namespace) -> int:
    """Run every spec, one after the other; what is finished is skipped."""
    _expect_engine(given)
    specs = _specs(given.specs, given.seeds)
    if given.dry_run:
        for spec, command in specs:
            _show_plan(spec, given.runs, command)
        return DONE
    failed = []
    for number, (spec, command) in enumerate(specs, start=1):
        if len(specs) > 1:
            say(f"--- {number} of {len(specs)}: {spec.name}, seed {spec.seed}")
        try:
            (_run_one if spec.search is None else _search)(spec, given, command)
        except (*OBSTACLES, *FAILURES) as error:
            if len(specs) == 1 and not isinstance(error, FAILURES):
                raise
            print(f"steelexp: {spec.name}, seed {spec.seed}: {error}", file=sys.stderr)
            failed.append(spec.name)
    if len(specs) > 1:
        show(leaderboard(run_folders(given.runs)))
        say(f"{len(specs) - len(failed)} of {len(specs)} runs are finished in {given.runs}")
    return FAILED if failed else DONE


def check(given: argparse.Namespace) -> int:
    """Check names, settings and ranges; with --data, the data as well."""
    problems = []
    paths = _spec_files(given.specs)
    for path in paths:
        try:
            spec = load(path, model=MODEL)
            if given.data:
                prepare(spec, given.runs)
        except (SpecError, DataError) as error:
            problems.append(str(error))
            continue
        root = Path(str(spec.data.settings.get("root", ".")))
        absent = spec.data.chosen != "synthetic" and not root.exists()
        say(f"{path}: ok{f' (its data is not at {root})' if absent else ''}")
    if problems:
        raise RequestError("\n".join(["these specs cannot be used:", *problems]))
    return DONE


def evaluate(given: argparse.Namespace) -> int:
    """Judge finished runs again, from their best weights."""
    folders = [folder for path in given.runs for folder in run_folders(path)]
    if not folders:
        raise RequestError(f"{', '.join(map(str, given.runs))}: no runs here")
    finished = [folder for folder in folders if folder.record is not None]
    for folder in folders:
        if folder not in finished:
            say(f"{folder.path}: unfinished, left out; run its spec again to go on")
    for number, folder in enumerate(finished, start=1):
        say(f"--- {number} of {len(finished)}: {folder.path}")
        plan = prepare(load(folder.path / "spec.yaml", model=MODEL), folder.path.parent.parent)
        if plan.folder.path != folder.path:
            raise RequestError(
                f"{folder.path}: its data, split or weights file is no longer what it was "
                f"(digest {plan.digest}), so its scores cannot be had again; run its spec anew"
            )
        experiment.evaluate(plan, pictures=given.pictures)
        _show_record(folder)
    return DONE


def list_runs(given: argparse.Namespace) -> int:
    """Print the leaderboard."""
    folders = list(run_folders(given.folder))
    if not folders:
        raise RequestError(f"{given.folder}: no runs here; make one: make run")
    show(leaderboard(folders))
    return DONE


def show_run(given: argparse.Namespace) -> int:
    """Print one run."""
    folders = list(run_folders(given.run))
    if len(folders) != 1:
        names = ", ".join(str(f.path) for f in folders[:5])
        raise RequestError(f"{given.run}: one run folder is expected{names and f'; here: {names}'}")
    _show_record(folders[0])
    return DONE


def schema(given: argparse.Namespace) -> int:
    """Print the JSON Schema of a spec."""
    print(json.dumps(json_schema(MODEL), indent=2))
    return DONE


def _run_one(spec: ExperimentSpec, given: argparse.Namespace, command: str) -> None:
    plan = prepare(spec, given.runs)
    if given.fresh and (aside := plan.folder.set_aside()):
        say(f"The earlier run is kept as {aside}")
    if plan.folder.record is not None:
        say(f"{plan.folder.path} is finished already; --fresh runs it again")
    else:
        say(_plan_line(plan))
        if spec.training.workers > 1:
            _run_together(spec, given, command, plan.folder.path.parent)
        else:
            experiment.run(plan, command=command)
    _show_record(plan.folder)


def _search(spec: ExperimentSpec, given: argparse.Namespace, command: str) -> None:
    plan, folder = prepare(spec, given.runs), given.runs / spec.name / "search"
    if given.fresh and (aside := RunFolder(folder).set_aside()):
        say(f"The earlier search is kept as {aside}")
    say("\n".join([_plan_line(plan), *budget_lines(spec)]))
    engine = _engine(given, TrialRunner(spec.model_dump(mode="json"), folder))
    try:
        best = search(spec, folder, engine, digest=plan.digest)
    finally:
        engine.close()
    for line in closing_lines(spec, folder, best):
        say(line)


def _expect_engine(given: argparse.Namespace) -> None:
    """Options of Ray without Ray, and Ray without workers, are refused."""
    of_ray = ("workers", "address", "gpus_per_trial")
    chosen = [f"--{name.replace('_', '-')}" for name in of_ray if getattr(given, name) is not None]
    if given.engine == "local" and chosen:
        raise RequestError(f"{', '.join(chosen)}: of Ray only; add --engine ray")
    if given.engine == "ray" and (given.workers or 0) < 1:
        raise RequestError("--engine ray: say how many trials at once: --workers N, at least 1")


def _engine(given: argparse.Namespace, runner: TrialRunner) -> Engine:
    if given.engine == "ray":
        return RayEngine(
            runner,
            workers=given.workers,
            address=given.address,
            gpus_per_trial=given.gpus_per_trial,
        )
    return LocalEngine(runner)


def _run_together(
    spec: ExperimentSpec, given: argparse.Namespace, command: str, shared: Path
) -> None:
    values = spec.model_dump(mode="json")
    work = functools.partial(experiment.take_part, values, given.runs, command)
    train_together(work, workers=spec.training.workers, shared=shared, address=given.address)


def _show_record(folder: RunFolder) -> None:
    record, spec = folder.record, read_resolved(folder.path / "spec.yaml")
    if record is None:
        say(f"{folder.path}: unfinished, {len(folder.epochs)} epochs; run its spec again to go on")
        return
    classes = record.split["parts"]["strips_per_class"]["tune"]
    show(metrics_table(record.metrics, classes, title=f"{record.name} {record.digest}"))
    for line in run_lines(record, spec, folder):
        say(line)
    say(f"Again: {record.command}")


def _show_plan(spec: ExperimentSpec, runs: Path, command: str) -> None:
    plan = prepare(spec, runs)
    model = spec.model.bind(ARCHITECTURES)(plan.classes)
    parts = plan.split["parts"]
    held, (part, rows) = parts["strips_per_class"], plan.judged
    empty = 1 - sum(held[part].values()) / (rows * plan.classes)
    finished, (height, width) = plan.folder.record is not None, plan.tile_size
    results = f"{plan.folder.path}{' (finished already)' if finished else ''}"
    if spec.search is not None:
        results = str(runs / spec.name / "search")
    lines = [
        f"{spec.name}: {spec.question}".rstrip(": "),
        *(
            f"  {name:<11} {parts[name]} strips; of class {_listed(held[name])}"
            for name in PARTS
            if parts[name]
        ),
        *(f"  {line}" for line in leak_lines(parts)),
        (
            f"  tiles       {plan.tile_count} of {height} x {width} an epoch, "
            f"{plan.uncovered:.1%} of the training pixels in none"
        ),
        f"  steps       {plan.steps} an epoch, at most {spec.training.epochs} epochs",
        f"  parameters  {model.count_params():,}",
        f"  baseline    dice_kaggle of predicting nothing on the {part} strips: {empty:.4f}",
    ]
    if spec.baseline is not None:
        base = spec.baseline
        lines.append(f"              {base.metric} {base.value:g}, {base.source}")
    lines += [f"  {line}" for line in budget_lines(spec)]
    say("\n".join([*lines, f"  results     {results}", f"  command     {command}"]))


def _listed(strips: dict[str, int]) -> str:
    return ", ".join(f"{label}: {count}" for label, count in strips.items())


def _plan_line(plan: Plan) -> str:
    spec, (part, rows) = plan.spec, plan.judged
    tuned = f"{len(plan.fold.tune)} to tune, " if part == "test" else ""
    line = (
        f"{spec.name} {plan.digest}: {len(plan.fold.train)} strips to train, {tuned}{rows} to "
        f"judge on; {plan.tile_count} tiles, {plan.steps} steps an epoch; {plan.uncovered:.1%} of "
        "the training pixels are in no tile"
    )
    return "\n".join([line, *leak_lines(plan.split["parts"])])


def _specs(words: Sequence[str], seeds: str | None) -> list[tuple[ExperimentSpec, str]]:
    """Every spec that was asked for, with the command that runs it alone; problems all at once."""
    overrides = [word for word in words if "=" in word]
    paths = _spec_files([word for word in words if "=" not in word])
    each = [[f"seed={seed}"] for seed in seeds.split(",")] if seeds is not None else [[]]
    found, problems = [], []
    for path in paths:
        for extra in each:
            try:
                spec = load(path, [*overrides, *extra], model=MODEL)
            except SpecError as error:
                problems += [problem for problem in error.problems if problem not in problems]
                continue
            command = ["python", "-m", "steelexp", "run", str(path), *overrides, *extra]
            found.append((spec, shlex.join(command)))
    if problems:
        raise SpecError(problems)
    if seeds is not None and any(spec.search for spec, _ in found):
        raise RequestError("--seeds: a search has one seed; run its best.yaml with several")
    return found


def _spec_files(words: Sequence[str]) -> list[Path]:
    """Files as they are; of folders, every spec below."""
    paths: list[Path] = []
    for word in words:
        path = Path(word)
        if path.is_dir():
            below = sorted(path.glob("**/*.yaml"))
            if not below:
                raise RequestError(f"{path}: no .yaml below this folder")
            paths += below
        elif path.is_file():
            paths.append(path)
        else:
            raise RequestError(f"{word}: no such spec or folder; the shipped ones: experiments/")
    if not paths:
        raise RequestError("no spec was named; for example: experiments/quickstart.yaml")
    return paths


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m steelexp",
        description="Tracked, declarative experiments for finding defects on steel.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    runs = argparse.ArgumentParser(add_help=False)
    runs.add_argument(
        "--runs", type=Path, default=Path("runs"), help="folder of the run folders (default: runs)"
    )

    train = commands.add_parser(
        "run", parents=[runs], help="train, judge and track; search where asked"
    )
    train.set_defaults(act=run)
    train.add_argument("specs", nargs="+", metavar="SPEC|FOLDER|key=value")
    train.add_argument("--seeds", help="run each spec with each of these seeds, e.g. 0,1,2")
    train.add_argument(
        "--fresh", action="store_true", help="begin anew; an earlier run is kept aside"
    )
    train.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="where a search's trials run: in this process, or as tasks of Ray (default: local)",
    )
    train.add_argument("--workers", type=int, metavar="N", help="of Ray: trials at once")
    train.add_argument(
        "--address", help="of Ray: the cluster, HOST:PORT or auto (default: this machine alone)"
    )
    train.add_argument("--gpus-per-trial", type=float, metavar="N", help="of Ray")
    train.add_argument("--dry-run", action="store_true", help="say what would be run")

    checks = commands.add_parser("check", parents=[runs], help="check specs; trains nothing")
    checks.set_defaults(act=check)
    checks.add_argument("specs", nargs="+", metavar="SPEC|FOLDER")
    checks.add_argument("--data", action="store_true", help="read the data set as well")

    judge = commands.add_parser("evaluate", help="judge finished runs again, from their weights")
    judge.set_defaults(act=evaluate)
    judge.add_argument("runs", nargs="+", type=Path, metavar="RUN|FOLDER")
    judge.add_argument(
        "--pictures",
        nargs="+",
        default=[],
        metavar="STRIP",
        help="draw these strips, too, for analysis/error_gallery.py",
    )

    board = commands.add_parser("list", help="the leaderboard of a folder of runs")
    board.set_defaults(act=list_runs)
    board.add_argument("folder", nargs="?", type=Path, default=Path("runs"))

    one = commands.add_parser("show", help="one run")
    one.set_defaults(act=show_run)
    one.add_argument("run", type=Path, metavar="RUN")

    commands.add_parser("schema", help="the JSON Schema of a spec").set_defaults(act=schema)

    data_commands(commands.add_parser("data", help="check, draw or fetch a data set"))
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
