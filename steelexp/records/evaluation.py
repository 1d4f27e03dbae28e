"""A finished run, judged in another way than its own: evaluations/NAME/ in its folder."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from steelexp.records.decision import Decision

FOLDER = "evaluations"


class Evaluation(BaseModel):
    """What `evaluation.json` holds; beside it lie judgement.json, strips.parquet and plots.

    Attributes:
        schema_version: of this file.
        windows: how strips went through the network.
        flips: whether the mean over the four flips was taken.
        definition: the same in words.
        metrics: as in the run's record.
        decision: tuned on the tune strips, judged in this way, too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    windows: str
    flips: bool
    definition: str
    metrics: dict[str, float]
    decision: Decision | None
