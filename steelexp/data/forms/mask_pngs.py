"""Write masks as PNG of class numbers, the form that the source mask_folder reads."""

from pathlib import Path

import numpy as np

from steelexp.data.dataset import DataError, Dataset
from steelexp.data.forms.bitmaps import encode_values
from steelexp.data.forms.reading import stem_of
from steelexp.data.forms.writing import (
    IMAGES,
    PlaceImage,
    Written,
    check_stems,
    class_masks,
    copy,
    new_folder,
    place_images,
    sized_images,
    written_settings,
)

MASKS = "masks"


def write_mask_folder(dataset: Dataset, folder: Path, *, place: PlaceImage = copy) -> Written:
    """Write images/ and masks/ with 0 for background and k for the k-th class.

    Args:
        dataset: Data set in which each pixel has one class at most.
        folder: New folder.
        place: Function that puts an image file into the folder.

    Returns:
        Settings that read it, and what masks of numbers cannot say of this data set.

    Raises:
        DataError: Classes overlap, pixels are ignored, or two images differ in their suffix only.
    """
    check_stems(dataset, "mask")
    with new_folder(folder) as partial:
        place_images(dataset, partial / IMAGES, place)
        for row, name, size in sized_images(dataset):
            values = np.zeros(size, np.uint8)
            for bit, mask in class_masks(dataset, row):
                if bit < len(dataset.classes) and values[mask].any():
                    raise DataError(
                        f"mask_folder: {name}: pixels of {dataset.classes[bit]} are also of "
                        "another class, and a mask of numbers has one class at each; take coco"
                    )
                values[mask] = bit + 1
            target = partial / MASKS / f"{stem_of(name)}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(encode_values(values))
    return Written(written_settings("mask_folder", dataset), [])
