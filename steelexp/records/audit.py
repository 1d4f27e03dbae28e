"""audit.json: the labels of a data set that disagree with networks that have not seen the image."""

from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from steelexp.records.document import read_model

FILE: Final = "audit.json"
VERSION: Final = 1

Kind = Literal["missed", "invented", "swapped", "ragged"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AuditRun(_Part):
    """A run whose network scored images.

    Attributes:
        folder: Run folder.
        digest: Digest of the run.
        weights: Hash of its weights.
        images: Number of images that it scored.
    """

    folder: str
    digest: str
    weights: str
    images: int


class AuditFinding(_Part):
    """A component whose label is suspicious.

    Attributes:
        rank: Rank, from 1, the most suspicious first.
        image: Name of the image.
        kind: Kind of the label error that it would be.
        label: Class of the label; of a missed component, the predicted one.
        other: Class that the scores take it for instead; "" for none.
        suspicion: Suspicion; higher is more suspicious.
        disagreement: Disagreement of label and scores, 0 to 1.
        loss: Mean cross-entropy of its pixels for the class `label`.
        own_score: Mean score of its pixels for the class `label`.
        other_score: Highest mean score of its pixels for another class.
        area: Pixels.
        top: Top of the bounding box in pixels.
        left: Left of it.
        bottom: Bottom of it; this row is not included.
        right: Right of it; this column is not included.
        runs: Numbers of the runs that scored the image, from 1, in the order of `runs`.
        picked_epoch: Whether the image picked the epoch of each of these runs: it lies in the
            validation part of all of them.
    """

    rank: int
    image: str
    kind: Kind
    label: str
    other: str
    suspicion: float
    disagreement: float
    loss: float
    own_score: float
    other_score: float
    area: int
    top: int
    left: int
    bottom: int
    right: int
    runs: list[int]
    picked_epoch: bool


class AuditFile(_Part):
    """Contents of audit.json; audit.csv has all findings, and pictures/RANK.jpg show the first.

    Attributes:
        schema_version: Version of this file.
        runs: Runs whose networks scored images.
        manifest: sha256 of the contents of the data set.
        classes: Names of the classes.
        images: Number of images of the data set.
        audited: Number of images that were audited.
        picked_epoch: Number of them that picked the epoch of every run that scored them.
        not_audited: Number of images that every run trained on, or on a near-duplicate of them.
        min_area: Least pixels of a component.
        components: Number of components that were compared.
        kinds: Kind -> number of findings.
        shown: The first findings, which have pictures.
    """

    schema_version: Literal[1] = VERSION
    runs: list[AuditRun]
    manifest: str
    classes: list[str]
    images: int
    audited: int
    picked_epoch: int
    not_audited: int
    min_area: int
    components: int
    kinds: dict[Kind, int]
    shown: list[AuditFinding]


def read_audit(folder: Path) -> AuditFile:
    """Read the audit of a folder.

    Raises:
        UserError: The file cannot be read, is damaged, or another version wrote it.
    """
    file = folder / FILE
    fix = "audit the runs again"
    return read_model(file, AuditFile, noun="an audit", fix=fix)
