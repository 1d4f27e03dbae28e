"""Issues and statistics of images and labels, in one pass over a data set."""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from steelexp.data.data_error import DataError
from steelexp.data.dataset import MOST_CLASSES, Bits
from steelexp.data.decoding import read_stored
from steelexp.data.doctor.rims import Rims, find_rims
from steelexp.data.image_header import read_header
from steelexp.data.issue import Issue
from steelexp.data.survey import LabelledImage, Size

Grey = npt.NDArray[np.uint8]

# Largest difference between the channels of a grey image, by a JPEG's rounding. The images of
# Severstal and NEU-Seg have none.
COLOUR_STEPS = 8

# A pixel is on black if at least BLACK_SHARE of the square around it has a grey of at most
# BLACK_GREY. A class has the issue "mask on black" if over BLACK_MASK of its pixels are on black.
# That share is 0 on 25 images of Severstal, and up to 0.26 on NEU-Seg, whose patches are dark.
BLACK_GREY = 10
BLACK_SQUARE = 31
BLACK_SHARE = 0.9
BLACK_MASK = 0.5

# Largest grid of a heatmap; its cells are 16 x 16 pixels on an image of 256 x 1600.
GRID_ROWS = 16
GRID_COLUMNS = 128


class Extent(NamedTuple):
    """The labelled area of one class on one image.

    Attributes:
        pixels: Number of labelled pixels.
        components: Number of connected components (8 neighbours).
        pixels_on_black: Number of labelled pixels on black.
        cells: [gh, gw] labelled share of each grid cell.
    """

    pixels: int
    components: int
    pixels_on_black: int
    cells: npt.NDArray[np.float32]


class ExaminedImage(NamedTuple):
    """The result for one image.

    Attributes:
        size: Height and width; None if the image cannot be read.
        extents: Labelled area by class number; None if image or labels cannot be read.
        issues: Issues of the image and its labels.
    """

    size: Size | None
    extents: dict[int, Extent] | None
    issues: list[Issue]


@dataclass(frozen=True)
class Statistics:
    """Statistics of the images and labels of a data set.

    Attributes:
        sizes: [S] height and width; None if the image cannot be read.
        readable: [S] whether image and labels can be read; the counts of the others are 0.
        pixels: [S, C] number of labelled pixels.
        components: [S, C] number of connected components (8 neighbours).
        pixels_on_black: [S, C] number of labelled pixels on black.
        heatmap: [C, gh, gw] sum over the images of the labelled share of each grid cell.
        issues: Issues of images and labels.
    """

    sizes: list[Size | None]
    readable: npt.NDArray[np.bool_]
    pixels: npt.NDArray[np.int64]
    components: npt.NDArray[np.int64]
    pixels_on_black: npt.NDArray[np.int64]
    heatmap: npt.NDArray[np.float64]
    issues: list[Issue]

    @property
    def co_occurrence(self) -> npt.NDArray[np.int64]:
        """[C, C] number of images with both classes; the diagonal counts images with one class."""
        holds = (self.pixels > 0).astype(np.int64)
        return holds.T @ holds


def collect_statistics(
    images: list[LabelledImage],
    *,
    class_count: int,
    one_size: bool,
    report: Callable[[int], None],
) -> Statistics:
    """Examine every image, on all cores; only the statistics stay in memory.

    Args:
        images: Images of the data set.
        class_count: Number of classes; later bits of a mask are ignored pixels.
        one_size: Whether a size other than the most frequent one is an issue.
        report: Progress callback, called with the number of examined images.
    """
    grid = _grid(images)
    shape = (len(images), MOST_CLASSES)
    pixels, components, on_black = (np.zeros(shape, np.int64) for _ in range(3))
    heatmap = np.zeros((MOST_CLASSES, *grid), np.float64)
    readable = np.zeros(len(images), bool)
    sizes: list[Size | None] = []
    issues: list[Issue] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        look = partial(examine, grid=grid, class_count=class_count)
        for i, result in enumerate(pool.map(look, images)):
            sizes.append(result.size)
            issues += result.issues
            readable[i] = result.extents is not None
            for c, extent in (result.extents or {}).items():
                pixels[i, c], components[i, c], on_black[i, c] = extent[:3]
                heatmap[c] += extent.cells
            report(i + 1)
    issues += _size_issues(images, sizes) if one_size else []
    pairs = zip(images, sizes, strict=True)
    issues += _duplicate_files([image.path for image, size in pairs if size is not None])
    return Statistics(sizes, readable, pixels, components, on_black, heatmap, issues)


def examine(image: LabelledImage, *, grid: Size, class_count: int) -> ExaminedImage:
    """Read and check one image and its labels.

    Args:
        image: Image.
        grid: Rows and columns of the heatmap.
        class_count: Number of classes.
    """
    try:
        orientation = read_header(image.path).orientation
        stored = read_stored(image.path)
    except DataError as error:
        text = str(error).removeprefix(f"{image.path}: ")
        unreadable = Issue("unreadable image", image.path, None, text)
        return ExaminedImage(None, None, [unreadable, *image.read_labels(None)[1]])
    grey, issues = _to_grey(image.path, stored)
    if orientation != 1:
        text = f"its metadata turns it (orientation {orientation} of EXIF), which is applied"
        issues.append(Issue("turned image", image.path, None, text))
    size = (grey.shape[0], grey.shape[1])
    bits, label_issues = image.read_labels(size)
    extents = None if bits is None else _measure(grey, bits, grid)
    if bits is not None and extents is not None:
        label_issues = [*label_issues, *_mask_issues(image, bits, extents, class_count)]
    return ExaminedImage(size, extents, [*issues, *label_issues])


