"""Evaluations of a finished run with other inference settings, in evaluations/NAME/."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from steelexp.records.postprocessing import Postprocessing

FOLDER = "evaluations"
FILE = "reevaluation.json"


class Reevaluation(BaseModel):
    """Contents of reevaluation.json; evaluation.json, image_scores.parquet and plots lie beside it.

    Attributes:
        schema_version: Version of this file.
        inference: Inference setting: whole, sliding or published.
        tta: Whether scores are averaged over the four flips.
        definition: Inference settings in words.
        metrics: Metrics by full name.
        postprocessing: Rules tuned on the validation images with the same inference settings.
        files: Name -> hash of the files beside it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[2] = 2
    inference: str
    tta: bool
    definition: str
    metrics: dict[str, float]
    postprocessing: Postprocessing | None
    files: dict[str, str]
