"""Post-processing rules: from the scores of an image to its masks."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    SerializerFunctionWrapHandler,
    model_serializer,
)

Score = Annotated[float, Field(ge=0, le=1)]
Gate = Literal["none", "soft", "hard", "area"]


class ClassRules(BaseModel):
    """The rules of one class; `steelexp.inference.postprocessing` applies them in this order.

    Attributes:
        threshold: Lowest score, sigmoid(logit), of a pixel of the class.
        min_component: Smallest connected component (8 neighbours) to keep, in pixels of the image
            at full resolution.
        min_area: Smallest area of the class on an image, in pixels. The mask of an image with less
            is emptied.
        min_peak_score: Highest score that an image must reach. The mask of an image below it is
            empty.
        disabled: Whether the masks of the class are always empty.
        gate: Use of the image score of the classification head: none; soft multiplies the scores of
            the pixels by it before all other rules; hard empties the mask of an image whose image
            score is below `min_image_score`; area multiplies `min_area` by one minus it.
        min_image_score: Lowest image score of the hard gate.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    threshold: Score
    min_component: NonNegativeInt = 0
    min_area: NonNegativeInt = 0
    min_peak_score: Score = 0.0
    disabled: bool = False
    gate: Gate = "none"
    min_image_score: Score = 0.0

    @model_serializer(mode="wrap")
    def _without_a_gate_that_is_none(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out the gate where there is none: the files of such networks stay as they were."""
        values: dict[str, Any] = dump(self)
        absent = ("gate", "min_image_score") if self.gate == "none" else ()
        return {key: value for key, value in values.items() if key not in absent}


class Postprocessing(BaseModel):
    """The rules of every class, and the metric and images they were tuned on.

    Attributes:
        metric: Metric that the rules maximise.
        part: Part of the split they were tuned on.
        classes: Rules by class name, in the order of the data set's classes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    metric: str
    part: Literal["val"] = "val"
    classes: dict[str, ClassRules]


def describe_rules(rules: ClassRules) -> str:
    """The rules of one class in words, without those that change nothing.

    Example:
        >>> describe_rules(ClassRules(threshold=0.6, min_area=600))
        'score threshold 0.6, minimum area per image 600 pixels'
    """
    if rules.disabled:
        return "disabled"
    parts = [f"score threshold {rules.threshold:g}"]
    if rules.min_component > 1:
        parts.append(f"minimum component size {rules.min_component} pixels")
    if rules.min_area > 1:
        parts.append(f"minimum area per image {rules.min_area} pixels")
    if rules.min_peak_score > rules.threshold:
        parts.append(f"minimum peak score {rules.min_peak_score:g}")
    if rules.gate == "hard":
        parts.append(f"hard gate at image score {rules.min_image_score:g}")
    elif rules.gate != "none":
        parts.append(f"{rules.gate} gate")
    return ", ".join(parts)


def describe_postprocessing(metric: str, classes: Mapping[str, ClassRules]) -> str:
    """The rules of every class and the metric that they maximise, as one sentence."""
    rules = "; ".join(f"{label}: {describe_rules(each)}" for label, each in classes.items())
    return f"Post-processing, tuned on the validation images for {metric}: {rules}."
