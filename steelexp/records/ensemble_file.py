"""ensemble.json: the evaluation of several runs as one network.

It lies in the folder `ensemble` of folds, or in `ensembles/DIGEST/evaluation` of a run, with
evaluation.json, image_scores.parquet and plots beside it.
"""

from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from steelexp.records.document import read_model, write_document
from steelexp.records.postprocessing import ClassRules

FILE: Final = "ensemble.json"
FOLDER: Final = "ensemble"
VERSION: Final = 1
_FIX: Final = "evaluate the ensemble again"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)


class EnsembleMember(_Part):
    """One run of an ensemble.

    Attributes:
        digest: Digest of the run.
        seed: Seed of the run.
        weights: Hash of its weights.
        metrics: Its metrics on the images of the evaluation, "test_...".
    """

    digest: str
    seed: int
    weights: str
    metrics: dict[str, float]


class Gain(_Part):
    """A metric of an ensemble less the mean of its members, on the same images.

    Attributes:
        value: Difference.
        low: Lower bound of its 95 % interval over groups; None without an interval.
        high: Upper bound; None without an interval.
    """

    value: float
    low: float | None
    high: float | None

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.value:+.4f}"
        return f"{self.value:+.4f} [{self.low:+.4f}, {self.high:+.4f}]"


class EnsembleFile(_Part):
    """Contents of `ensemble.json`.

    Attributes:
        schema_version: Version of this file.
        name: Name of the spec of the first member.
        digest: Digest of the ensemble.
        combination: Combination of the members' scores: mean of probabilities.
        members: Runs of the ensemble.
        images: Number of images; no member was trained, validated or tuned on them.
        groups: Number of their groups of near-duplicates.
        threshold: Score threshold.
        metrics: Metrics of the ensemble, "test_..." and, with rules, "test_post_...".
        gains: Metric at the threshold -> what the ensemble gains over the mean of its members.
        rules: Rules of the post-processing, tuned on images out of fold of single members; empty
            without.
        tuned_for: Metric that the rules maximise; None without rules.
        files: Name -> hash of the files beside it.
    """

    schema_version: Literal[1] = VERSION
    name: str
    digest: str
    combination: Literal["mean of probabilities"] = "mean of probabilities"
    members: list[EnsembleMember]
    images: int
    groups: int
    threshold: float
    metrics: dict[str, float]
    gains: dict[str, Gain]
    rules: dict[str, ClassRules]
    tuned_for: str | None
    files: dict[str, str]


def write_ensemble_file(folder: Path, ensemble: EnsembleFile) -> Path:
    """Write ensemble.json."""
    return write_document(folder / FILE, ensemble.model_dump(mode="json"))


def read_ensemble_file(folder: Path) -> EnsembleFile:
    """Read ensemble.json.

    Raises:
        UserError: It cannot be read, is damaged, or another version wrote it.
    """
    file = folder / FILE
    return read_model(file, EnsembleFile, noun="an evaluation of an ensemble", fix=_FIX)
