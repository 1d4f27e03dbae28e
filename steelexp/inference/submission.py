"""Submission files of Kaggle's Severstal competition, in its two forms.

There is a row for every image and class, with an empty code if nothing is predicted. See
https://www.kaggle.com/c/severstal-steel-defect-detection/overview/evaluation.
"""

from collections.abc import Iterator, Mapping, Sequence

CURRENT = ("ImageId", "ClassId", "EncodedPixels")
OF_2019 = ("ImageId_ClassId", "EncodedPixels")


def current_rows(
    image: str, runs: Mapping[str, str], classes: Sequence[str]
) -> Iterator[tuple[str, str, str]]:
    """Rows in the form of the current train.csv.

    Args:
        image: Name of the image.
        runs: Run-length code by class name; a class may be missing.
        classes: Class names, in the order of the rows.
    """
    for label in classes:
        yield image, label, runs.get(label, "")


def rows_of_2019(
    image: str, runs: Mapping[str, str], classes: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Rows in the form of the competition: image and class in one column."""
    for name, label, code in current_rows(image, runs, classes):
        yield f"{name}_{label}", code
