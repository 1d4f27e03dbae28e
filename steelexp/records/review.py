"""review/review.json: the confusion of components with examples, and the worst images."""

from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from steelexp.command_line import command_line
from steelexp.records.document import read_model

FOLDER: Final = "review"
FILE: Final = "review.json"
VERSION: Final = 1

EXAMPLES_PER_CELL: Final = 25
"""Most examples of a cell of the matrix; Comet shows no more."""

WORST_PER_CLASS: Final = 3
"""Most worst images of a class."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ExampleFile(_Part):
    """A picture of a component: the bare image, and beside it the same with overlay.

    Attributes:
        file: JPEG file below the folder of the review.
        name: Name for a reviewer, with kind, classes, image and place.
        truth: Row of the matrix: 0 for none, c + 1 for class c.
        prediction: Column of the matrix, in the same way.
        image: Name of the image.
        top: Top of the part of the image that is shown, in pixels.
        left: Left of it.
        area: Pixels of the component.
    """

    file: str
    name: str
    truth: int
    prediction: int
    image: str
    top: int
    left: int
    area: int


class WorstFile(_Part):
    """An image on which a class has a low Dice.

    Attributes:
        file: PNG file of the bare image below the folder of the review.
        layers: JSON file of the polygons of truth and prediction.
        name: Name for a reviewer, with class, rank, image and Dice.
        label: Class.
        image: Name of the image.
        dice: Dice of the class on the image.
    """

    file: str
    layers: str
    name: str
    label: str
    image: str
    dice: float


class ReviewFile(_Part):
    """Contents of review.json.

    Attributes:
        schema_version: Version of this file.
        part: Part of the split, "test" or "val".
        masks: Source of the predicted masks, "postprocessing" or "threshold".
        labels: "none", then the classes.
        components: Matrix of components with rows for the truth and columns for the prediction.
        examples: Examples of the cells of the matrix.
        worst: Worst images of each class.
    """

    schema_version: Literal[1] = VERSION
    part: Literal["test", "val"]
    masks: Literal["postprocessing", "threshold"]
    labels: list[str]
    components: list[list[int]]
    examples: list[ExampleFile]
    worst: list[WorstFile]


def read_review(folder: Path) -> ReviewFile | None:
    """Read the review of an evaluation; None where there is none.

    Args:
        folder: Folder of the review, `review` in the folder of the evaluation.

    Raises:
        UserError: The file cannot be read, or another version wrote it.
    """
    file = folder / FILE
    if not file.is_file():
        return None
    fix = f"evaluate the run again: {command_line('evaluate', folder.parent)}"
    return read_model(file, ReviewFile, noun="a review", fix=fix, has_checksum=False)
