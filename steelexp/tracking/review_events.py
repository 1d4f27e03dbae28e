"""The review of an evaluation as events: worst images, examples, confusion of components."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from steelexp.records.review import (
    EXAMPLES_PER_CELL,
    FOLDER,
    WORST_PER_CLASS,
    ReviewFile,
    read_review,
)
from steelexp.tracking.journal import New, file_entry

COMPONENTS = "components.json"


class ReviewPictures(NamedTuple):
    """How many pictures of a review are sent.

    Attributes:
        examples: Most examples of a cell of the confusion of components.
        worst: Most worst images of a class.
    """

    examples: int = EXAMPLES_PER_CELL
    worst: int = WORST_PER_CLASS


ALL_PICTURES = ReviewPictures()
NO_PICTURES = ReviewPictures(0, 0)


def review_events(folder: Path, step: int, pictures: ReviewPictures) -> Iterator[New]:
    """The events of a review; none where the folder has no review.

    The matrix comes last, because it names the examples.

    Args:
        folder: Run folder.
        step: Last optimizer step of the run.
        pictures: Number of pictures to send.
    """
    review = read_review(folder / FOLDER)
    if review is None:
        return
    yield from _worst(review, folder, step, pictures.worst)
    cells: list[dict[str, Any]] = []
    counts = Counter[tuple[int, int]]()
    for example in review.examples:
        cell = (example.truth, example.prediction)
        counts[cell] += 1
        if counts[cell] <= pictures.examples:
            file = file_entry(folder / FOLDER / example.file, folder)
            yield "example", {"name": example.name, "step": step, "layers": None, **file}
            place = {"truth": cell[0], "prediction": cell[1]}
            cells.append({**place, "path": file["path"], "name": example.name})
    matrix = {"matrix": review.components, "labels": review.labels, "examples": cells}
    title = f"Components of the {review.part} images"
    yield "confusion", {"name": COMPONENTS, "title": title, **matrix}


def _worst(review: ReviewFile, folder: Path, step: int, most: int) -> Iterator[New]:
    counts = Counter[str]()
    for worst in review.worst:
        counts[worst.label] += 1
        if counts[worst.label] <= most:
            layers = file_entry(folder / FOLDER / worst.layers, folder)
            file = file_entry(folder / FOLDER / worst.file, folder)
            yield "example", {"name": worst.name, "step": step, "layers": layers, **file}
