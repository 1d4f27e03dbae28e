"""Post-processing rules: from the scores of an image to its masks."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt

Score = Annotated[float, Field(ge=0, le=1)]


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
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    threshold: Score
    min_component: NonNegativeInt = 0
    min_area: NonNegativeInt = 0
    min_peak_score: Score = 0.0
    disabled: bool = False


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
    return ", ".join(parts)


def describe_postprocessing(metric: str, classes: Mapping[str, ClassRules]) -> str:
    """The rules of every class and the metric that they maximise, as one sentence."""
    rules = "; ".join(f"{label}: {describe_rules(each)}" for label, each in classes.items())
    return f"Post-processing, tuned on the validation images for {metric}: {rules}."
