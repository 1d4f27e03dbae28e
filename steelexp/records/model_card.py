"""The card of an exported network: its run, its classes, its rules from scores to masks."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from steelexp.records.postprocessing import ClassRules
from steelexp.records.record import Record

SCHEMA_VERSION = 2
"""Version of the card; version 1 had neither a checksum nor the hash of the network."""

KEY = "steelexp"
"""Key of the card in an ONNX file's metadata; its file name, with .json, in other exports."""


class ModelCard(BaseModel):
    """Enough to use a network without its run folder.

    Attributes:
        schema_version: Version of this card.
        name: Name of the spec.
        digest: Digest of the run.
        weights: Hash of the run's weights; None in the export of an older run.
        network: Hash of the exported network without the card, XXH3 of 128 bits: of the other bytes
            of an .onnx or .tflite file, of the other files of a SavedModel. None in a run folder.
        classes: Class -> its rules from scores to mask, in the order of the scores' channels.
        postprocessing_metric: Metric that the rules were tuned for, on the validation images; None
            where they are the spec's threshold for every class.
        input: Input of the network.
        output: Output of the network.
        multiple: Divisor of height and width of an input.
        padding: Padding at the right and lower edge, up to that multiple: reflect is OpenCV's
            BORDER_REFLECT_101. The scores are cropped to the image's size again.
        training_tiles: Tiles that the network was trained on.
        white: White level: value that is 255 in images of more than 8 bits; None if the network
            was trained on images of 8 bits alone.
        orientation: Treatment of the orientation in an image's metadata.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[2] = 2
    name: str
    digest: str
    weights: str | None = None
    network: str | None = None
    classes: dict[str, ClassRules]
    postprocessing_metric: str | None
    input: str = "grey: uint8 [N, H, W, 1], 0 is black"
    output: str = "scores: float32 [N, H, W, C], 0 to 1"
    multiple: Literal[32] = 32
    padding: Literal["reflect"] = "reflect"
    training_tiles: dict[str, Any]
    white: int | None = None
    orientation: Literal["applied"] = "applied"


def card_of(record: Record) -> ModelCard:
    """The card of a finished run; without a post-processing, its threshold for every class."""
    postprocessing = record.postprocessing
    fixed = {label: ClassRules(threshold=record.threshold) for label in record.class_weights}
    return ModelCard(
        name=record.name,
        digest=record.digest,
        weights=record.weights,
        classes=fixed if postprocessing is None else postprocessing.classes,
        postprocessing_metric=None if postprocessing is None else postprocessing.metric,
        training_tiles=record.tiling,
        white=record.white,
        orientation=record.orientation,
    )
