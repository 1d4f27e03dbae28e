"""Submission files of Kaggle's Severstal competition, in its two forms.

https://www.kaggle.com/c/severstal-steel-defect-detection/overview/evaluation: a row for every image
and every class, whose code is empty where nothing is predicted.
"""

from collections.abc import Iterator, Mapping, Sequence

CURRENT = ("ImageId", "ClassId", "EncodedPixels")
OF_2019 = ("ImageId_ClassId", "EncodedPixels")


def current_rows(
    image: str, runs: Mapping[str, str], classes: Sequence[str]
) -> Iterator[tuple[str, str, str]]:
    """Rows as today's train.csv has them.

    Args:
        image: its name.
        runs: class -> run-length code; a class may be absent.
        classes: of the rows, in order.
    """
    for label in classes:
        yield image, label, runs.get(label, "")


def rows_of_2019(
    image: str, runs: Mapping[str, str], classes: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Rows as the competition had them: image and class in one column."""
    for name, label, code in current_rows(image, runs, classes):
        yield f"{name}_{label}", code
