"""Images beside integer-valued PNG masks: NEU-Seg and any other surface."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import Field, PositiveInt, Strict

from steelexp.data.strips import (
    Bits,
    DataError,
    Strips,
    decode_image,
    digest,
    draw_subset,
    image_sizes,
    refuse,
)

ClassNames = Annotated[tuple[str, ...], Strict(False), Field(min_length=1, max_length=8)]


def mask_folder(
    *,
    root: str,
    classes: ClassNames,
    images: str = "images",
    masks: str = "masks",
    subset: PositiveInt | None = None,
    subset_seed: int = 0,
) -> Strips:
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
    found = _pair(pictures, labels)
    kept = draw_subset(list(found), subset, subset_seed, str(pictures))
    paths = [found[stem] for stem in kept]
    mask_paths = [labels / f"{stem}.png" for stem in kept]
    sizes = image_sizes(paths)
    return Strips(
        names=tuple(path.name for path in paths),
        paths=tuple(paths),
        sizes=sizes,
        classes=classes,
        pixels=_labelled_pixels(mask_paths, sizes, len(classes)),
        read_mask=lambda strip: _bits(_read(mask_paths[strip])),
        manifest=digest([classes, *_contents(paths, mask_paths)]),
    )


def _pair(pictures: Path, labels: Path) -> dict[str, Path]:
    """The images by the name they share with their mask, after checking that each has its own."""
    paths = [path for path in sorted(pictures.iterdir()) if _may_be_image(path)]
    found = {path.stem: path for path in reversed(paths)}
    refuse(
        [
            f"{path}: {found[path.stem].name} has the same mask; remove one of the two"
            for path in paths
            if found[path.stem] != path
        ]
        + [
            f"{path}: no mask {labels / path.stem}.png"
            for path in paths
            if not (labels / f"{path.stem}.png").is_file()
        ]
    )
    return dict(sorted(found.items()))


def _may_be_image(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".") and path.suffix != ".txt"


def _contents(paths: list[Path], mask_paths: list[Path]) -> Iterator[tuple[str, int, bytes]]:
    """Name and bytes of each image, and its mask."""
    for path, mask in zip(paths, mask_paths, strict=True):
        yield path.name, path.stat().st_size, mask.read_bytes()


def _labelled_pixels(
    paths: list[Path], sizes: npt.NDArray[np.int32], classes: int
) -> npt.NDArray[np.int64]:
    """[S, C] pixels of each class, after checking size and values of every mask."""
    pixels, problems = np.zeros((len(paths), classes), np.int64), []
    for i, path in enumerate(paths):
        try:
            values = _read(path)
        except DataError as error:
            problems.append(str(error))
            continue
        counts = np.bincount(values.ravel(), minlength=classes + 1)
        if values.shape != tuple(sizes[i]):
            height, width = sizes[i]
            problems.append(
                f"{path}: {values.shape[0]} x {values.shape[1]}, its image {height} x {width}"
            )
        elif len(counts) > classes + 1:
            problems.append(f"{path}: value {len(counts) - 1}, but data.classes names {classes}")
        else:
            pixels[i] = counts[1:]
    refuse(problems)
    return pixels


def _read(path: Path) -> npt.NDArray[np.uint8]:
    values = decode_image(path, cv2.IMREAD_UNCHANGED)
    if values.ndim != 2 or values.dtype != np.uint8:
        raise DataError(
            f"{path}: {values.shape[2] if values.ndim > 2 else 1} channels of {values.dtype}; a "
            "mask is a PNG of one channel of 8 bits, 0 for background and k for the k-th class"
        )
    return values.astype(np.uint8, copy=False)


def _bits(values: npt.NDArray[np.uint8]) -> Bits:
    """Value k -> bit k - 1."""
    table = np.zeros(256, np.uint8)
    table[1:9] = 1 << np.arange(8)
    return table[values]
