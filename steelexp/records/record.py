"""The record of a finished run: enough to compare it, explain it and run it again."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, model_validator

from steelexp.records.postprocessing import Postprocessing


class Record(BaseModel):
    """What `record.json` holds.

    Attributes:
        schema_version: of this file.
        name: the spec's.
        digest: names the run folder.
        status: finished; a run without a record can be resumed.
        seed: the spec's.
        started: UTC, ISO 8601; of the session that finished the run.
        seconds: training and tuning of all epochs.
        command: what to type to run it again.
        device: in words.
        parameters: weights of the network.
        steps: optimizer steps an epoch.
        class_weights: of each class in the loss, mean one.
        epochs: how many were run.
        best_epoch: whose weights were kept and evaluated.
        monitor: the metric that picked it.
        metrics: Metrics of the best weights by their full names: "val_..." on the validation
            images, "test_..." on the test images, "test_post_..." after post-processing.
        definitions: Metric -> its definition.
        split: what trained, tuned and tested: images per class, hash, leak.
        tiling: what training saw, and what it never sees.
        batch_size: tiles; `dice_batch` depends on it.
        threshold: on the scores.
        postprocessing: Rules tuned on the validation images; None without test images.
        data: sha256 of what the data set holds.
        images: the file with pixels per image and class.
        tracking: where the run was mirrored to.
        provenance: git state, versions, machine.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    schema_version: Literal[2] = 2
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
    threshold: float
    postprocessing: Postprocessing | None = None
    data: str
    images: str
    tracking: str
    provenance: dict[str, Any]

    @model_validator(mode="before")
    @classmethod
    def _of_thresholds_alone(cls, values: Any) -> Any:
        """Records from before other rules were tuned hold `tuned_thresholds`, for dice_kaggle."""
        if not isinstance(values, dict) or "tuned_thresholds" not in values:
            return values
        values = dict(values)
        tuned = values.pop("tuned_thresholds")
        if tuned is not None:
            classes = {label: {"threshold": threshold} for label, threshold in tuned.items()}
            values["postprocessing"] = {"metric": "dice_kaggle", "classes": classes}
        return values
