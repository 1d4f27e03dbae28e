"""Write masks as PNG of class numbers, the form that the source mask_folder reads."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from steelexp.data.class_sets import MOST_CLASSES_IN_A_BYTE, has_overlaps
from steelexp.data.dataset import Bits, Dataset, raise_if
from steelexp.data.forms.reading import stem_of
from steelexp.data.forms.writing import (
    IMAGES,
    PlaceImage,
    WriterReport,
    check_stems,
    copy,
    new_folder,
    place_images,
)
from steelexp.data.mask_png import IGNORED, mask_png

MASKS = "masks"


def write_mask_folder(dataset: Dataset, folder: Path, *, place: PlaceImage = copy) -> WriterReport:
    """Write images/ and masks/ with 0 for background and k for the k-th class.

    Pixels of several classes have the values after the last class (class_sets.py). Ignored pixels
    have the value 255 and no class.

    Args:
        dataset: Data set.
        folder: New folder.
        place: Function that puts an image file into the folder.

    Returns:
        Settings that read it, and what masks of numbers cannot say of this data set.

    Raises:
        DataError: Classes overlap and there are more than eight, or eight and ignored pixels; or
            two images differ in their suffix only.
    """
    check_stems(dataset, "mask")
    classes = len(dataset.classes)
    overlapping = []
    hidden = 0
    with new_folder(folder) as partial:
        place_images(dataset, partial / IMAGES, place)
        for row, name in enumerate(dataset.names):
            bits, ignored = _classes_and_ignored(dataset, row)
            if ignored is not None:
                hidden += int(np.count_nonzero(bits[ignored]))
                bits = np.where(ignored, np.zeros_like(bits), bits)
            target = partial / MASKS / f"{stem_of(name)}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            if has_overlaps(bits):
                overlapping.append(name)
                if classes + dataset.has_ignore > MOST_CLASSES_IN_A_BYTE:
                    continue
            target.write_bytes(mask_png(bits, classes, ignored))
        if classes + dataset.has_ignore > MOST_CLASSES_IN_A_BYTE:
            raise_if([f"mask_folder: {name}: classes overlap; take coco" for name in overlapping])
    settings: dict[str, Any] = {"source": "mask_folder", "classes": list(dataset.classes)}
    settings |= {"ignore": IGNORED} if dataset.has_ignore else {}
    losses = [f"{hidden} ignored pixels lose their class"] if hidden else []
    return WriterReport(settings | ({"overlaps": True} if overlapping else {}), losses)


def _classes_and_ignored(dataset: Dataset, row: int) -> tuple[Bits, npt.NDArray[np.bool_] | None]:
    """Mask bits of the classes, and the ignored pixels; None for a set without such."""
    bits = dataset.mask(row)
    if not dataset.has_ignore:
        return bits, None
    bit = bits.dtype.type(1 << len(dataset.classes))
    classes: Bits = bits & (bit - bits.dtype.type(1))
    return classes, (bits & bit) > 0
