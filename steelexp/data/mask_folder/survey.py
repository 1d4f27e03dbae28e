"""The doctor's survey of root/images/ and root/masks/ or root/annotations/."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from steelexp.data.dataset import MOST_CLASSES, Bits, DataError
from steelexp.data.image_files import list_images
from steelexp.data.issue import Issue
from steelexp.data.mask_folder.code import MaskCode, class_numbers, mask_code
from steelexp.data.mask_folder.mask_file import WHITE, mask_facts, read_mask
from steelexp.data.mask_folder.pairs import MaskPairs, missing_masks, pair_masks, say_notes
from steelexp.data.mask_folder.reader import check_folders
from steelexp.data.survey import LabelledImage, LabelReading, Size, Survey
from steelexp.progress import say

MASKS = ("masks", "annotations")


def is_mask_folder(root: Path) -> bool:
    """Whether a folder has images and masks."""
    return (root / "images").is_dir() and any((root / name).is_dir() for name in MASKS)


def survey_mask_folder(
    root: str,
    *,
    classes: tuple[str, ...] | None = None,
    images: str = "images",
    masks: str | None = None,
    suffix: str = "",
    class_folders: bool | None = None,
    absent: str = "refuse",
    **meanings: Any,
) -> Survey:
    """Survey images and masks; see `mask_folder` for the settings.

    Args:
        root: Folder of images and masks.
        classes: Names of the classes; None for any mask value up to 32, unless `values` names
            them.
        images: Folder of the images below the root.
        masks: Folder of the masks below the root; masks/ or annotations/ by default.
        suffix: End of a mask's name after the image's.
        class_folders: Whether each class has a folder; None tells it by the folders.
        absent: Meaning of an image without a mask: refuse or clean.
        meanings: Settings that give stored values their meaning.

    Raises:
        DataError: A folder is missing, or the settings do not fit.
    """
    _check_names(classes or ())
    top = Path(root)
    images_dir = top / images
    folders = MASKS if masks is None else (masks,)
    masks_dir = next((top / name for name in folders if (top / name).is_dir()), top / folders[0])
    check_folders(images_dir, masks_dir, suffix)
    if class_folders is None:
        class_folders = _has_class_folders(images_dir, masks_dir)
    if classes is None and meanings.get("values") is None and not class_folders:
        code = _any_value(masks_dir)
    else:
        code = mask_code(masks_dir, classes=classes, class_folders=class_folders, **meanings)
        classes = code.classes
    pairs = pair_masks(images_dir, code.folders, suffix)
    say_notes(pairs)
    missing = missing_masks(pairs, code.folders, suffix) if absent == "refuse" else []
    issues = _folder_issues(images_dir, masks_dir, pairs, missing)
    labelled_images = [
        _masked_image(name, path, pairs.masks[name], code, absent)
        for name, path in pairs.images.items()
    ]
    return Survey("mask_folder", classes, labelled_images, [*pairs.issues, *issues], one_size=False)


def _any_value(masks_dir: Path) -> MaskCode:
    """The code of masks whose classes are not known by name."""
    if _all_white(list(list_images(masks_dir, recursive=True).paths.values())):
        say(f"{masks_dir}: all masks have 0 and 255 alone, which is read as one class")
        return MaskCode(("1",), {masks_dir: class_numbers(1, "a mask of one class")}, False)
    code = class_numbers(MOST_CLASSES, f"a mask has at most {MOST_CLASSES} classes")
    names = tuple(str(c + 1) for c in range(MOST_CLASSES))
    return MaskCode(names, {masks_dir: code}, has_ignore=False)


def _all_white(masks: list[Path]) -> bool:
    """Whether 255 is the only value of masks besides 0; most other sets end at their first."""
    start = 0
    found_white = False
    while start < len(masks):
        try:
            facts = mask_facts(masks[start : 2 * start + 1], colours=False)
        except DataError:
            return False
        values = {value for each in facts for value in each.pixels}
        if not values <= {0, WHITE}:
            return False
        found_white |= WHITE in values
        start = 2 * start + 1
    return found_white


def _has_class_folders(images_dir: Path, masks_dir: Path) -> bool:
    """Whether masks are in subfolders only, and no image is in a subfolder of such a name."""
    names = {PurePosixPath(name).parts[0] for name in list_images(masks_dir, recursive=True).paths}
    return (
        bool(names)
        and all((masks_dir / name).is_dir() for name in names)
        and not any((images_dir / name).is_dir() for name in names)
        and bool(list_images(images_dir).paths)
    )


def _folder_issues(
    images_dir: Path, masks_dir: Path, pairs: MaskPairs, missing: list[Issue]
) -> list[Issue]:
    """Missing folders, and the missing masks and images elsewhere."""
    lost_masks = _without_folder((issue.file for issue in missing), images_dir, masks_dir)
    lost_images = _without_folder(pairs.unmatched, masks_dir, images_dir)
    text = "there is no such folder for the {} in {}"
    return [
        *(
            Issue("missing folder", there, None, text.format("images", here))
            for here, there in lost_masks.items()
        ),
        *(
            Issue("missing folder", there, None, text.format("masks", here))
            for here, there in lost_images.items()
        ),
        *(issue for issue in missing if issue.file.parent not in lost_masks),
        *(
            Issue("mask without image", path, None, f"there is no image {path.stem}")
            for path in pairs.unmatched
            if path.parent not in lost_images
        ),
    ]


def _without_folder(files: Iterable[Path], folder: Path, other: Path) -> dict[Path, Path]:
    """Folders of files below `folder` that are not below `other`, and their place there."""
    parents = dict.fromkeys(file.parent for file in files)
    places = {parent: other / parent.relative_to(folder) for parent in parents}
    return {parent: place for parent, place in places.items() if not place.is_dir()}


def _masked_image(
    name: str, path: Path, masks: dict[Path, Path], code: MaskCode, absent: str
) -> LabelledImage:
    def read_labels(size: Size | None) -> LabelReading:
        bits: Bits | None = None if size is None else np.zeros(size, np.uint8)
        issues = []
        for folder, mask in masks.items():
            layer, layer_issues = read_mask(mask, size, code.folders[folder])
            issues += layer_issues
            if layer is not None and bits is not None:
                bits = bits | layer
        is_labelled = bool(masks) or absent == "clean"
        return (bits if is_labelled and not issues else None), issues

    part = PurePosixPath(name).parent.as_posix()
    folders = list(code.folders)

    def locate(c: int) -> tuple[Path, int | None]:
        folder = folders[c] if code.class_folders else folders[0]
        return masks.get(folder, path), None

    return LabelledImage(name, path, "" if part == "." else part, read_labels, locate)


def _check_names(classes: tuple[str, ...]) -> None:
    if len(set(classes)) < len(classes) or len(classes) > MOST_CLASSES or "" in classes:
        raise DataError(
            f"--classes {','.join(classes)}: up to {MOST_CLASSES} different names, between commas"
        )
