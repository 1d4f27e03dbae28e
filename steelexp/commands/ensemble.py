"""Ensembles that a command asks for: a folder of folds, or a run with others."""

from collections.abc import Sequence
from pathlib import Path

from steelexp.commands.show import one_run
from steelexp.ensemble import Ensemble, ensemble_of_folds, ensemble_of_runs
from steelexp.errors import UserError
from steelexp.records.folds_file import FILE as FOLDS
from steelexp.records.postprocessing import describe_rules


def asked_ensemble(run: Path, others: Sequence[Path]) -> Ensemble | None:
    """The ensemble of a command; None where it names one run or one exported network.

    Args:
        run: Run folder, folder of folds or .onnx file.
        others: Other run folders.

    Raises:
        UserError: The members do not fit together.
    """
    if (run / FOLDS).is_file():
        if others:
            raise UserError(f"--with {others[0]}: {run} has its members; name a run in its place")
        return ensemble_of_folds(run)
    if not others:
        return None
    if run.suffix == ".onnx":
        raise UserError(f"--with {others[0]}: {run} is an exported network; name its run folder")
    return ensemble_of_runs([one_run(path).path for path in (run, *others)])


def results_of_ensemble(run: Path, ensemble: Ensemble) -> Path:
    """The folder that gets the results of an ensemble.

    Args:
        run: Run folder or folder of folds that the command names first.
        ensemble: Ensemble.
    """
    return run if (run / FOLDS).is_file() else run / "ensembles" / ensemble.card.digest


def ensemble_lines(ensemble: Ensemble) -> list[str]:
    """The members and the rules of an ensemble, in words."""
    members = f"Ensemble of {len(ensemble.members)} runs: the mean of their scores."
    if ensemble.rules is None:
        return [
            members,
            (
                f"These runs have no rules in common: score threshold {ensemble.threshold:g} for "
                "every class. Folds have rules, tuned on images out of fold."
            ),
        ]
    rules = ensemble.rules
    words = "; ".join(f"{label}: {describe_rules(each)}" for label, each in rules.classes.items())
    return [
        members,
        (
            "Post-processing, tuned on images out of fold of single members for "
            f"{rules.metric}: {words}."
        ),
    ]
