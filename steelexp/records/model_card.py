"""The card of an exported network: its run, its classes, its rules from scores to masks."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer

from steelexp.records.postprocessing import ClassRules
from steelexp.records.record import Record

SCHEMA_VERSION = 2
"""Version of the card; version 1 had neither a checksum nor the hash of the network."""

KEY = "steelexp"
"""Key of the card in an ONNX file's metadata; its file name, with .json, in other exports."""


IMAGE_OUTPUT = "image_scores: float32 [N, C], 0 to 1, of the classification head"

GATES = {
    "none": "the image score is not used",
    "soft": "multiply the scores of the class by its image score, then apply the other rules",
    "hard": "empty the mask of the class if its image score is below min_image_score",
    "area": "multiply min_area by one minus the image score",
}

SETTINGS = "settings"
"""Key of a run's settings in the provenance of its record."""


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
        image_output: Second output of a network with a classification head; None without one.
        gates: Gate of a class's rules -> what it does with the image score; None without a head.
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
    image_output: str | None = None
    gates: dict[str, str] | None = None
    postprocessing_metric: str | None
    input: str = "grey: uint8 [N, H, W, 1], 0 is black"
    output: str = "scores: float32 [N, H, W, C], 0 to 1"
    multiple: Literal[32] = 32
    padding: Literal["reflect"] = "reflect"
    training_tiles: dict[str, Any]
    white: int | None = None
    orientation: Literal["applied"] = "applied"

    @property
    def has_head(self) -> bool:
        """Whether the network has a classification head."""
        return self.image_output is not None

    @model_serializer(mode="wrap")
    def _without_an_absent_head(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out the head where there is none: the cards of such networks stay as they were."""
        values: dict[str, Any] = dump(self)
        absent = () if self.has_head else ("image_output", "gates")
        return {key: value for key, value in values.items() if key not in absent}


def card_of(record: Record) -> ModelCard:
    """The card of a finished run; without a post-processing, its threshold for every class."""
    postprocessing = record.postprocessing
    has_head = record.provenance.get(SETTINGS, {}).get("head.name", "none") != "none"
    fixed = {label: ClassRules(threshold=record.threshold) for label in record.class_weights}
    return ModelCard(
        name=record.name,
        digest=record.digest,
        weights=record.weights,
        classes=fixed if postprocessing is None else postprocessing.classes,
        image_output=IMAGE_OUTPUT if has_head else None,
        gates=GATES if has_head else None,
        postprocessing_metric=None if postprocessing is None else postprocessing.metric,
        training_tiles=record.tiling,
        white=record.white,
        orientation=record.orientation,
    )
