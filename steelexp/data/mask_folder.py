"""Data sets of images and PNG masks of class numbers, such as NEU-Seg."""

from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field, PositiveInt, Strict

from steelexp.data.class_sets import MOST_CLASSES_IN_A_BYTE, from_values
from steelexp.data.content import file_hashes, hash_bytes
from steelexp.data.data_error import DataError, raise_if
from steelexp.data.dataset import MOST_CLASSES, Bits, Dataset, sample_subset
from steelexp.data.decoding import read_stored
from steelexp.data.image_files import SUFFIXES, list_images, say_passed_over, similar_name
from steelexp.data.image_header import image_sizes, read_headers
from steelexp.data.issue import Issue

FORM = "a mask is a PNG of one channel of 8 bits, 0 for background and k for the k-th class"

WHITE = 255
"""Value of the class in masks of one class, as most tools write them."""

ClassNames = Annotated[tuple[str, ...], Strict(False), Field(min_length=1, max_length=MOST_CLASSES)]


def mask_folder(
    *,
    root: str,
    classes: ClassNames,
    images: str = "images",
    masks: str = "masks",
    suffix: str = "",
    overlaps: bool = False,
    subset: PositiveInt | None = None,
    subset_seed: int = 0,
) -> Dataset:
    """Images in one folder, masks of the same names as PNG in another.

    A mask's values are 0 for background and k for the k-th class. In a PNG with a palette they are
    the numbers of the colours. With one class, a mask of 0 and 255 is that class.

    Args:
        root: Root folder of the data set.
        classes: Names of the mask values 1, 2, ... in order.
        images: Folder of the images below the root.
        masks: Folder of the masks below the root; it may be the folder of the images, with a
            suffix.
        suffix: End of a mask's name after the image's, such as _mask.
        overlaps: Whether values after the last class are pixels of several classes, as `predict`
            writes them; for at most eight classes.
        subset: Number of images to sample without replacement; all by default.
        subset_seed: Random seed of the subset.

    Returns:
        The images, sorted by name.

    Raises:
        DataError: A folder, a mask or an image is missing, two images share a mask, a mask has a
            value without a class, or a mask has another size than its image. All are listed.
    """
    if len(set(classes)) < len(classes):
        raise DataError(f"data.classes: {', '.join(classes)}: a name occurs twice")
    if overlaps and len(classes) > MOST_CLASSES_IN_A_BYTE:
        raise DataError(
            f"data.overlaps: a mask of 8 bits holds the sets of up to {MOST_CLASSES_IN_A_BYTE} "
            f"classes, and data.classes names {len(classes)}"
        )
    images_dir = Path(root) / images
    masks_dir = Path(root) / masks
    for key, folder in (("images", images_dir), ("masks", masks_dir)):
        if not folder.is_dir():
            raise DataError(f"data.{key}: there is no folder {folder}; set data.root or data.{key}")
    images_by_stem, issues = pair_images(images_dir, masks_dir, suffix)
    raise_if(list(map(str, issues)))
    stems = sample_subset(list(images_by_stem), subset, subset_seed, str(images_dir))
    paths = [images_by_stem[stem] for stem in stems]
    mask_paths = [masks_dir / f"{stem}{suffix}.png" for stem in stems]
    headers = read_headers(paths)
    sizes = image_sizes(headers)
    return Dataset(
        names=tuple(path.name for path in paths),
        paths=tuple(paths),
        sizes=sizes,
        classes=classes,
        pixels=_labelled_pixels(mask_paths, sizes, len(classes), overlaps),
        read_mask=lambda row: _bits_of(
            _read(mask_paths[row], len(classes), overlaps), len(classes), overlaps
        ),
        image_hashes=file_hashes(paths),
        label_hashes=_label_hashes(mask_paths, overlaps),
        depth=max((header.bits for header in headers), default=8),
    )


def pair_images(
    images_dir: Path, masks_dir: Path, suffix: str = ""
) -> tuple[dict[str, Path], list[Issue]]:
    """Find the mask of each image.

    Args:
        images_dir: Folder of the images.
        masks_dir: Folder of the masks; in the folder of the images, names with the suffix are
            masks.
        suffix: End of a mask's name after the image's.

    Returns:
        Images by the stem that they share with their mask, and missing and shared masks.
    """
    listing = list_images(images_dir)
    say_passed_over(listing, images_dir)
    paths = list(listing.paths.values())
    if suffix and masks_dir.resolve() == images_dir.resolve():
        paths = [path for path in paths if not path.stem.endswith(suffix)]
    images_by_stem = {path.stem: path for path in reversed(paths)}
    mask_names = [path.name for path in sorted(masks_dir.iterdir())]
    issues = [
        Issue("unread file", Path(path), None, text) for path, text in listing.problems.items()
    ]
    for path in paths:
        if images_by_stem[path.stem] != path:
            text = f"{images_by_stem[path.stem].name} has the same mask; remove one of the two"
            issues.append(Issue("shared mask", path, None, text))
        mask = masks_dir / f"{path.stem}{suffix}.png"
        if not mask.is_file():
            hint = _longer_name(path.stem, mask_names) or similar_name(mask.name, mask_names)
            text = f"no mask {mask}{hint}"
            issues.append(Issue("missing mask", path, None, text))
    return dict(sorted(images_by_stem.items())), issues


