"""What a reviewer gets to see: bounded, and the same each time."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from steelexp.data.bits import pack_bits
from steelexp.evaluation import review as reviews
from steelexp.evaluation.component_confusion import Box
from steelexp.evaluation.review import Review, window_of
from steelexp.evaluation.review_files import write_review
from steelexp.inference.scoring import ScoredImage
from steelexp.records.review import FOLDER, read_review
from tests.evaluation.test_result import evaluation_report
from tests.fakes import dataset_of


def seen(row: int, truth: Box | None, prediction: Box | None, *, c: int = 0) -> tuple:
    """An image of 120 x 200 with a box of class 1 labelled, and one of class c + 1 predicted."""
    bits = np.zeros((120, 200), np.uint8)
    masks = np.zeros((120, 200, 2), bool)
    if truth is not None:
        bits[truth.top : truth.bottom, truth.left : truth.right] = 1
    if prediction is not None:
        masks[prediction.top : prediction.bottom, prediction.left : prediction.right, c] = True
    return ScoredImage(row, masks.astype(np.float32) * 0.8, bits), masks


LARGE, SMALL, ELSEWHERE = Box(10, 10, 50, 50), Box(10, 10, 20, 20), Box(80, 120, 100, 150)


def review_of(*images: tuple) -> Review:
    review = Review(("1", "2"))
    for image, masks in images:
        review.add(image, pack_bits(masks))
    return review


def test_the_largest_of_a_cell_come_first_and_no_more_than_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reviews, "EXAMPLES_PER_CELL", 2)
    images = [seen(0, SMALL, None), seen(1, LARGE, None), seen(2, LARGE, None), seen(3, None, None)]
    review = review_of(*images)
    assert review.matrix.tolist() == [[0, 0, 0], [3, 0, 0], [0, 0, 0]]
    assert [each.row for each in review.examples] == [1, 2]


def test_each_cell_gets_its_share_of_all_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reviews, "EXAMPLES", 3)
    review = review_of(*(seen(row, LARGE, ELSEWHERE, c=1) for row in range(4)))
    cells = [(each.finding.truth, each.finding.prediction) for each in review.examples]
    assert cells == [(0, 2), (0, 2), (1, 0)]


def test_the_worst_have_the_lowest_dice_and_then_the_most_pixels() -> None:
    review = review_of(
        seen(0, LARGE, LARGE),
        seen(1, SMALL, ELSEWHERE),
        seen(2, LARGE, ELSEWHERE),
        seen(3, LARGE, SMALL),
        seen(4, None, SMALL, c=1),
    )
    assert [(each.row, round(each.dice, 3)) for each in review.worst[0]] == [
        (2, 0.0), (1, 0.0), (3, 0.118),
    ]  # fmt: skip
    assert [each.row for each in review.worst[1]] == [4]


def test_a_window_lies_in_the_image() -> None:
    assert window_of(Box(0, 0, 4, 4), (120, 200)) == Box(0, 0, 96, 96)
    assert window_of(Box(60, 190, 64, 200), (120, 200)) == Box(14, 104, 110, 200)
    assert window_of(Box(0, 0, 120, 150), (120, 200)) == Box(0, 0, 120, 182)
    assert window_of(Box(0, 0, 4, 4), (20, 30)) == Box(0, 0, 20, 30)


def test_files_of_a_review(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    images = [draw.integers(60, 120, (120, 200), np.uint8) for _ in range(3)]
    masks = [seen(row, LARGE, None)[0].bits for row in range(3)]
    dataset = dataset_of(tmp_path, images, masks, ("1", "2"))
    review = review_of(seen(0, LARGE, None), seen(1, LARGE, LARGE), seen(2, LARGE, LARGE, c=1))
    report = evaluation_report()
    for _ in range(2):  # an earlier one is replaced
        write_review(tmp_path, dataset, review, report)
    contents = read_review(tmp_path / FOLDER)
    assert contents is not None
    assert contents.labels == ["none", "1", "2"]
    assert contents.components == [[0, 0, 0], [1, 1, 1], [0, 0, 0]]
    names = [Path(name).name for name in dataset.names]
    assert [each.name for each in contents.examples] == [
        f"missed 1 01: {names[0]} x 10 y 10",
        f"detected 1 01: {names[1]} x 10 y 10",
        f"1 taken for 2 01: {names[2]} x 10 y 10",
    ]
    with Image.open(tmp_path / FOLDER / contents.examples[0].file) as picture:
        assert picture.size == (192, 96)  # bare, and with overlay
    worst = contents.worst[0]
    assert worst.name == f"worst of 1, 1: {names[0]}, Dice 0.00"
    with Image.open(tmp_path / FOLDER / worst.file) as picture:
        np.testing.assert_array_equal(np.asarray(picture), dataset.image(0))
    truth, prediction = json.loads((tmp_path / FOLDER / worst.layers).read_text())
    assert (truth["name"], prediction["data"]) == ("truth", [])
    files = {path.name for path in (tmp_path / FOLDER).iterdir()}
    assert files == {"review.json", "sheet.jpg", "examples", "worst"}
