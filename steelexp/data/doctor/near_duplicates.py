"""Near-duplicates of a data set, and the pairs by which their threshold can be judged."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steelexp.data.decoding import read_grey
from steelexp.data.doctor.examination import Statistics
from steelexp.data.duplicates import search
from steelexp.data.duplicates.alignment import DUPLICATE
from steelexp.data.survey import LabelledImage
from steelexp.data.white_level import CAMERAS
from steelexp.progress import steps

MOST_PAIRS = 8
"""Pairs on each side of the threshold."""


@dataclass(frozen=True)
class NearPair:
    """Two images whose similarity is near the threshold.

    Attributes:
        a: Number of one image.
        b: Number of the other.
        similarity: Correlation of what both show, after alignment.
        pictures: Both images, [H, W] uint8.
    """

    a: int
    b: int
    similarity: float
    pictures: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]

    @property
    def near_duplicates(self) -> bool:
        """Whether they count as near-duplicates."""
        return self.similarity >= DUPLICATE


def find_near_duplicates(
    images: list[LabelledImage], statistics: Statistics, white: int | None
) -> tuple[npt.NDArray[np.int64], list[NearPair]]:
    """Compare the readable images.

    Where images are brighter than the white level, which is an issue, that of a camera is taken.

    Args:
        images: [S] images of the data set.
        statistics: Their statistics.
        white: White level of the data set, if one is given.

    Returns:
        [S] group of each image, an unreadable one in a group of its own; and the pairs nearest to
        the threshold on each side, the most similar first.
    """
    camera = next(each for each in CAMERAS if each >= statistics.brightest)
    level = camera if white is None or white < statistics.brightest else white
    readable = [i for i, size in enumerate(statistics.sizes) if size is not None]
    groups = np.arange(len(images), dtype=np.int64)
    if not readable:
        return groups, []

    def image(number: int) -> npt.NDArray[np.uint8]:
        return read_grey(images[readable[number]].path, white=level)

    with steps("comparing", len(readable), every=10.0) as advance:
        result = search.near_duplicates(
            image, len(readable), report=lambda done, total: advance(done)
        )
    groups[readable] = len(images) + result.groups
    pairs = [
        NearPair(readable[a], readable[b], similarity, (image(a), image(b)))
        for a, b, similarity in _nearest(result.pairs)
    ]
    return groups, pairs


def _nearest(pairs: list[search.Pair]) -> list[search.Pair]:
    """The least similar near-duplicates, then the most similar other pairs, in that order."""
    ordered = sorted(pairs, key=lambda pair: (-pair.similarity, pair.a, pair.b))
    above = [pair for pair in ordered if pair.similarity >= DUPLICATE]
    return above[-MOST_PAIRS:] + ordered[len(above) : len(above) + MOST_PAIRS]
