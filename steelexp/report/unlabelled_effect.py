"""Whether images without labels helped: runs with them beside runs of the same spec without."""

from collections.abc import Iterator, Mapping
from typing import Any

from steelexp.command_line import command_line
from steelexp.comparison.comparability import UNLABELLED, conditions, strategy_settings
from steelexp.comparison.differences import difference, strategy
from steelexp.comparison.evaluated_run import EvaluatedRun, read_run
from steelexp.comparison.ratios import sums_of_runs
from steelexp.errors import UserError
from steelexp.metric_names import full_name, reported_part
from steelexp.metrics import PRIMARY
from steelexp.records.record import Record
from steelexp.records.store import RunFolder, run_folders
from steelexp.report.tables import is_trial
from steelexp.spec import read_resolved
from steelexp.spec.effects import is_part_of


def effect_lines(folder: RunFolder, record: Record) -> list[str]:
    """Difference to the same spec without images without labels, over the seeds that are there.

    The runs are those of the folder in which the run lies, whatever their names.

    Args:
        folder: Folder of a finished run.
        record: Its record.

    Returns:
        One line; none for a run without such images.
    """
    settings = strategy_settings(read_resolved(folder.file("spec.yaml")))
    if not _of_unlabelled(settings):
        return []
    without = {key: value for key, value in settings.items() if not is_part_of(key, [UNLABELLED])}
    runs = list(_runs_beside(folder, record, [settings, without]))
    accepted = [run for run in runs if run.images.names == runs[0].images.names]
    ours = _by_seed(accepted, settings)
    theirs = _by_seed(accepted, without)
    if not theirs or not ours:
        command = command_line("run", folder.path / "spec.yaml", f"{UNLABELLED}=null")
        return [f"Whether the images without labels help is seen beside: {command}"]
    return [_sentence(ours, theirs)]


def _of_unlabelled(settings: Mapping[str, Any]) -> bool:
    return any(is_part_of(key, [UNLABELLED]) for key in settings)


def _runs_beside(
    folder: RunFolder, record: Record, wanted: list[dict[str, Any]]
) -> Iterator[EvaluatedRun]:
    """Finished runs on the same images with one of the settings; damaged ones are left out."""
    for other in run_folders(folder.path.resolve().parent.parent):
        try:
            candidate = other.record
            spec = read_resolved(other.file("spec.yaml"))
            if candidate is None or is_trial(other.path) or strategy_settings(spec) not in wanted:
                continue
            if conditions(candidate) == conditions(record):
                yield read_run(other, candidate, spec, reported_part(record.metrics))
        except UserError:
            continue


def _by_seed(runs: list[EvaluatedRun], settings: dict[str, Any]) -> list[EvaluatedRun]:
    """The runs of some settings, one a seed, by ascending seed."""
    seeds: dict[int, EvaluatedRun] = {}
    for run in runs:
        if strategy_settings(run.spec) == settings:
            seeds.setdefault(run.record.seed, run)
    return [seeds[seed] for seed in sorted(seeds)]


def _sentence(ours: list[EvaluatedRun], theirs: list[EvaluatedRun]) -> str:
    groups = ours[0].images.groups
    sides = [
        strategy(sums_of_runs([run.counts for run in runs], groups, PRIMARY))
        for runs in (ours, theirs)
    ]
    apart = difference(*sides)
    low = float(apart.low[-1])
    high = float(apart.high[-1])
    verdict = "The images did not help, as far as these runs show"
    if min(len(ours), len(theirs)) == 1:
        verdict = "One seed on either side decides nothing; train at least three"
    elif low > 0:
        verdict = "The images helped"
    elif high < 0:
        verdict = "The images did not help: they harmed"
    return (
        f"{full_name(PRIMARY, ours[0].images.part)} {sides[0].mean[-1]:.4f} over {_seeds(ours)} "
        f"against {sides[1].mean[-1]:.4f} over {_seeds(theirs)} of {theirs[0].record.name}, the "
        f"same spec without {UNLABELLED}: {apart.value[-1]:+.4f} [{low:+.4f}, "
        f"{high:+.4f}]. {verdict}."
    )


def _seeds(runs: list[EvaluatedRun]) -> str:
    return f"{len(runs)} seed{'s' * (len(runs) > 1)}"
