"""Evaluations of a finished run on other data, in evaluations/NAME/."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from steelexp.file_names import short_name
from steelexp.records.document import read_model
from steelexp.records.postprocessing import Postprocessing
from steelexp.records.reevaluation import FOLDER

FILE = "external.json"
VERSION: Final = 2


class Relatives(BaseModel):
    """Data leakage between other data and a run: images with a near-duplicate in its data.

    Attributes:
        train: Number of images with a near-duplicate among the training images.
        val: Number of images with one among the validation images, on which rules were tuned.
        missing: Number of training and validation images that were not compared, because they are
            gone or have changed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    train: int
    val: int
    missing: int


class ExternalEvaluation(BaseModel):
    """Contents of external.json; evaluation.json, image_scores.parquet and plots lie beside it.

    Attributes:
        schema_version: Version of this file.
        name: Name of the data in words of the user: of the spec file, or of the folder.
        data: Data section that the images were read with.
        renamed: Class of the data -> class of the run, where the names differ.
        manifest: sha256 of the contents of the data set.
        images: Number of images.
        metrics: Metrics by full name, "test_..." and, with the run's rules, "test_post_...".
        postprocessing: Rules of the run, applied as they are.
        relatives: Data leakage; None where it could not be counted.
        unknown_relatives: Reason why it could not; "" where it could.
        files: Name -> hash of the files beside it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[2] = VERSION
    name: str
    data: dict[str, Any]
    renamed: dict[str, str]
    manifest: str
    images: int
    metrics: dict[str, float]
    postprocessing: Postprocessing | None
    relatives: Relatives | None
    unknown_relatives: str
    files: dict[str, str]


def external_folder(name: str, manifest: str) -> str:
    """Name of the folder of an evaluation: other content of one name is another evaluation."""
    return short_name(f"{name}-{manifest[:8]}")


def read_external_evaluations(run: Path) -> Iterator[tuple[Path, ExternalEvaluation]]:
    """Every evaluation of a run on other data, with its folder, by name.

    Args:
        run: Run folder.

    Raises:
        UserError: A file cannot be read, or another version wrote it.
    """
    for file in sorted((run / FOLDER).glob(f"*/{FILE}")):
        fix = "evaluate the run on these data again"
        evaluation = read_model(file, ExternalEvaluation, noun="an evaluation", fix=fix)
        yield file.parent, evaluation
