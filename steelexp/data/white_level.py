"""The white level of a data set: the value that is white in images of more than 8 bits."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from steelexp.data.data_error import DataError
from steelexp.data.dataset import Dataset
from steelexp.data.decoding import brightest_value
from steelexp.data.file_memory import remembered
from steelexp.progress import say
from steelexp.spec.schema import White

CAMERAS = tuple(2**bits - 1 for bits in (10, 12, 14, 16))
"""White levels of the usual cameras: 1023, 4095, 16383 and 65535."""


def set_white_level(dataset: Dataset, white: White) -> Dataset:
    """The data set, with its images of more than 8 bits scaled by a white level.

    Args:
        dataset: Data set.
        white: White level; auto takes that of the usual camera which holds the brightest value.

    Raises:
        DataError: An image cannot be read, or a white level is set and no image has over 8 bits.
    """
    if dataset.depth <= 8:
        if white != "auto":
            raise DataError(
                f"data.grey.white: {white}: no image has more than 8 bits a channel; leave it out"
            )
        return dataset
    if white == "auto":
        brightest = find_brightest(dataset.paths)
        level = next(each for each in CAMERAS if each >= brightest)
        say(
            f"White level {level}, after the brightest value {brightest} of the images of more "
            "than 8 bits; data.grey.white sets another"
        )
    else:
        level = white
    return replace(dataset, white=level)


def find_brightest(paths: Iterable[Path]) -> int:
    """The brightest value of the image files that have more than 8 bits; 0 without such files.

    Raises:
        DataError: A file cannot be read.
    """
    return max(remembered(list(paths), "brightest 1", brightest_value), default=0)
