"""Issues and statistics of images and labels, in one pass over a data set."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.data.data_error import DataError
from steelexp.data.dataset import MOST_CLASSES
from steelexp.data.doctor.extents import Extent, measure
from steelexp.data.doctor.image_checks import check_image
from steelexp.data.doctor.mask_checks import mask_issues
from steelexp.data.doctor.set_checks import base_issues, duplicate_files, size_issues
from steelexp.data.ignored import counted_bits
from steelexp.data.image_header import read_header
from steelexp.data.issue import Issue
from steelexp.data.survey import LabelledImage, Size, Survey

# Largest grid of a heatmap; its cells are 16 x 16 pixels on an image of 256 x 1600.
GRID_ROWS = 16
GRID_COLUMNS = 128


class ExaminedImage(NamedTuple):
    """The result for one image.

    Attributes:
        size: Height and width; None if the image cannot be read.
        brightest: Brightest value of an image of more than 8 bits; 0 for others.
        extents: Labelled area by class number; None if image or labels cannot be read.
        issues: Issues of the image and its labels.
    """

    size: Size | None
    brightest: int
    extents: dict[int, Extent] | None
    issues: list[Issue]


@dataclass(frozen=True)
class Statistics:
    """Statistics of the images and labels of a data set.

    Attributes:
        sizes: [S] height and width; None if the image cannot be read.
        readable: [S] whether image and labels can be read; the counts of the others are 0.
        brightest: Brightest value of the images of more than 8 bits; 0 without any.
        pixels: [S, C] number of labelled pixels.
        components: [S, C] number of connected components (8 neighbours).
        pixels_on_black: [S, C] number of labelled pixels on black.
        heatmap: [C, gh, gw] sum over the images of the labelled share of each grid cell.
        issues: Issues of images and labels.
    """

    sizes: list[Size | None]
    readable: npt.NDArray[np.bool_]
    brightest: int
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
    files: Survey, *, white: int | None, report: Callable[[int], None]
) -> Statistics:
    """Examine every image, on all cores; only the statistics stay in memory.

    Args:
        files: Survey of the data set.
        white: White level of images of more than 8 bits; None if it is not set.
        report: Progress callback, called with the number of examined images.
    """
    images = files.images
    grid = _grid(images)
    shape = (len(images), MOST_CLASSES)
    pixels, components, on_black = (np.zeros(shape, np.int64) for _ in range(3))
    heatmap = np.zeros((MOST_CLASSES, *grid), np.float64)
    readable = np.zeros(len(images), bool)
    brightest = 0
    sizes: list[Size | None] = []
    issues: list[Issue] = []
    crossings = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        look = partial(examine, files=files, grid=grid, white=white)
        for i, result in enumerate(pool.map(look, images)):
            sizes.append(result.size)
            issues += result.issues
            readable[i] = result.extents is not None
            brightest = max(brightest, result.brightest)
            for c, extent in (result.extents or {}).items():
                pixels[i, c], components[i, c], on_black[i, c] = extent[:3]
                heatmap[c] += extent.cells
                crossings.append((images[i], c, extent.crossings))
            report(i + 1)
    issues += size_issues(images, sizes) if files.one_size else []
    issues += base_issues(crossings) if files.has_runs else []
    pairs = zip(images, sizes, strict=True)
    issues += duplicate_files([image.path for image, size in pairs if size is not None])
    return Statistics(sizes, readable, brightest, pixels, components, on_black, heatmap, issues)


def examine(image: LabelledImage, *, files: Survey, grid: Size, white: int | None) -> ExaminedImage:
    """Read and check one image and its labels.

    Args:
        image: Image.
        files: Survey of the data set.
        grid: Rows and columns of the heatmap.
        white: White level of images of more than 8 bits; None if it is not set.
    """
    try:
        grey, brightest, issues = check_image(image.path, white)
    except DataError as error:
        text = str(error).removeprefix(f"{image.path}: ")
        unreadable = Issue("unreadable image", image.path, None, text)
        return ExaminedImage(None, 0, None, [unreadable, *image.read_labels(None)[1]])
    size = (grey.shape[0], grey.shape[1])
    bits, label_issues = image.read_labels(size)
    issues = [*issues, *label_issues]
    if bits is None:
        return ExaminedImage(size, brightest, None, issues)
    if files.classes is not None:
        bits = counted_bits(bits, len(files.classes))
    extents = measure(grey, bits, grid)
    issues += mask_issues(image, bits, extents, files)
    return ExaminedImage(size, brightest, extents, issues)


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
