"""Labels that look shifted by one image: they fit the image before or after better than their own.

Inside a label an image differs from the ring around it: in its mean, its spread and its gradients.
On another image there is no such difference, whatever the class.
"""

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from steelexp.data.dataset import MOST_CLASSES
from steelexp.data.doctor.examination import Statistics
from steelexp.data.doctor.image_checks import check_image
from steelexp.data.issue import Issue
from steelexp.data.survey import Survey

Grey = npt.NDArray[np.uint8]
Scores = npt.NDArray[np.float64]

MOST_MASKS = 200
"""Masks that are compared with their neighbours, evenly spaced, so that the cost is bounded."""

LEAST_MASKS = 12
LEAST_T = 4.5
LEAST_WINS = 0.65
"""Labels are shifted if, of at least 12 masks, 65 % fit the same neighbour better, and the mean
gain is over 4.5 standard errors.

benchmarks/doctor_shift.py, 800 generated strips and the training part of NEU-Seg: of 20 parts of 50
images each, none as it is and all that are shifted by one image. With 17 labelled strips of the
real sample a shift is not clear enough (4.0 standard errors).
"""

RING = 12
"""Width of the ring around a label in pixels, at most."""

MOST_CONTRAST = 3.0
"""Contrast of one mask at most, so that no single one decides."""


class Shift(NamedTuple):
    """Labels that fit a neighbour of their image better.

    Attributes:
        by: -1 if they fit the image before, 1 if they fit the one after.
        first: First image.
        last: Last image.
        masks: Number of masks compared.
        wins: Number of those that fit the neighbour better.
    """

    by: int
    first: int
    last: int
    masks: int
    wins: int


def find_shift(
    rows: list[int],
    read_image: Callable[[int], Grey | None],
    read_mask: Callable[[int], Grey | None],
) -> Shift | None:
    """Look for labels that are shifted by one image, in the whole set, its halves and quarters.

    Args:
        rows: Labelled images in the order of their names.
        read_image: Function image -> [H, W] grey values, None if there is no such image.
        read_mask: Function image -> [H, W] labelled pixels, None if they cannot be read.
    """
    places = np.linspace(0, len(rows) - 1, min(len(rows), MOST_MASKS)).round().astype(int)
    sample = [rows[place] for place in places]

    def compare(row: int) -> list[float]:
        mask = read_mask(row)
        return (
            [np.nan] * 3 if mask is None else _fits(mask, [read_image(row + k) for k in (-1, 0, 1)])
        )

    with ThreadPoolExecutor() as pool:
        scores = np.array(list(pool.map(compare, sample))).reshape(-1, 3)
    for start, end in _segments(len(sample)):
        for by in (-1, 1):
            gains = scores[start:end, 1 + by] - scores[start:end, 1]
            gains = gains[~np.isnan(gains)]
            if _is_clear(gains):
                wins = int((gains > 0).sum())
                return Shift(by, sample[start], sample[end - 1], len(gains), wins)
    return None


def shift_issues(root: Path, files: Survey, statistics: Statistics) -> Iterator[Issue]:
    """The issue of labels that look shifted by one image in the order of the names.

    Args:
        root: Root folder of the data set.
        files: Survey of the data set.
        statistics: Statistics of its images.
    """
    images = files.images
    class_bits = (1 << len(files.classes or range(MOST_CLASSES))) - 1

    def read_image(row: int) -> Grey | None:
        is_there = 0 <= row < len(images) and statistics.sizes[row] is not None
        return check_image(images[row].path, None).grey if is_there else None

    def read_mask(row: int) -> Grey | None:
        bits, _ = images[row].read_labels(statistics.sizes[row])
        return None if bits is None else (bits & class_bits > 0).astype(np.uint8)

    rows = np.flatnonzero(statistics.pixels.any(axis=1)).tolist()
    shift = find_shift(rows, read_image, read_mask) if len(rows) >= LEAST_MASKS else None
    if shift is not None:
        text = (
            f"of {shift.masks} labels from {images[shift.first].name} to "
            f"{images[shift.last].name}, {shift.wins} fit the image "
            f"{'before' if shift.by < 0 else 'after'} theirs better, in the order of the names"
        )
        yield Issue("shifted labels", root, None, text)


def contrast(grey: Grey, mask: Grey) -> float:
    """How much an image differs inside a label from the ring around it.

    The sum of the difference of means in standard deviations of the ring, and of the logarithms of
    the ratios of standard deviations and of mean gradients. 0 is no difference.

    Args:
        grey: [H, W] image.
        mask: [H, W] of 0 and 1.
    """
    width = int(np.clip(np.sqrt(np.count_nonzero(mask)) / 4, 4, RING))
    rows, columns = _box(mask, width + 2)
    part = grey[rows, columns].astype(np.float32)
    inside = mask[rows, columns]
    square = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
    ring = (cv2.dilate(inside, square) - inside) > 0
    label = inside > 0
    if not ring.any():
        return np.nan
    gradients = cv2.magnitude(cv2.Sobel(part, cv2.CV_32F, 1, 0), cv2.Sobel(part, cv2.CV_32F, 0, 1))
    spread = part[ring].std() + 1
    terms = (
        (part[label].mean() - part[ring].mean()) / spread,
        np.log((part[label].std() + 1) / spread),
        np.log((gradients[label].mean() + 1) / (gradients[ring].mean() + 1)),
    )
    return float(sum(min(abs(term), MOST_CONTRAST) for term in terms))


def _fits(mask: Grey, images: list[Grey | None]) -> list[float]:
    """Contrast of a mask on images; not a number on those of another size."""
    has_place = [image is not None and image.shape == mask.shape for image in images]
    if not has_place[1] or not mask.any():
        return [np.nan] * len(images)
    return [
        contrast(image, mask) if fits and image is not None else np.nan
        for image, fits in zip(images, has_place, strict=True)
    ]


def _box(mask: Grey, margin: int) -> tuple[slice, slice]:
    """Rows and columns of the labelled pixels, with a margin."""
    rows = np.flatnonzero(mask.any(axis=1))
    columns = np.flatnonzero(mask.any(axis=0))
    return (
        slice(max(int(rows[0]) - margin, 0), int(rows[-1]) + margin + 1),
        slice(max(int(columns[0]) - margin, 0), int(columns[-1]) + margin + 1),
    )


def _segments(count: int) -> Iterator[tuple[int, int]]:
    """Start and end of the whole, its halves and its quarters."""
    for parts in (1, 2, 4):
        edges = np.linspace(0, count, parts + 1).round().astype(int).tolist()
        yield from itertools.pairwise(edges)


def _is_clear(gains: Scores) -> bool:
    """Whether most masks gain, and by more than chance."""
    if len(gains) < LEAST_MASKS:
        return False
    error = gains.std(ddof=1) / np.sqrt(len(gains))
    return bool(gains.mean() > LEAST_T * error and (gains > 0).mean() >= LEAST_WINS)
