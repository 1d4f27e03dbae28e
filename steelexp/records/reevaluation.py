"""A finished run, evaluated in another way than its own: evaluations/NAME/ in its folder."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from steelexp.records.postprocessing import Postprocessing

FOLDER = "evaluations"


class Reevaluation(BaseModel):
    """What `evaluation.json` holds; beside it lie evaluation.json, image_scores.parquet and plots.

    Attributes:
        schema_version: of this file.
        inference: how images went through the network.
        tta: whether the mean over the four flips was taken.
        definition: the same in words.
        metrics: as in the run's record.
        decision: tuned on the validation images, evaluated in this way, too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    inference: str
    tta: bool
    definition: str
    metrics: dict[str, float]
    postprocessing: Postprocessing | None
