"""One pass over a data set's images: what is wrong with each, and what its labels amount to."""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from steelexp.data.dataset import Bits, DataError, decode_image
from steelexp.data.doctor.survey import MOST_CLASSES, LabelledImage, Size
from steelexp.data.issue import Issue

Grey = npt.NDArray[np.uint8]

# Channels that differ by more than a JPEG's rounding; Severstal's and NEU-Seg's do not differ.
COLOUR_STEPS = 8

# A pixel lies on black where at least BLACK_SHARE of the square around it is no lighter than
# BLACK_GREY. A mask is found when over half of a class's pixels do: 0 on the 25 images at hand,
# up to 0.26 on NEU-Seg, whose patches are dark.
BLACK_GREY, BLACK_SQUARE, BLACK_SHARE, BLACK_MASK = 10, 31, 0.9, 0.5

GRID_ROWS, GRID_COLUMNS = 16, 128  # at most; cells of 16 x 16 pixels on an image of 256 x 1600


class Extent(NamedTuple):
    """One class on one image.

    Attributes:
        pixels: labelled.
        components: 8-connected.
        black: pixels that lie on black.
        cells: [gh, gw] share of each grid cell that is labelled.
    """

    pixels: int
    components: int
    black: int
    cells: npt.NDArray[np.float32]


class Examined(NamedTuple):
    """One image: its size and its classes unless they cannot be read, and what is wrong."""

    size: Size | None
    extents: dict[int, Extent] | None
    issues: list[Issue]


@dataclass(frozen=True)
class Statistics:
    """What the images of a data set amount to.

    Attributes:
        sizes: [S] height and width, None where the image cannot be read.
        known: [S] whether the image and its labels could be read; the figures are 0 elsewhere.
        pixels: [S, C] labelled.
        components: [S, C] 8-connected.
        black: [S, C] labelled pixels on black.
        heat: [C, gh, gw] sum over the images of the share of each grid cell that is labelled.
        issues: what is wrong with images and labels.
    """

    sizes: list[Size | None]
    known: npt.NDArray[np.bool_]
    pixels: npt.NDArray[np.int64]
    components: npt.NDArray[np.int64]
    black: npt.NDArray[np.int64]
    heat: npt.NDArray[np.float64]
    issues: list[Issue]

    @property
    def co_occurrence(self) -> npt.NDArray[np.int64]:
        """[C, C] images that hold both classes; the diagonal has those that hold the one."""
        held = (self.pixels > 0).astype(np.int64)
        return held.T @ held


def collect_statistics(
    subjects: list[LabelledImage], *, one_size: bool, report: Callable[[int], None]
) -> Statistics:
    """Examine every image, on all cores; only figures are kept.

    Args:
        subjects: the images.
        one_size: whether an image of another size than most is a finding.
        report: called with the number of images examined.
    """
    grid = _grid(subjects)
    count = (len(subjects), MOST_CLASSES)
    pixels, components, black = (np.zeros(count, np.int64) for _ in range(3))
    heat = np.zeros((MOST_CLASSES, *grid), np.float64)
    known = np.zeros(len(subjects), bool)
    sizes: list[Size | None] = []
    issues: list[Issue] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for i, image in enumerate(pool.map(partial(examine, grid=grid), subjects)):
            sizes.append(image.size)
            issues += image.issues
            known[i] = image.extents is not None
            for c, extent in (image.extents or {}).items():
                pixels[i, c], components[i, c], black[i, c] = extent[:3]
                heat[c] += extent.cells
            report(i + 1)
    issues += _other_sizes(subjects, sizes) if one_size else []
    readable = zip(subjects, sizes, strict=True)
    issues += _same_bytes([subject.path for subject, size in readable if size is not None])
    return Statistics(sizes, known, pixels, components, black, heat, issues)


def examine(subject: LabelledImage, *, grid: Size) -> Examined:
    """Read one image and its labels, and check both.

    Args:
        subject: the image.
        grid: rows and columns of the cells.
    """
    try:
        stored = decode_image(subject.path, cv2.IMREAD_UNCHANGED)
    except DataError as error:
        text = str(error).removeprefix(f"{subject.path}: ")
        unreadable = Issue("unreadable image", subject.path, None, text)
        return Examined(None, None, [unreadable, *subject.labels(None)[1]])
    grey, issues = _grey(subject.path, stored)
    size = (grey.shape[0], grey.shape[1])
    bits, wrong = subject.labels(size)
    extents = None if bits is None else _measure(grey, bits, grid)
    on_black = [
        _mask_on_black(subject, c, extent)
        for c, extent in (extents or {}).items()
        if extent.black > BLACK_MASK * extent.pixels
    ]
    return Examined(size, extents, [*issues, *wrong, *on_black])


