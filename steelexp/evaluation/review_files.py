"""The files of a review: crops of components, worst images, a contact sheet, review.json.

review/
  review.json
  sheet.jpg                       some examples of each cell
  examples/TRUTH_PREDICTION_NN.jpg   0 for none, then the number of the class
  worst/CLASS_N.png  .json        bare image, and polygons of truth and prediction
"""

import io
import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from steelexp.data.dataset import Dataset
from steelexp.evaluation.review import Example, Review
from steelexp.evaluation.review_sheet import review_sheet
from steelexp.overlays.overlay import png_bytes
from steelexp.overlays.painting import paint
from steelexp.records.atomic import remove, replacing
from steelexp.records.evaluation_report import EvaluationReport
from steelexp.records.review import FILE, FOLDER, ExampleFile, ReviewFile, WorstFile

LARGEST = 256
"""Most pixels of height and width of the image in an example; a larger part is made smaller."""

QUALITY = 85  # of JPEG files

NONE = "none"

Picture = npt.NDArray[np.uint8]


def write_review(
    folder: Path, dataset: Dataset, review: Review, report: EvaluationReport
) -> ReviewFile:
    """Write the review of an evaluation, in the place of an earlier one.

    Args:
        folder: Folder of the evaluation.
        dataset: Data set.
        review: Review to write.
        report: Report of the same evaluation.
    """
    target = folder / FOLDER
    labels = [NONE, *dataset.classes]
    with replacing(target) as beside:
        (beside / "examples").mkdir(parents=True)
        (beside / "worst").mkdir()
        examples = list(_write_examples(beside, dataset, review, labels))
        contents = ReviewFile(
            part=report.part,
            masks=report.masks,
            labels=labels,
            components=review.matrix.tolist(),
            examples=examples,
            worst=list(_write_worst(beside, dataset, review)),
        )
        if examples:
            sheet = review_sheet(_cells(contents), beside)
            (beside / "sheet.jpg").write_bytes(_jpeg(np.asarray(sheet)))
        (beside / FILE).write_text(contents.model_dump_json(indent=1) + "\n", "utf-8")
        remove(target)
    return contents


def _write_examples(
    folder: Path, dataset: Dataset, review: Review, labels: list[str]
) -> Iterator[ExampleFile]:
    counts: dict[tuple[int, int], int] = {}
    for example in review.examples:
        finding = example.finding
        cell = (finding.truth, finding.prediction)
        counts[cell] = counts.get(cell, 0) + 1
        file = f"examples/{cell[0]}_{cell[1]}_{counts[cell]:02d}.jpg"
        (folder / file).write_bytes(_jpeg(_pair(dataset, example)))
        name = dataset.names[example.row]
        place = f"{PurePosixPath(name).name} x {finding.box.left} y {finding.box.top}"
        yield ExampleFile(
            file=file,
            name=f"{_kind(labels, *cell)} {counts[cell]:02d}: {place}",
            truth=finding.truth,
            prediction=finding.prediction,
            image=name,
            top=example.window.top,
            left=example.window.left,
            area=finding.area,
        )


def _cells(review: ReviewFile) -> list[tuple[str, list[ExampleFile]]]:
    """Title and examples of each cell, the mistakes first."""
    cells: dict[tuple[int, int], list[ExampleFile]] = {}
    for example in review.examples:
        cells.setdefault((example.truth, example.prediction), []).append(example)
    order = sorted(cells, key=lambda cell: (cell[0] == cell[1], cell))
    return [
        (f"{_kind(review.labels, *cell)}: {review.components[cell[0]][cell[1]]}", cells[cell])
        for cell in order
    ]


def _kind(labels: list[str], truth: int, prediction: int) -> str:
    """For example "missed 3", "invented 2", "1 taken for 2", "detected 4"."""
    if truth == prediction:
        return f"detected {labels[truth]}"
    if not prediction:
        return f"missed {labels[truth]}"
    if not truth:
        return f"invented {labels[prediction]}"
    return f"{labels[truth]} taken for {labels[prediction]}"


def _pair(dataset: Dataset, example: Example) -> Picture:
    """The bare part of the image, and beside it the same with truth and prediction: [h, 2 w, 3]."""
    top, left, bottom, right = example.window
    image = dataset.image(example.row)[top:bottom, left:right]
    truth = dataset.mask(example.row)[top:bottom, left:right]
    painted = paint(image, truth, example.prediction, class_count=len(dataset.classes))
    pair = np.concatenate([np.repeat(image[..., None], 3, axis=2), painted.rgb()], axis=1)
    factor = min(1.0, LARGEST / max(image.shape))
    size = (max(1, round(pair.shape[1] * factor)), max(1, round(pair.shape[0] * factor)))
    return np.asarray(cv2.resize(pair, size, interpolation=cv2.INTER_AREA), np.uint8)


def _write_worst(folder: Path, dataset: Dataset, review: Review) -> Iterator[WorstFile]:
    for c, images in enumerate(review.worst):
        for rank, worst in enumerate(images, start=1):
            label = dataset.classes[c]
            name = dataset.names[worst.row]
            stem = f"worst/{c + 1}_{rank}"
            picture = Image.fromarray(dataset.image(worst.row))
            (folder / f"{stem}.png").write_bytes(png_bytes(picture))
            (folder / f"{stem}.json").write_text(json.dumps(worst.layers), "utf-8")
            yield WorstFile(
                file=f"{stem}.png",
                layers=f"{stem}.json",
                name=f"worst of {label}, {rank}: {PurePosixPath(name).name}, Dice {worst.dice:.2f}",
                label=label,
                image=name,
                dice=round(worst.dice, 6),
            )


def _jpeg(picture: Picture) -> bytes:
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "JPEG", quality=QUALITY)
    return content.getvalue()
