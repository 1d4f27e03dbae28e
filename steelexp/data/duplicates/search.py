"""Groups of near-duplicates: images equal up to crop, scale, flip, rotation, light and JPEG.

Each image is reduced to a thumbnail. Nearest neighbours of its descriptor are candidates. A
candidate pair whose thumbnails agree pixel by pixel, once aligned, is a pair of near-duplicates.
Time and memory grow about linearly with the images.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import DisjointSet

from steelexp.data.duplicates.alignment import DUPLICATE, similarity
from steelexp.data.duplicates.candidates import Candidates, candidate_pairs
from steelexp.data.duplicates.thumbnails import ZOOMS, Grey, thumbnails

Thumbnails = dict[tuple[int, int], Grey]

_BLOCK = 256  # pairs compared in parallel before the groups are updated
_WORKERS = os.cpu_count() or 1


class Pair(NamedTuple):
    """Two images that were compared.

    Attributes:
        a: Number of one image.
        b: Number of the other.
        similarity: Correlation of what both show, at most 1.
    """

    a: int
    b: int
    similarity: float


class NearDuplicates(NamedTuple):
    """What the search found.

    Attributes:
        groups: [S] group of each image, numbered from 0 in the order of first appearance.
        pairs: All pairs that were compared and have a similarity. Pairs that earlier ones already
            connect are not compared.
    """

    groups: npt.NDArray[np.int64]
    pairs: list[Pair]


def near_duplicates(
    image: Callable[[int], Grey],
    count: int,
    *,
    report: Callable[[int, int], None] | None = None,
) -> NearDuplicates:
    """Group near-duplicates: images connected by a chain of duplicate pairs.

    Duplicates may differ by flips, rotations by 90 degrees, crops and scales up to about 15 %,
    small shifts, light, contrast and recompression. An image without contrast has no duplicates.
    The groups do not depend on the order of the images.

    Args:
        image: Function image number -> [H, W] uint8 grey. It is called once per image, from several
            threads. As many images as cores are in memory, and a few thumbnails of each image.
        count: Number of images.
        report: Progress callback, called with the number of images read and `count`.
    """
    small_images = list(_read(image, count, report or (lambda done, total: None)))
    groups = DisjointSet(range(count))
    pairs = []
    for shape in sorted({shape for by_shape in small_images for shape in by_shape}):
        numbers = [n for n in range(count) if shape in small_images[n]]
        numbers.sort(key=lambda n: small_images[n][shape].tobytes())  # independent of their order
        stack = np.array([small_images[n].pop(shape) for n in numbers])
        for row, other, value in compare(stack, candidate_pairs(stack)):
            pairs.append(Pair(numbers[row], numbers[other], value))
            if value >= DUPLICATE:
                groups.merge(numbers[row], numbers[other])
    return NearDuplicates(_renumber([groups[n] for n in range(count)]), pairs)


def _read(
    image: Callable[[int], Grey], count: int, report: Callable[[int, int], None]
) -> Iterator[Thumbnails]:
    """Read the images on all cores and yield their thumbnails in order."""
    with ThreadPoolExecutor(_WORKERS) as pool:
        waiting: deque[Future[Thumbnails]] = deque()
        for n in range(count):
            waiting.append(pool.submit(lambda n: thumbnails(image(n)), n))
            if len(waiting) > 4 * _WORKERS:
                yield waiting.popleft().result()
                report(n + 1 - len(waiting), count)
        while waiting:
            yield waiting.popleft().result()
            report(count - len(waiting), count)


def compare(stack: Grey, candidates: Candidates) -> Iterator[tuple[int, int, float]]:
    """Compare candidates, except pairs that earlier near-duplicates already connect.

    Args:
        stack: [N, h, w] thumbnails.
        candidates: Pairs of rows, the nearest first.

    Yields:
        Two rows and their similarity, if they have one.
    """
    groups = DisjointSet(range(len(stack)))

    def value(pair: tuple[int, int, int]) -> float:
        row, other, zoom = pair
        return similarity(stack[row], stack[other], ZOOMS[zoom])

    pairs = np.stack(candidates, axis=1)
    with ThreadPoolExecutor(_WORKERS) as pool:
        for start in range(0, len(pairs), _BLOCK):
            block = [
                (row, other, zoom)
                for row, other, zoom in pairs[start : start + _BLOCK].tolist()
                if not groups.connected(row, other)
            ]
            for (row, other, _), similar in zip(block, pool.map(value, block), strict=True):
                if similar > 0:
                    yield row, other, similar
                if similar >= DUPLICATE:
                    groups.merge(row, other)


def _renumber(labels: list[int]) -> npt.NDArray[np.int64]:
    """Number groups from 0 in the order of first appearance."""
    first: dict[int, int] = {}
    return np.array([first.setdefault(label, len(first)) for label in labels], np.int64)
