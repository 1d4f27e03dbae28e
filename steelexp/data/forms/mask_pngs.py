"""Write masks as PNG of class numbers, the form that the source mask_folder reads."""

from pathlib import Path

from steelexp.data.class_sets import MOST_CLASSES_IN_A_BYTE, has_overlaps
from steelexp.data.dataset import Dataset, raise_if
from steelexp.data.forms.reading import stem_of
from steelexp.data.forms.writing import (
    IMAGES,
    PlaceImage,
    Written,
    area_names,
    check_one_folder,
    check_stems,
    copy,
    new_folder,
    place_images,
)
from steelexp.data.mask_png import mask_png

MASKS = "masks"


def write_mask_folder(dataset: Dataset, folder: Path, *, place: PlaceImage = copy) -> Written:
    """Write images/ and masks/ with 0 for background and k for the k-th class.

    Pixels of several classes have the values after the last class (class_sets.py).

    Args:
        dataset: Data set.
        folder: New folder.
        place: Function that puts an image file into the folder.

    Returns:
        Settings that read it, and what masks of numbers cannot say of this data set.

    Raises:
        DataError: Classes overlap and there are more than eight, images are in several folders, or
            two images differ in their suffix only.
    """
    check_stems(dataset, "mask")
    check_one_folder(dataset, "mask_folder")
    names = area_names(dataset)
    overlapping = []
    with new_folder(folder) as partial:
        place_images(dataset, partial / IMAGES, place)
        masks = partial / MASKS
        masks.mkdir()
        for row, name in enumerate(dataset.names):
            bits = dataset.mask(row)
            if has_overlaps(bits):
                overlapping.append(name)
                if len(names) > MOST_CLASSES_IN_A_BYTE:
                    continue
            (masks / f"{stem_of(name)}.png").write_bytes(mask_png(bits, len(names)))
        if len(names) > MOST_CLASSES_IN_A_BYTE:
            raise_if([f"mask_folder: {name}: classes overlap; take coco" for name in overlapping])
    settings = {"source": "mask_folder", "classes": list(names)}
    losses = [f"ignored pixels are a class, named {names[-1]}"] if dataset.has_ignore else []
    return Written(settings | ({"overlaps": True} if overlapping else {}), losses)