def _longer_name(stem: str, mask_names: list[str]) -> str:
    """Hint at a mask whose name has a suffix after the image's; "" if there is none."""
    for name in mask_names:
        rest = name.removeprefix(stem).removesuffix(".png")
        if rest and not rest[0].isalnum() and f"{stem}{rest}.png" == name:
            return f"; {name} is there: set data.suffix={rest}"
    return ""


def is_image_file(path: Path) -> bool:
    """Whether a file in the folder of images is read as an image."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _label_hashes(mask_paths: list[Path], overlaps: bool) -> tuple[str, ...]:
    """Hash of each mask and of how its values are read."""
    hashes = file_hashes(mask_paths)
    return tuple(hash_bytes(f"{each} overlaps".encode()) for each in hashes) if overlaps else hashes


def _labelled_pixels(
    paths: list[Path], sizes: npt.NDArray[np.int32], classes: int, overlaps: bool
) -> npt.NDArray[np.int64]:
    """Count the pixels of each class, [S, C]; raise if a mask has a wrong size or value."""
    pixels = np.zeros((len(paths), classes), np.int64)
    largest = (1 << classes) - 1 if overlaps else classes
    issues = []
    for i, (path, (height, width)) in enumerate(zip(paths, sizes.tolist(), strict=True)):
        values, mask_issues = read_mask(
            path, (height, width), largest, f"data.classes names {classes}"
        )
        issues += mask_issues
        if values is not None:
            counts = np.bincount(values.ravel(), minlength=largest + 1)
            pixels[i] = counts[1:] if not overlaps else _count_members(counts, classes)
    raise_if(list(map(str, issues)))
    return pixels


def _count_members(counts: npt.NDArray[np.int64], classes: int) -> list[int]:
    """Pixels of each class, [C], from the pixels of each value."""
    bits = from_values(np.arange(len(counts), dtype=np.uint8), classes)
    return [int(counts[bits >> c & 1 == 1].sum()) for c in range(classes)]


def _bits_of(values: npt.NDArray[np.uint8], classes: int, overlaps: bool) -> Bits:
    return from_values(values, classes) if overlaps else to_bits(values)


def read_mask(
    path: Path, size: tuple[int, int] | None, largest: int, reason: str
) -> tuple[npt.NDArray[np.uint8] | None, list[Issue]]:
    """Read a mask and check it.

    Args:
        path: Path of the mask.
        size: Height and width of its image; None if unknown.
        largest: Largest value that has a class.
        reason: Origin of that number, for the message about a value without a class.

    Returns:
        Values of the mask, [H, W], None if there are issues; and the issues.
    """
    try:
        values = read_stored(path)
    except DataError as error:
        text = str(error).removeprefix(f"{path}: ")
        return None, [Issue("unreadable mask", path, None, text)]
    if values.ndim != 2 or values.dtype != np.uint8:
        channels = values.shape[2] if values.ndim > 2 else 1
        text = f"{channels} channels of {values.dtype}; {FORM}"
        return None, [Issue("mask channels", path, None, text)]
    issues = []
    if size is not None and values.shape != size:
        text = f"{values.shape[0]} x {values.shape[1]}, its image {size[0]} x {size[1]}"
        issues.append(Issue("mask size", path, None, text))
    if largest == 1 and values.max() == WHITE and np.isin(values, (0, WHITE)).all():
        values = values // WHITE
    if values.max() > largest:
        hint = "; if 255 is the only class, name that one alone" if values.max() == WHITE else ""
        text = f"value {values.max()}, but {reason}{hint}"
        issues.append(Issue("mask value", path, None, text))
    return None if issues else values.astype(np.uint8, copy=False), issues


def to_bits(values: npt.NDArray[np.uint8]) -> Bits:
    """Convert class numbers to bits: value k becomes bit k - 1, 0 stays 0."""
    table = np.zeros(256, np.uint8)
    table[1 : MOST_CLASSES + 1] = 1 << np.arange(MOST_CLASSES)
    return table[values]


def _read(path: Path, classes: int, overlaps: bool) -> npt.NDArray[np.uint8]:
    largest = (1 << classes) - 1 if overlaps else classes
    values, issues = read_mask(path, None, largest, f"data.classes names {classes}")
    if values is None:
        raise DataError("\n".join(map(str, issues)))
    return values
