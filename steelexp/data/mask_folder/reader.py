"""Data sets of images and of masks in image files, such as NEU-Seg.

root/images/a.jpg
root/masks/a.png             one value for each class
root/masks/scratch/a.png     or one folder for each class, with `class_folders`
"""

import functools
import itertools
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import PositiveInt

from steelexp.checksum import hash_bytes
from steelexp.data.content import file_hashes
from steelexp.data.dataset import Bits, DataError, Dataset, raise_if, sample_subset
from steelexp.data.forms.class_names import ClassNames
from steelexp.data.image_header import image_sizes, read_headers
from steelexp.data.mask_folder.code import MaskCode, mask_code
from steelexp.data.mask_folder.mask_file import class_pixels, mask_facts, mask_issues, read_mask
from steelexp.data.mask_folder.pairs import (
    MaskPairs,
    missing_masks,
    pair_masks,
    say_notes,
    say_unmatched,
)
from steelexp.data.mask_folder.stored_values import IgnoredValues, StoredValues
from steelexp.limits import Seed
from steelexp.progress import say

Layers = dict[Path, Path]
"""Masks of an image: folder of masks -> path."""


def mask_folder(
    *,
    root: str,
    classes: ClassNames | None = None,
    images: str = "images",
    masks: str = "masks",
    suffix: str = "",
    values: dict[str, StoredValues] | None = None,
    background: StoredValues = (0,),
    ignore: IgnoredValues | None = None,
    class_folders: bool = False,
    overlaps: bool = False,
    absent: Literal["refuse", "clean"] = "refuse",
    subset: PositiveInt | None = None,
    subset_seed: Seed = 0,
) -> Dataset:
    """Images in one folder, masks of the same names in another, as PNG, TIFF or BMP.

    A mask's values are 0 for background and k for the k-th class. In a mask with a palette they are
    the numbers of the colours. With one class, a mask of 0 and 255 is that class. Other values and
    colours are named in `values`. Masks of images in subfolders are in the same subfolders.

    Args:
        root: Root folder of the data set.
        classes: Names of the mask values 1, 2, ... in order; the order of the classes if values or
            class_folders name them.
        images: Folder of the images below the root.
        masks: Folder of the masks below the root; it may be the folder of the images, with a
            suffix.
        suffix: End of a mask's name after the image's, such as _mask.
        values: Class name -> its value in the masks. A value is a number, a colour [red, green,
            blue], or a list of these. Palettes are numbers, unless all values are colours.
        background: Value of the background, as in values.
        ignore: Value of pixels that are left out of loss and metrics, as in values; with
            class_folders the name of their folder.
        class_folders: Whether masks has a folder of each class's name, in whose masks every pixel
            but 0 is the class. A class without a mask is not on the image.
        overlaps: Whether values after the last class are pixels of several classes, as `predict`
            writes them; for at most eight classes.
        absent: Meaning of an image without a mask: an error, or an image without a defect.
        subset: Number of images to sample without replacement; all by default.
        subset_seed: Random seed of the subset.

    Returns:
        The images, sorted by name.

    Raises:
        DataError: A folder, a mask or an image is missing, two images share a mask, a mask has a
            value without a class, or a mask has another size than its image. All are listed.
    """
    images_dir = Path(root) / images
    masks_dir = Path(root) / masks
    check_folders(images_dir, masks_dir, suffix)
    code = mask_code(
        masks_dir,
        classes=classes,
        values=values,
        background=background,
        ignore=ignore,
        class_folders=class_folders,
        overlaps=overlaps,
    )
    pairs = pair_masks(images_dir, code.folders, suffix)
    say_notes(pairs)
    raise_if([*map(str, pairs.issues), *_absent_masks(pairs, code, suffix, absent)])
    say_unmatched(pairs.unmatched, masks_dir)
    names = sample_subset(list(pairs.images), subset, subset_seed, str(images_dir))
    paths = [pairs.images[name] for name in names]
    layers = [pairs.masks[name] for name in names]
    headers = read_headers(paths)
    sizes = image_sizes(headers)

    def read(row: int) -> Bits:
        height, width = sizes[row].tolist()
        return _read_layers(layers[row], (height, width), code)

    return Dataset(
        names=tuple(names),
        paths=tuple(paths),
        sizes=sizes,
        classes=code.classes,
        pixels=_labelled_pixels(layers, sizes, code, read),
        read_mask=read,
        image_hashes=file_hashes(paths),
        label_hashes=_label_hashes(layers, code),
        has_ignore=code.has_ignore,
        depth=max((header.bits for header in headers), default=8),
    )


