"""What turns scores into masks: saved with a run, used by whatever predicts with it."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt

Score = Annotated[float, Field(ge=0, le=1)]


class ClassRules(BaseModel):
    """The rules for one class, applied in this order by `steelexp.inference.postprocessing.decide`.

    Attributes:
        threshold: a pixel is of the class where its score, sigmoid(logit), reaches this.
        min_component: connected components (8 neighbours) of fewer pixels are left out; pixels of the
            image as it was taken.
        min_area: where fewer pixels than this are then left of the class on an image, none is.
        min_peak_score: nothing is of the class, either, where the image's highest score of it does not reach
            this.
        disabled: nothing is ever of the class.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    threshold: Score
    min_component: NonNegativeInt = 0
    min_area: NonNegativeInt = 0
    min_peak_score: Score = 0.0
    disabled: bool = False


class Postprocessing(BaseModel):
    """The rules of every class, and what they come from.

    Attributes:
        metric: what was made large.
        part: of the split whose images they were tuned on.
        classes: class name -> its rules, in the order of the data set's classes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    metric: str
    part: Literal["val"] = "val"
    classes: dict[str, ClassRules]
