"""`run --folds`: all folds of a spec, and their result in a folder of its own."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from steelexp.command_line import command_line, recorded, runs_words
from steelexp.commands.arguments import Request, requests
from steelexp.errors import UserError, explain_write_errors
from steelexp.fold_runs import fold_rows
from steelexp.folds import folds_of, write_folds
from steelexp.limits import SEEDS
from steelexp.plan import prepare
from steelexp.progress import say, show
from steelexp.report.folds import folds_lines, folds_table


class FoldRequest(NamedTuple):
    """All folds of one spec.

    Attributes:
        words: Arguments of `run` that ask for them: file, overrides and seeds.
        members: Request of every seed and fold, seed after seed.
    """

    words: tuple[str, ...]
    members: list[Request]


def fold_requests(every: Sequence[Request], seeds: str | None) -> list[FoldRequest]:
    """The folds of every spec.

    Args:
        every: Requests without --folds.
        seeds: Seeds between commas; None for the specs' own.

    Raises:
        UserError: A spec has no folds, or something else asks for one of them.
    """
    asked: dict[str, FoldRequest] = {}
    for request in every:
        _check(request)
    count = sum(request.spec.split.settings["folds"] for request in every)
    if count > SEEDS:
        raise UserError(f"--folds: {count:,} runs; at most {SEEDS:,} at a time")
    for request in every:
        path, *overrides = request.words
        own = overrides if seeds is None else overrides[:-1]
        words = (path, *own, "--folds", *([] if seeds is None else ["--seeds", seeds]))
        members = asked.setdefault(path, FoldRequest(words, [])).members
        for fold in range(request.spec.split.settings["folds"]):
            members += requests([path, *overrides, f"split.fold={fold}"], None)
    return list(asked.values())


def _check(request: Request) -> None:
    spec = request.spec
    path = request.words[0]
    if request.folder is not None:
        raise UserError(f"{path}: --folds: a run folder is one fold; name the spec")
    if spec.search is not None:
        raise UserError(f"{path}: --folds: a search has no folds; run its best.yaml with --folds")
    if spec.split.choice != "kfold":
        raise UserError(
            f"{path}: --folds: split.kind is {spec.split.choice}, which has no folds; write "
            "split={kind: kfold, folds: 5, test: 0.15}"
        )
    if fold := next((word for word in request.words if word.startswith("split.fold=")), None):
        raise UserError(f"{fold}: without effect beside --folds; leave one of them out")


def check_folds(asked: Iterable[FoldRequest], runs: Path) -> None:
    """Resolve every fold, so that one that cannot be run is known before the first is trained.

    Args:
        asked: The folds of every spec.
        runs: Folder of the run folders.

    Raises:
        UserError: A fold cannot be run, such as one without a defect.
        DataError: A network would be evaluated on what it trains on.
    """
    for request in asked:
        plans = [prepare(member.spec, runs) for member in request.members]
        fold_rows(plans)
        if finished := sum(plan.folder.is_finished for plan in plans):
            say(f"{plans[0].spec.name}: {finished} of {len(plans)} runs are finished already")


def leave_folds(asked: Iterable[FoldRequest], runs: Path) -> None:
    """Write and show the result of every spec whose runs are all finished.

    Args:
        asked: The folds of every spec.
        runs: Folder of the run folders.
    """
    for request in asked:
        words = [*request.words, *runs_words(runs)]
        plans = [prepare(member.spec, runs) for member in request.members]
        missing = [plan.folder.path for plan in plans if not plan.folder.is_finished]
        if missing:
            say(
                f"{plans[0].spec.name}: {len(missing)} of {len(plans)} runs of its folds are "
                f"unfinished; go on with: {command_line('run', *words)}"
            )
            continue
        folder = folds_of(plans, runs)
        with explain_write_errors(runs, "choose another folder with --runs"):
            folds = write_folds(plans, folder, recorded("run", *words))
        show(folds_table(folds))
        say(*folds_lines(folds), f"Folder of the folds: {folder}")
