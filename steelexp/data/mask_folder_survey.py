"""The doctor's survey of root/images/ and root/masks/ or root/annotations/."""

import glob
from pathlib import Path

from steelexp.data.class_sets import from_values
from steelexp.data.dataset import MOST_CLASSES, DataError
from steelexp.data.issue import Issue
from steelexp.data.mask_folder import is_image_file, pair_images, read_mask, to_bits
from steelexp.data.survey import LabelledImage, LabelReading, Size, Survey

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
    overlaps: bool = False,
) -> Survey:
    """Survey images and masks; see `mask_folder` for the settings.

    Args:
        root: Folder of images and masks.
        classes: Names of the mask values 1, 2, ...; None for any value up to 8.
        images: Folder of the images below the root.
        masks: Folder of the masks below the root. By default masks/ or annotations/, and the
            subfolders, if any, are the parts of the set's own split.
        suffix: End of a mask's name after the image's.
        overlaps: Whether values after the last class are pixels of several classes.

    Raises:
        DataError: A folder is missing, or a name is empty or occurs twice, or there are too many.
    """
    _check_names(classes or ())
    top = Path(root)
    images_dir = top / images
    names = MASKS if masks is None else (masks,)
    masks_dir = next((top / name for name in names if (top / name).is_dir()), top / names[0])
    for key, folder in (("images", images_dir), ("masks", masks_dir)):
        if not folder.is_dir():
            raise DataError(f"data.{key}: there is no folder {folder}; set data.root or data.{key}")
    labelled_images = []
    issues = []
    for part in _parts(images_dir, masks_dir) if masks is None else [""]:
        by_stem, part_issues = _pair_part(images_dir / part, masks_dir / part, suffix)
        issues += part_issues
        for stem, path in by_stem.items():
            mask = masks_dir / part / f"{stem}{suffix}.png"
            labelled_images.append(_masked_image(part, path, mask, classes, overlaps=overlaps))
    return Survey("mask_folder", classes, labelled_images, issues, one_size=False)


def _pair_part(
    images_dir: Path, masks_dir: Path, suffix: str
) -> tuple[dict[str, Path], list[Issue]]:
    """Images by the stem that they share with their mask; a folder may be missing."""
    if not masks_dir.is_dir():
        text = f"there is no such folder for the images in {images_dir}"
        by_stem = {path.stem: path for path in sorted(images_dir.iterdir()) if is_image_file(path)}
        return by_stem, [Issue("missing folder", masks_dir, None, text)]
    if not images_dir.is_dir():
        text = f"there is no such folder for the masks in {masks_dir}"
        return {}, [Issue("missing folder", images_dir, None, text)]
    by_stem, issues = pair_images(images_dir, masks_dir, suffix)
    unmatched = [
        Issue("mask without image", path, None, f"there is no image {path.stem}")
        for path in sorted(masks_dir.glob(f"*{glob.escape(suffix)}.png"))
        if path.stem.removesuffix(suffix) not in by_stem and not path.name.startswith(".")
    ]
    return by_stem, issues + unmatched


def _parts(images: Path, masks: Path) -> list[str]:
    """The subfolders with images, "" for the folders themselves."""
    inner = _folders(images)
    labels = _folders(masks)
    if any(is_image_file(path) for path in images.iterdir()) or not inner | labels:
        return ["", *sorted(inner & labels)]
    return sorted(inner | labels)


def _folders(folder: Path) -> set[str]:
    return {
        path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
    }


def _masked_image(
    part: str, path: Path, mask: Path, classes: tuple[str, ...] | None, *, overlaps: bool
) -> LabelledImage:
    name = f"{part}/{path.name}" if part else path.name
    count = MOST_CLASSES if classes is None else len(classes)
    most = (1 << count) - 1 if overlaps else count
    reason = (
        f"a mask has at most {MOST_CLASSES} classes"
        if classes is None
        else f"data.classes names {count}"
    )

    def read_labels(size: Size | None) -> LabelReading:
        if not mask.is_file():
            return None, []  # already an issue of the survey
        values, issues = read_mask(mask, size, most, reason)
        if values is None:
            return None, issues
        return from_values(values, count) if overlaps else to_bits(values), issues

    return LabelledImage(name, path, part, read_labels, lambda c: (mask, None))


def _check_names(classes: tuple[str, ...]) -> None:
    if len(set(classes)) < len(classes) or len(classes) > MOST_CLASSES or "" in classes:
        raise DataError(
            f"--classes {','.join(classes)}: up to {MOST_CLASSES} different names, between commas"
        )
