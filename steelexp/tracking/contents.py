"""What each kind of event holds. Events of any other shape are damage, or of another version."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Scalar = str | int | float | bool | None


def _is_below(path: str) -> str:
    parts = path.split("/")
    if not all(parts) or {".", ".."} & set(parts) or "\0" in path:
        raise ValueError("not a path below the run folder")
    return path


class Content(BaseModel):
    """Fields of an event; JSON values of exactly these types."""

    model_config = ConfigDict(strict=True, defer_build=True)


class File(Content):
    """A file of the run folder, such as an asset.

    Attributes:
        path: Path below the run folder.
        sha256: Digest of its content.
    """

    path: Annotated[str, AfterValidator(_is_below)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Run(Content):
    """The first event: what the run is, and the key of its experiment."""

    service: str
    key: Annotated[str, Field(pattern="^[0-9A-Za-z]+$")]
    project: str
    workspace: str | None
    name: str
    tags: list[str]
    parameters: dict[str, Scalar]
    others: dict[str, Scalar]
    model: str | None
    alerts: list[str] = []


class Epoch(Content):
    """Metrics of an epoch; one that is undefined is NaN."""

    epoch: int
    step: int
    metrics: dict[str, float]


class Final(Content):
    """Final metrics, each with its group in front of its name.

    Attributes:
        group: Group of the metrics themselves.
        epoch: Last epoch of the run.
        step: Optimizer steps of the run, and one more for each earlier evaluation of the group: a
            service keeps one value of a name and a step.
    """

    group: str
    epoch: int
    step: int
    metrics: dict[str, float]


class Machine(Content):
    """A sample of what the machine does.

    Attributes:
        sample: Number of the sample in the run, from 1.
        metrics: Name -> value.
    """

    sample: int
    metrics: dict[str, float]


class Code(Content):
    """Code that runs.

    Attributes:
        git: Commit and branch of the checkout; empty without one.
        packages: Installed packages, as in "numpy==2.4.6".
    """

    git: dict[str, str]
    packages: list[str]


class Console(Content):
    """Text that was printed since the last event of this kind.

    Attributes:
        line: Number of its first line in the run, from 1.
        text: Lines with their ends.
    """

    line: int
    text: str


class Overlay(File):
    """A picture, and the file of its polygon layers."""

    epoch: int
    step: int
    name: str
    layers: File | None


class Example(File):
    """A picture of the evaluation, for a reviewer.

    Attributes:
        name: Name for a reviewer.
        step: Last optimizer step of the run.
        layers: File of its polygon layers; None for none.
    """

    name: str
    step: int
    layers: File | None = None


class Cell(Content):
    """An example of a cell of a confusion matrix.

    Attributes:
        truth: Row.
        prediction: Column.
        path: Path of an earlier event's picture.
        name: Its name.
    """

    truth: int
    prediction: int
    path: str
    name: str


class Table(Content):
    """A table."""

    name: str
    headers: list[str]
    rows: list[list[Scalar]]


class Curve(Content):
    """A curve."""

    name: str
    x: list[float]
    y: list[float]


class Confusion(Content):
    """A confusion matrix, [ground truth, prediction]."""

    name: str
    title: str
    matrix: list[list[float]]
    labels: list[str]
    examples: list[Cell] = []


class Data(Content):
    """The data of a run, without pixels.

    Attributes:
        name: Name of the data set at the service.
        digest: Digest of images, labels and split.
        metadata: Facts about the data.
        files: Files that name images, labels and split.
    """

    name: str
    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    metadata: dict[str, Scalar]
    files: list[File]


class Model(File):
    """A network and how it is registered.

    Attributes:
        name: Name of the registered model.
        comment: Comment of the version.
        tags: Tags of the version.
        status: Status of the version; None for none.
        metadata: Metadata of the version.
    """

    name: str
    comment: str | None = None
    tags: list[str] = []
    status: str | None = None
    metadata: dict[str, Scalar] = {}


class Alert(Content):
    """A message to a person; it is sent at most once."""

    name: str
    title: str
    values: dict[str, float]


class Others(Content):
    """Any further values by name."""

    model_config = ConfigDict(strict=True, extra="allow", defer_build=True)
    __pydantic_extra__: dict[str, Scalar]


CONTENTS: dict[str, type[Content]] = {
    "run": Run,
    "asset": File,
    "epoch": Epoch,
    "final": Final,
    "machine": Machine,
    "code": Code,
    "console": Console,
    "picture": Overlay,
    "others": Others,
    "example": Example,
    "table": Table,
    "curve": Curve,
    "confusion": Confusion,
    "model": Model,
    "data": Data,
    "alert": Alert,
}


def check_content(kind: str, content: Mapping[str, Any]) -> None:
    """Check what an event of a kind holds.

    Raises:
        ValueError: There is no such kind, or its content has another shape.
    """
    if kind not in CONTENTS:
        raise ValueError(f"kind {kind!r:.40} is none of {', '.join(CONTENTS)}")
    CONTENTS[kind].model_validate(content)