def black_area(grey: Grey) -> npt.NDArray[np.bool_]:
    """Mask of the area without steel, [H, W]: nearly all pixels around are about 0.

    Args:
        grey: [H, W] image.
    """
    dark = cv2.threshold(grey, BLACK_GREY, 255, cv2.THRESH_BINARY_INV)[1]
    return cv2.blur(dark, (BLACK_SQUARE, BLACK_SQUARE)) >= round(255 * BLACK_SHARE)


def _to_grey(path: Path, stored: npt.NDArray[Any]) -> tuple[Grey, list[Issue]]:
    """Convert a stored image to grey, and list the issues of its format."""
    issues = []
    if stored.dtype != np.uint8:
        text = f"{stored.dtype.itemsize * 8} bits a channel"
        issues.append(Issue("wrong depth", path, None, text))
        stored = cv2.convertScaleAbs(stored, alpha=1 / 257)  # 65535 -> 255
    if stored.ndim > 2:
        red, green, blue = (cv2.extractChannel(stored, c) for c in range(3))
        difference = max(cv2.norm(blue, green, cv2.NORM_INF), cv2.norm(green, red, cv2.NORM_INF))
        if difference > COLOUR_STEPS:
            text = f"the channels differ by up to {difference:.0f} of 255"
            issues.append(Issue("colour image", path, None, text))
        stored = cv2.cvtColor(stored[..., :3], cv2.COLOR_RGB2GRAY)
    grey = stored.astype(np.uint8, copy=False)
    if grey.min() == grey.max():
        text = f"every pixel is {grey.min()} of 255"
        issues.append(Issue("blank image", path, None, text))
    return grey, issues


def _measure(grey: Grey, bits: Bits, grid: Size) -> dict[int, Extent]:
    """The labelled area of each class of an image."""
    present = int(np.bitwise_or.reduce(bits, axis=None))
    extents: dict[int, Extent] = {}
    if not present:
        return extents
    black = black_area(grey)
    for c in range(MOST_CLASSES):
        if present >> c & 1:
            mask: Bits = (bits >> c & 1).astype(np.uint8, copy=False)
            extents[c] = Extent(
                pixels=int(np.count_nonzero(mask)),
                components=cv2.connectedComponents(mask, connectivity=8)[0] - 1,
                pixels_on_black=int(np.count_nonzero(mask[black])),
                cells=_cells(mask, grid),
            )
    return extents


def _cells(mask: Bits, grid: Size) -> npt.NDArray[np.float32]:
    cells = cv2.resize(mask.astype(np.float32), grid[::-1], interpolation=cv2.INTER_AREA)
    return cells.astype(np.float32, copy=False)


def _mask_issues(
    image: LabelledImage, bits: Bits, extents: dict[int, Extent], class_count: int
) -> Iterator[Issue]:
    """What looks wrong with a mask that can be read."""
    for c, extent in extents.items():
        if extent.pixels_on_black > BLACK_MASK * extent.pixels:
            yield _mask_on_black(image, c, extent)
    classes = [c for c in extents if c < class_count]
    if len(classes) > 1:
        values = np.zeros(bits.shape, np.uint8)
        for c in classes:
            values[(bits >> c & 1).astype(bool)] = c + 1
        rims = find_rims(values)
        if rims.look_interpolated:
            yield _interpolated_mask(image, rims)


def _interpolated_mask(image: LabelledImage, rims: Rims) -> Issue:
    file, row = image.locate(rims.values[-1] - 1)
    text = (
        f"{image.name}: {rims.pixels} pixels of class {', '.join(map(str, rims.values))} are thin "
        "rims between a lower and a higher class, as scaling with interpolation makes them"
    )
    return Issue("interpolated mask", file, row, text)


def _mask_on_black(image: LabelledImage, c: int, extent: Extent) -> Issue:
    file, row = image.locate(c)
    text = (
        f"{image.name}: {extent.pixels_on_black} of the {extent.pixels} pixels of class {c + 1} "
        f"lie on black (grey of at most {BLACK_GREY} all around)"
    )
    return Issue("mask on black", file, row, text)


def _grid(images: list[LabelledImage]) -> Size:
    """Rows and columns of a grid of square cells on the first readable image."""
    for image in images:
        try:
            header = read_header(image.path)
        except DataError:
            continue
        rows = min(GRID_ROWS, header.height)
        columns = round(rows * header.width / header.height)
        return rows, min(max(columns, 1), GRID_COLUMNS)
    return 1, 1


def _size_issues(images: list[LabelledImage], sizes: list[Size | None]) -> list[Issue]:
    counts = Counter(size for size in sizes if size is not None)
    if len(counts) < 2:
        return []
    usual, count = counts.most_common(1)[0]
    most = f"{count} of {len(sizes)} images {usual[0]} x {usual[1]}"
    return [
        Issue("wrong size", image.path, None, f"{size[0]} x {size[1]}, but {most}")
        for image, size in zip(images, sizes, strict=True)
        if size is not None and size != usual
    ]


def _duplicate_files(paths: Iterable[Path]) -> list[Issue]:
    """Images with equal files; only files of equal length are read and compared."""
    first: dict[bytes, Path] = {}
    issues = []
    for path in _of_equal_length(paths):
        digest = hashlib.sha256(path.read_bytes()).digest()
        if digest in first:
            text = f"the same file as {first[digest]}"
            issues.append(Issue("duplicate image", path, None, text))
        first.setdefault(digest, path)
    return issues


def _of_equal_length(paths: Iterable[Path]) -> list[Path]:
    by_length: dict[int, list[Path]] = defaultdict(list)
    for path in paths:
        by_length[path.stat().st_size].append(path)
    return [path for same in by_length.values() if len(same) > 1 for path in same]
