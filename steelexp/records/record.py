"""The record of a finished run: enough to compare it, explain it and run it again."""

from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from steelexp.command_line import command_line
from steelexp.records.document import read_model, write_document
from steelexp.records.postprocessing import Postprocessing

VERSION: Final = 4
_VERSION_FIX: Final = "read it with the version that wrote it, or run the spec again with --fresh"


class Record(BaseModel):
    """Contents of `record.json`.

    Attributes:
        schema_version: Version of this file.
        name: Name of the spec.
        digest: Digest of the run, the name of its folder.
        status: Always finished; a run without a record can be resumed.
        seed: Seed of the spec.
        started: Time in UTC, ISO 8601, at which the session that finished the run began.
        seconds: Duration of all epochs, training and validation.
        command: Command that runs it again.
        device: Device in words.
        parameters: Number of weights of the network.
        steps: Optimizer steps an epoch.
        class_weights: Weight of each class in the loss; their mean is one.
        epochs: Number of epochs that were run.
        best_epoch: Epoch whose weights were evaluated.
        monitor: Metric that picked it.
        metrics: Metrics of its weights: "val_..." of the validation images, "test_..." of the test
            images, "test_post_..." of the test images with post-processing, "val_post_..." of the
            validation images with post-processing tuned on the other fifths of them.
        definitions: Definition of each metric.
        split: Kind and settings of the split; images per class, hash and leaks of its parts.
        tiling: Kind and settings of the tiling; number of tiles and share of pixels in none.
        batch_size: Tiles in a batch; `dice_batch` depends on it.
        weights: Hash of the weights of the best epoch.
        threshold: Score threshold.
        postprocessing: Post-processing tuned on the validation images; None without test images.
        data: sha256 of the contents of the data set.
        white: White level of images of more than 8 bits; None if there were none.
        orientation: Treatment of the orientation in the images' metadata.
        images: File with pixels per image and class.
        files: Name -> hash of each file that came out of the run.
        tracking: Line of the tracker about the experiment.
        provenance: Git state, versions, machine.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    schema_version: Literal[4] = VERSION
    name: str
    digest: str
    status: Literal["finished"] = "finished"
    seed: int
    started: str
    seconds: float
    command: str
    device: str
    parameters: int
    steps: int
    class_weights: dict[str, float]
    epochs: int
    best_epoch: int
    monitor: str
    metrics: dict[str, float]
    definitions: dict[str, str]
    split: dict[str, Any]
    tiling: dict[str, Any]
    batch_size: int
    weights: str
    threshold: float
    postprocessing: Postprocessing | None = None
    data: str
    white: int | None = None
    orientation: Literal["applied"] = "applied"
    images: str
    files: dict[str, str] = {}
    tracking: str
    provenance: dict[str, Any]

    @property
    def image_count(self) -> int:
        """Number of images of the data set, also of those that are not used."""
        parts = self.split["parts"]
        return sum(parts.get(name, 0) for name in ("train", "val", "test", "unused"))


def write_record(file: Path, record: Record) -> None:
    """Write the record of a finished run."""
    write_document(file, record.model_dump(mode="json"))


def read_record(file: Path) -> Record:
    """Read the record of a finished run.

    Args:
        file: record.json of a run folder.

    Raises:
        UserError: The file cannot be read, is damaged, or another version wrote it.
    """
    again = command_line("run", file.parent)
    fix = f"restore it, or remove it and let the run evaluate its weights again: {again}"
    return read_model(file, Record, noun="a record", fix=fix, version_fix=_VERSION_FIX)
