"""From the label files of a form to a data set, and to the doctor's survey.

Each form has one reading function, which turns its files into a `Reading`: images, their areas by
class, and issues instead of errors. `load` raises these issues together, `survey` hands them to the
doctor.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from steelexp.checksum import hash_bytes
from steelexp.data.bits import MOST_CLASSES, Bits, Word, word_of
from steelexp.data.content import file_hashes
from steelexp.data.dataset import (
    DataError,
    Dataset,
    raise_if,
    sample_subset,
)
from steelexp.data.forms.class_names import join_names
from steelexp.data.forms.shapes import Patch, ShapeError, Size
from steelexp.data.image_files import similar_name
from steelexp.data.image_header import image_sizes, read_headers
from steelexp.data.issue import Issue
from steelexp.data.survey import LabelledImage, LabelReading, Survey


class Area(NamedTuple):
    """An area of one class on an image.

    Attributes:
        bit: Bit of the mask: the class's number, or the number of classes for ignored pixels.
        key: Place in the label file, for messages.
        row: Line of the label file, from 1; None if the file is no table.
        draw: Function size of the image -> its pixels; it raises ShapeError.
    """

    bit: int
    key: str
    row: int | None
    draw: Callable[[Size], Patch]


@dataclass(frozen=True)
class AreaImage:
    """An image and the areas on it.

    Attributes:
        name: Name of the image.
        path: Path of its file.
        file: File of its labels.
        areas: Areas in the order of the file.
        size: Height and width that the label file states; None if it states none.
    """

    name: str
    path: Path
    file: Path
    areas: list[Area] = field(default_factory=list)
    size: Size | None = None


@dataclass(frozen=True)
class Reading:
    """The labels of a data set as its files state them.

    Attributes:
        form: Name of the data source.
        place: File or folder of the labels, for messages.
        classes: Class names.
        has_ignore: Whether a further bit marks ignored pixels.
        images: Images, sorted by name.
        issues: Issues of files and entries.
    """

    form: str
    place: Path
    classes: tuple[str, ...]
    has_ignore: bool
    images: list[AreaImage]
    issues: list[Issue]

    @property
    def word(self) -> Word:
        """Type of the pixels of a mask."""
        return word_of(len(self.classes) + self.has_ignore)


def missing_image(
    file: Path, row: int | None, key: str, name: str, images: tuple[Path, Mapping[str, Path]]
) -> Issue:
    """The issue of labels whose image is not there, with an image of similar name.

    Args:
        file: File of the labels.
        row: Line of the file; None if it is no table.
        key: Place in the file; "" if the line says enough.
        name: Name of the missing image.
        images: Folder of the images, and its files by name.
    """
    folder, files = images
    place = f"{key}: " if key else ""
    text = f"{place}{name} is not in {folder}{similar_name(name, files)}"
    return Issue("missing image", file, row, text)


def shared_labels(paths: Mapping[str, Path], what: str) -> tuple[dict[str, str], list[Issue]]:
    """Names by their path without suffix, under which a form keeps their labels.

    Args:
        paths: Paths of images by name.
        what: File of the labels, such as "JSON file".

    Returns:
        First name of each stem; and an issue for every other one.
    """
    by_stem: dict[str, str] = {}
    issues = []
    for name, path in paths.items():
        if (other := by_stem.setdefault(stem_of(name), name)) != name:
            text = f"{other} has the same {what}; rename one of the two"
            issues.append(Issue("shared labels", path, None, text))
    return by_stem, issues


def stem_of(name: str) -> str:
    """A name without its suffix, with the folders."""
    return PurePosixPath(name).with_suffix("").as_posix()


def images_folder(root: str, images: str | None) -> Path:
    """The folder of the images: as named, else images/ below the root, else the root.

    Raises:
        DataError: There is no such folder.
    """
    top = Path(root)
    if not top.is_dir():
        raise DataError(f"data.root: there is no folder {top}; set data.root")
    folder = top / (images if images is not None else "images")
    if images is None and not folder.is_dir():
        return top
    if not folder.is_dir():
        raise DataError(f"data.images: there is no folder {folder}; set data.images")
    return folder


def draw_areas(image: AreaImage, size: Size, word: Word) -> tuple[Bits, list[Issue]]:
    """Draw the areas of an image.

    Args:
        image: Image.
        size: Height and width of its file.
        word: Type of the mask's pixels.

    Returns:
        Mask, [H, W]; and the issues of areas that cannot be drawn.
    """
    bits: Bits = np.zeros(size, word)
    if image.size is not None and image.size != size:
        text = (
            f"{image.name}: the labels are for {image.size[0]} x {image.size[1]} pixels, the image "
            f"has {size[0]} x {size[1]} (height x width)"
        )
        return bits, [Issue("label size", image.file, None, text)]
    issues = []
    for area in image.areas:
        try:
            patch = area.draw(size)
        except ShapeError as error:
            text = f"{image.name}: {area.key}: {error}"
            issues.append(Issue("invalid shape", image.file, area.row, text))
            continue
        bits[patch.rows, patch.columns] |= np.where(patch.part, word(1 << area.bit), word(0))
    return bits, issues


def load(reading: Reading, *, subset: int | None, subset_seed: int) -> Dataset:
    """The data set of a reading.

    Args:
        reading: Images and their areas.
        subset: Number of images to sample without replacement; None for all.
        subset_seed: Random seed of the subset.

    Raises:
        DataError: There are issues; all are listed.
    """
    _check_class_count(reading)
    raise_if([str(issue) for issue in reading.issues])
    by_name = {image.name: image for image in reading.images}
    names = sample_subset(list(by_name), subset, subset_seed, str(reading.place))
    images = [by_name[name] for name in names]
    headers = read_headers([image.path for image in images])
    sizes = image_sizes(headers)
    pixels = np.zeros((len(images), len(reading.classes)), np.int64)
    label_hashes = []
    issues = []
    for row, (image, (height, width)) in enumerate(zip(images, sizes.tolist(), strict=True)):
        bits, image_issues = draw_areas(image, (height, width), reading.word)
        issues += image_issues
        if image.areas:
            pixels[row] = _class_pixels(bits, len(reading.classes))
        label_hashes.append(hash_bytes(bits.data) if bits.any() else "")
    raise_if([str(issue) for issue in issues])

    def read_mask(row: int) -> Bits:
        height, width = sizes[row].tolist()
        return draw_areas(images[row], (height, width), reading.word)[0]

    paths = tuple(image.path for image in images)
    return Dataset(
        names=tuple(names),
        paths=paths,
        sizes=sizes,
        classes=reading.classes,
        pixels=pixels,
        read_mask=read_mask,
        image_hashes=file_hashes(paths),
        depth=max((header.bits for header in headers), default=8),
        label_hashes=tuple(label_hashes),
        has_ignore=reading.has_ignore,
    )


def survey(read: Callable[..., Reading], root: str, **settings: Any) -> Survey:
    """The doctor's survey of a label form.

    Args:
        read: Reading function of the form.
        root: Root folder of the data set.
        settings: Settings of the form, as keyword arguments of the reading function.

    Raises:
        DataError: There are more classes than a mask can hold, or the reading function raises it.
    """
    reading = read(root, **settings)
    _check_class_count(reading)
    images = [_surveyed_image(image, reading.word) for image in reading.images]
    return Survey(
        reading.form,
        reading.classes,
        images,
        reading.issues,
        one_size=False,
        has_runs=reading.form == "csv",
    )


def _surveyed_image(image: AreaImage, word: Word) -> LabelledImage:
    def read_labels(size: Size | None) -> LabelReading:
        return (None, []) if size is None else draw_areas(image, size, word)

    def locate(class_number: int) -> tuple[Path, int | None]:
        rows = (area.row for area in image.areas if area.bit == class_number)
        return image.file, next(rows, None)

    return LabelledImage(image.name, image.path, "", read_labels, locate)


def _class_pixels(bits: Bits, classes: int) -> list[int]:
    """Pixels of each class, ignored pixels left out."""
    if bits.max() >= 1 << classes:
        bits = np.where(bits < 1 << classes, bits, 0).astype(bits.dtype)
    return [int(np.count_nonzero(bits & (1 << c))) for c in range(classes)]


def _check_class_count(reading: Reading) -> None:
    count = len(reading.classes) + reading.has_ignore
    if count > MOST_CLASSES:
        raise DataError(
            f"{reading.place}: {count} classes ({join_names(reading.classes)}), and at most "
            f"{MOST_CLASSES} are supported; merge some"
        )