def on_black(grey: Grey) -> npt.NDArray[np.bool_]:
    """Where an image shows no steel: [H, W], true where nearly all around a pixel is about 0.

    Args:
        grey: [H, W].
    """
    dark = cv2.threshold(grey, BLACK_GREY, 255, cv2.THRESH_BINARY_INV)[1]
    return cv2.blur(dark, (BLACK_SQUARE, BLACK_SQUARE)) >= round(255 * BLACK_SHARE)


def _grey(path: Path, stored: npt.NDArray[Any]) -> tuple[Grey, list[Issue]]:
    """The image in grey as it is used, and what is wrong with the way it is stored."""
    issues = []
    if stored.dtype != np.uint8:
        text = f"{stored.dtype.itemsize * 8} bits a channel"
        issues.append(Issue("wrong depth", path, None, text))
        stored = cv2.convertScaleAbs(stored, alpha=1 / 257)  # 65535 -> 255
    if stored.ndim > 2:
        blue, green, red = (cv2.extractChannel(stored, c) for c in range(3))
        apart = max(cv2.norm(blue, green, cv2.NORM_INF), cv2.norm(green, red, cv2.NORM_INF))
        if apart > COLOUR_STEPS:
            text = f"the channels differ by up to {apart:.0f} of 255"
            issues.append(Issue("colour image", path, None, text))
        stored = cv2.cvtColor(stored[..., :3], cv2.COLOR_BGR2GRAY)
    grey = stored.astype(np.uint8, copy=False)
    if grey.min() == grey.max():
        text = f"every pixel is {grey.min()} of 255"
        issues.append(Issue("blank image", path, None, text))
    return grey, issues


def _measure(grey: Grey, bits: Bits, grid: Size) -> dict[int, Extent]:
    present = int(np.bitwise_or.reduce(bits, axis=None))
    extents: dict[int, Extent] = {}
    if not present:
        return extents
    black = on_black(grey)
    for c in range(MOST_CLASSES):
        if present >> c & 1:
            mask: Bits = (bits >> c & 1).astype(np.uint8, copy=False)
            extents[c] = Extent(
                pixels=int(np.count_nonzero(mask)),
                components=cv2.connectedComponents(mask, connectivity=8)[0] - 1,
                black=int(np.count_nonzero(mask[black])),
                cells=_cells(mask, grid),
            )
    return extents


def _cells(mask: Bits, grid: Size) -> npt.NDArray[np.float32]:
    cells = cv2.resize(mask.astype(np.float32), grid[::-1], interpolation=cv2.INTER_AREA)
    return cells.astype(np.float32, copy=False)


def _mask_on_black(subject: LabelledImage, c: int, extent: Extent) -> Issue:
    file, row = subject.place(c)
    text = (
        f"{subject.name}: {extent.black} of the {extent.pixels} pixels of class {c + 1} lie on "
        f"black (grey of at most {BLACK_GREY} all around)"
    )
    return Issue("mask on black", file, row, text)


def _grid(subjects: list[LabelledImage]) -> Size:
    """Rows and columns of square cells over the first image that can be read."""
    for subject in subjects:
        try:
            with Image.open(subject.path) as image:
                rows = min(GRID_ROWS, image.height)
                columns = round(rows * image.width / image.height)
                return rows, min(max(columns, 1), GRID_COLUMNS)
        except (OSError, Image.DecompressionBombError):
            continue
    return 1, 1


def _other_sizes(subjects: list[LabelledImage], sizes: list[Size | None]) -> list[Issue]:
    known = Counter(size for size in sizes if size is not None)
    if len(known) < 2:
        return []
    usual, count = known.most_common(1)[0]
    most = f"{count} of {len(sizes)} images {usual[0]} x {usual[1]}"
    return [
        Issue("wrong size", subject.path, None, f"{size[0]} x {size[1]}, but {most}")
        for subject, size in zip(subjects, sizes, strict=True)
        if size is not None and size != usual
    ]


def _same_bytes(paths: Iterable[Path]) -> list[Issue]:
    """Images whose files are equal; only files of one length are read for it."""
    first: dict[bytes, Path] = {}
    issues = []
    for path in _of_one_length(paths):
        digest = hashlib.sha256(path.read_bytes()).digest()
        if digest in first:
            text = f"the same file as {first[digest]}"
            issues.append(Issue("image twice", path, None, text))
        first.setdefault(digest, path)
    return issues


def _of_one_length(paths: Iterable[Path]) -> list[Path]:
    by_length: dict[int, list[Path]] = defaultdict(list)
    for path in paths:
        by_length[path.stat().st_size].append(path)
    return [path for same in by_length.values() if len(same) > 1 for path in same]
