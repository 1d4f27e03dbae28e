"""Several finished runs as one network: the mean of their scores.

The scores are probabilities, sigmoid(logit), and every member has the same weight. Image scores of
classification heads are averaged too. All networks are in memory at once.

The rules of an ensemble come from folds.json where its members are folds: they were tuned on images
out of fold. Other runs have no rules in common, so the score threshold of their specs is left.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.checksum import hash_bytes
from steelexp.errors import UserError
from steelexp.inference.predictor import Predictor
from steelexp.inference.scoring import NetworkScores, Scorer, build_scorer
from steelexp.lazy import keras
from steelexp.records.folds_file import read_folds_file
from steelexp.records.model_card import ModelCard, card_of
from steelexp.records.postprocessing import ClassRules, Postprocessing
from steelexp.records.record import Record
from steelexp.records.store import RunFolder
from steelexp.run_model import load_model


class Ensemble(NamedTuple):
    """Finished runs whose scores are averaged.

    Attributes:
        members: Run folders.
        records: Their records.
        card: Card of the ensemble, with its rules.
        threshold: Score threshold of the specs.
        rules: Rules from images out of fold; None without.
    """

    members: tuple[RunFolder, ...]
    records: tuple[Record, ...]
    card: ModelCard
    threshold: float
    rules: Postprocessing | None


def ensemble_of_folds(folder: Path) -> Ensemble:
    """The members of a folder of folds, with the rules that were tuned out of fold.

    Raises:
        UserError: A member is unfinished, or has been trained again since.
    """
    folds = read_folds_file(folder)
    members = [RunFolder(folder.parent / member.digest) for member in folds.members]
    records = [member.finished_record() for member in members]
    for run, record, member in zip(members, records, folds.members, strict=True):
        if record.weights != member.weights:
            raise UserError(
                f"{run.path}: trained again since {folder} was written; write that again: "
                f"{folds.command}"
            )
    rules = Postprocessing(metric=folds.tuned_for, classes=folds.rules)
    return _ensemble(members, records, rules, digest=folds.digest)


def ensemble_of_runs(folders: Sequence[Path]) -> Ensemble:
    """The ensemble of some finished runs, with the score threshold of their specs.

    Raises:
        UserError: A run is unfinished, is there twice, or the runs do not fit together.
    """
    members = [RunFolder(folder) for folder in folders]
    records = [member.finished_record() for member in members]
    weights = [record.weights for record in records]
    for number, member in enumerate(members):
        if weights.index(weights[number]) < number:
            raise UserError(f"{member.path}: a member of the ensemble already; leave it out")
    return _ensemble(members, records, None)


def _ensemble(
    members: Sequence[RunFolder],
    records: Sequence[Record],
    rules: Postprocessing | None,
    digest: str | None = None,
) -> Ensemble:
    first = records[0]
    cards = [card_of(record) for record in records]
    _check_alike(members, "classes", [tuple(card.classes) for card in cards])
    _check_alike(members, "a classification head", [card.has_head for card in cards])
    _check_alike(members, "the white level", [record.white for record in records])
    _check_alike(members, "the score threshold", [record.threshold for record in records])
    fixed = {label: ClassRules(threshold=first.threshold) for label in cards[0].classes}
    weights = hash_bytes(" ".join(record.weights for record in records).encode())
    news = {
        "digest": digest or weights[:8],
        "weights": weights,
        "classes": fixed if rules is None else rules.classes,
        "postprocessing_metric": None if rules is None else rules.metric,
    }
    card = cards[0].model_copy(update=news)
    return Ensemble(tuple(members), tuple(records), card, first.threshold, rules)


def _check_alike(members: Sequence[RunFolder], what: str, values: Sequence[object]) -> None:
    for member, value in zip(members, values, strict=True):
        if value != values[0]:
            raise UserError(
                f"{member.path}: {what}: {value}, and {members[0].path} has {values[0]}; leave one "
                "of them out of the ensemble"
            )


def mean_scorer(scorers: Sequence[Scorer]) -> Scorer:
    """A scorer that averages the scores of several networks."""

    def score(grey: npt.NDArray[np.uint8]) -> NetworkScores:
        each = [scorer(grey) for scorer in scorers]
        images = [scores.image for scores in each if scores.image is not None]
        return NetworkScores(
            _mean([scores.pixels for scores in each]), _mean(images) if images else None
        )

    return score


def _mean(scores: Iterable[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    """The mean, with the scores of a class in one piece as those of a single network."""
    first, *others = scores
    total = np.copy(first, order="K")
    for each in others:
        total += each
    total /= np.float32(1 + len(others))
    return total


def ensemble_scorer(ensemble: Ensemble) -> Scorer:
    """Load all members; the mean of their scores.

    Raises:
        UserError: The weights of a member are missing or of another network.
    """
    return mean_scorer([build_scorer(load_model(member)) for member in ensemble.members])


def ensemble_predictor(ensemble: Ensemble) -> Predictor:
    """The ensemble with its rules, run by TensorFlow; errors are those of `ensemble_scorer`."""
    score = ensemble_scorer(ensemble)
    return Predictor(
        card=ensemble.card,
        runtime="tensorflow",
        score=score,
        network=ensemble.card.weights or "",
        source=f"the ensemble of {', '.join(str(member.path) for member in ensemble.members)}",
        precision=keras.mixed_precision.global_policy().name,
    )
