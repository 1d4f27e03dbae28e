"""Images beside integer-valued PNG masks: NEU-Seg and any other surface."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import Field, PositiveInt, Strict

from steelexp.data.dataset import (
    Bits,
    DataError,
    Dataset,
    decode_image,
    digest,
    draw_subset,
    image_sizes,
    raise_if,
)
from steelexp.data.issue import Issue

FORM = "a mask is a PNG of one channel of 8 bits, 0 for background and k for the k-th class"

ClassNames = Annotated[tuple[str, ...], Strict(False), Field(min_length=1, max_length=8)]


def mask_folder(
    *,
    root: str,
    classes: ClassNames,
    images: str = "images",
    masks: str = "masks",
    subset: PositiveInt | None = None,
    subset_seed: int = 0,
) -> Dataset:
    """Images in one folder, masks of the same names as PNG in another.

    A mask's values are 0 for background and k for the k-th class.

    Args:
        root: the folder that holds both.
        classes: names of the mask values 1, 2, ... in order.
        images: folder of the images below root.
        masks: folder of the masks below root.
        subset: how many images to keep, drawn without replacement; all when absent.
        subset_seed: seed of that draw.

    Returns:
        The images in the order of their names.

    Raises:
        DataError: a folder, a mask or an image is missing, two images have the same mask, or a mask
            holds a value without a class or has another size than its image (all are listed).
    """
    if len(set(classes)) < len(classes):
        raise DataError(f"data.classes: {', '.join(classes)}: a name is given twice")
    pictures, labels = Path(root) / images, Path(root) / masks
    for key, folder in (("images", pictures), ("masks", labels)):
        if not folder.is_dir():
            raise DataError(f"data.{key}: there is no folder {folder}; set data.root or data.{key}")
    found, unpaired = pair(pictures, labels)
    raise_if(list(map(str, unpaired)))
    kept = draw_subset(list(found), subset, subset_seed, str(pictures))
    paths = [found[stem] for stem in kept]
    mask_paths = [labels / f"{stem}.png" for stem in kept]
    sizes = image_sizes(paths)
    return Dataset(
        names=tuple(path.name for path in paths),
        paths=tuple(paths),
        sizes=sizes,
        classes=classes,
        pixels=_labelled_pixels(mask_paths, sizes, len(classes)),
        read_mask=lambda image: bits_of(_read(mask_paths[image])),
        manifest=digest([classes, *_contents(paths, mask_paths)]),
    )


def pair(pictures: Path, labels: Path) -> tuple[dict[str, Path], list[Issue]]:
    """The images by the name they share with their mask, and those that do not have their own."""
    paths = [path for path in sorted(pictures.iterdir()) if may_be_image(path)]
    found = {path.stem: path for path in reversed(paths)}
    alike = {path.stem.casefold(): path.name for path in sorted(labels.iterdir())}
    issues = []
    for path in paths:
        if found[path.stem] != path:
            text = f"{found[path.stem].name} has the same mask; remove one of the two"
            issues.append(Issue("shared mask", path, None, text))
        if not (labels / f"{path.stem}.png").is_file():
            meant = alike.get(path.stem.casefold())
            hint = f"; {meant} is there" if meant else ""
            text = f"no mask {labels / path.stem}.png{hint}"
            issues.append(Issue("missing mask", path, None, text))
    return dict(sorted(found.items())), issues


def may_be_image(path: Path) -> bool:
    """Whether a file among the images is taken for one."""
    return path.is_file() and not path.name.startswith(".") and path.suffix != ".txt"


def _contents(paths: list[Path], mask_paths: list[Path]) -> Iterator[tuple[str, int, bytes]]:
    """Name and bytes of each image, and its mask."""
    for path, mask in zip(paths, mask_paths, strict=True):
        yield path.name, path.stat().st_size, mask.read_bytes()


def _labelled_pixels(
    paths: list[Path], sizes: npt.NDArray[np.int32], classes: int
) -> npt.NDArray[np.int64]:
    """[S, C] pixels of each class, after checking size and values of every mask."""
    pixels, issues = np.zeros((len(paths), classes), np.int64), []
    for i, (path, (height, width)) in enumerate(zip(paths, sizes.tolist(), strict=True)):
        values, wrong = read_mask(path, (height, width), classes, f"data.classes names {classes}")
        issues += wrong
        if values is not None:
            pixels[i] = np.bincount(values.ravel(), minlength=classes + 1)[1:]
    raise_if(list(map(str, issues)))
    return pixels


def read_mask(
    path: Path, size: tuple[int, int] | None, classes: int, named: str
) -> tuple[npt.NDArray[np.uint8] | None, list[Issue]]:
    """Read a mask and check it.

    Args:
        path: of the mask.
        size: height and width of its image; None where they are not known.
        classes: how many there are.
        named: the same in words, for what is said of a value without a class.

    Returns:
        [H, W] values, None unless they are as they should be, and what is wrong.
    """
    try:
        values = decode_image(path, cv2.IMREAD_UNCHANGED)
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
    if values.max() > classes:
        issues.append(Issue("mask value", path, None, f"value {values.max()}, but {named}"))
    return None if issues else values.astype(np.uint8, copy=False), issues


def bits_of(values: npt.NDArray[np.uint8]) -> Bits:
    """Value k -> bit k - 1."""
    table = np.zeros(256, np.uint8)
    table[1:9] = 1 << np.arange(8)
    return table[values]


def _read(path: Path) -> npt.NDArray[np.uint8]:
    values, issues = read_mask(path, None, 8, "there are 8 bits")
    if values is None:
        raise DataError("\n".join(map(str, issues)))
    return values