def check_folders(images_dir: Path, masks_dir: Path, suffix: str) -> None:
    """Check the folders of images and masks.

    Raises:
        DataError: One is missing, or images and masks are in one folder without a suffix.
    """
    for key, folder in (("images", images_dir), ("masks", masks_dir)):
        if not folder.is_dir():
            raise DataError(f"data.{key}: there is no folder {folder}; set data.root or data.{key}")
    if images_dir.resolve() == masks_dir.resolve() and not suffix:
        raise DataError("data.masks: the folder of the images; tell masks apart by data.suffix")


def _absent_masks(pairs: MaskPairs, code: MaskCode, suffix: str, absent: str) -> list[str]:
    """Problems of images without a mask; a line counts those that are clean."""
    missing = sum(not masks for masks in pairs.masks.values())
    if absent == "refuse":
        return list(map(str, missing_masks(pairs, code.folders, suffix)))
    if missing and missing == len(pairs.images):
        text = "no image has a mask there; set data.masks or data.suffix"
        return [f"{', '.join(map(str, code.folders))}: {text}"]
    if missing:
        say(f"{missing} of {len(pairs.images)} images have no mask and are clean: data.absent")
    return []


def _read_layers(layers: Layers, size: tuple[int, int], code: MaskCode) -> Bits:
    masks = []
    for folder, path in layers.items():
        bits, issues = read_mask(path, size, code.folders[folder])
        raise_if(list(map(str, issues)))
        if bits is not None:
            masks.append(bits)
    return functools.reduce(np.bitwise_or, masks) if masks else np.zeros(size, np.uint8)


def _labelled_pixels(
    layers: list[Layers], sizes: npt.NDArray[np.int32], code: MaskCode, read: Any
) -> npt.NDArray[np.int64]:
    """Count the pixels of each class, [S, C]; raise if a mask has a wrong size or value."""
    paths = list(itertools.chain.from_iterable(each.values() for each in layers))
    facts = dict(zip(paths, mask_facts(paths, colours=code.colours), strict=True))
    pixels = np.zeros((len(layers), len(code.classes)), np.int64)
    issues = []
    ignored = []
    for row, (masks, (height, width)) in enumerate(zip(layers, sizes.tolist(), strict=True)):
        for folder, path in masks.items():
            each = code.folders[folder]
            issues += mask_issues(path, facts[path], (height, width), each)
            pixels[row] += class_pixels(facts[path], each, len(code.classes))
            if code.ignore_folder == folder and facts[path].pixels.keys() - {0}:
                ignored.append(row)
    raise_if(list(map(str, issues)))
    for row in ignored:
        mask = read(row)
        labels = np.where(mask >> len(code.classes) & 1, 0, mask)
        pixels[row] = [np.count_nonzero(labels >> c & 1) for c in range(len(code.classes))]
    return pixels


def _label_hashes(layers: list[Layers], code: MaskCode) -> tuple[str, ...]:
    """Hash of the masks of each image and of how their values are read; "" without masks."""
    paths = list(itertools.chain.from_iterable(each.values() for each in layers))
    hashes = dict(zip(paths, file_hashes(paths), strict=True))
    return tuple(
        _label_hash({folder.name: hashes[path] for folder, path in masks.items()}, code)
        for masks in layers
    )


def _label_hash(hashes: dict[str, str], code: MaskCode) -> str:
    if not hashes:
        return ""
    if code.class_folders:
        return hash_bytes(" ".join(f"{name} {hashes[name]}" for name in sorted(hashes)).encode())
    (content,) = hashes.values()
    return hash_bytes(f"{content} {code.name}".encode()) if code.name else content
