"""The mask files of each image of a folder, by their names."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from steelexp.data.forms.reading import stem_of
from steelexp.data.image_files import ImageList, list_images, similar_name
from steelexp.data.issue import Issue
from steelexp.data.survey import listing_issues
from steelexp.progress import say

MASK_SUFFIXES = (".png", ".tif", ".tiff", ".bmp")
"""Suffixes of masks. JPEG is none of them, since it changes values."""

_HINTS = 20
"""Missing masks with a search for a similar name; a message lists no more."""

_NAMED = 5
"""Names in a line."""


@dataclass(frozen=True)
class MaskPairs:
    """Images and their masks.

    Attributes:
        images: Path by name, in the order of the names without suffix; names have subfolders.
        masks: Name -> folder of masks -> path; an image without masks has none.
        unmatched: Masks without an image.
        issues: Issues of names.
        notes: Lines about files that are passed over.
    """

    images: dict[str, Path]
    masks: dict[str, dict[Path, Path]]
    unmatched: list[Path]
    issues: list[Issue]
    notes: list[str]


def pair_masks(images_dir: Path, folders: Iterable[Path], suffix: str = "") -> MaskPairs:
    """Find the masks of each image, in subfolders of the same names, too.

    Args:
        images_dir: Folder of the images.
        folders: Folders of masks. One may be the folder of the images, if there is a suffix.
        suffix: End of a mask's name after the image's.
    """
    folders = list(folders)
    beside = [folder for folder in folders if suffix and _is_same(folder, images_dir)]
    listing = list_images(images_dir, recursive=True)
    notes = _notes(listing, images_dir)
    issues = listing_issues(listing)
    images = {
        name: path
        for name, path in listing.paths.items()
        if not (beside and PurePosixPath(name).stem.endswith(suffix))
        and not any(_is_inside(path, folder, images_dir) for folder in folders)
    }
    by_stem, shared = _by_stem(images, "mask", "shared mask")
    issues += shared
    masks: dict[str, dict[Path, Path]] = {name: {} for _, name in sorted(by_stem.items())}
    unmatched = []
    for folder in folders:
        is_apart = folder not in beside
        mask_listing = list_images(folder, recursive=True) if is_apart else listing
        by_mask, mask_issues = _masks_by_stem(mask_listing, folder, images_dir, suffix)
        issues += mask_issues
        if is_apart:
            issues += listing_issues(mask_listing)
            notes += _notes(mask_listing, folder)
            notes += _other_images(mask_listing, folder, images_dir, suffix)
        unmatched += [path for stem, path in by_mask.items() if stem not in by_stem]
        for stem in by_mask.keys() & by_stem.keys():
            masks[by_stem[stem]][folder] = by_mask[stem]
    ordered = {name: images[name] for name in masks}
    return MaskPairs(ordered, masks, sorted(unmatched), issues, notes)


def missing_masks(pairs: MaskPairs, folders: Iterable[Path], suffix: str) -> list[Issue]:
    """The images without a mask in any of the folders, with a hint at a similar name."""
    missing = [name for name, masks in pairs.masks.items() if not masks]
    if not missing:
        return []
    first, *others = folders
    names = {
        path.relative_to(first).as_posix(): path
        for path in (first.rglob("*") if not others else ())
    }
    issues = []
    for number, name in enumerate(missing):
        wanted = f"{stem_of(name)}{suffix}.png"
        hint = _hint(stem_of(name), wanted, names) if number < _HINTS else ""
        text = f"no mask {first / wanted}" if not others else f"no mask in {first.parent}/*"
        issues.append(Issue("missing mask", pairs.images[name], None, f"{text}{hint}"))
    return issues


def say_notes(pairs: MaskPairs) -> None:
    """Print how many files are passed over, if there are any."""
    for note in pairs.notes:
        say(note)


def say_unmatched(unmatched: list[Path], folder: Path) -> None:
    """Print which masks have no image, if there are any."""
    if not unmatched:
        return
    names = [path.relative_to(folder).as_posix() for path in unmatched]
    rest = len(names) - _NAMED
    text = ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
    say(f"{folder}: {len(names)} masks without an image, which are not read: {text}")


def _masks_by_stem(
    listing: ImageList, folder: Path, images_dir: Path, suffix: str
) -> tuple[dict[str, Path], list[Issue]]:
    """Masks by the stem of their image, and issues of names."""
    masks = {
        name: path
        for name, path in listing.paths.items()
        if _is_mask(path, suffix) and not _is_inside(path, images_dir, folder)
    }
    by_stem, issues = _by_stem(masks, "image", "second mask")
    return {stem.removesuffix(suffix): masks[name] for stem, name in by_stem.items()}, issues


def _is_mask(path: Path, suffix: str) -> bool:
    return path.stem.endswith(suffix) and path.suffix.lower() in MASK_SUFFIXES


def _notes(listing: ImageList, folder: Path) -> list[str]:
    text = listing.describe_passed_over()
    return [f"{folder}: {text}"] if text else []


def _other_images(listing: ImageList, folder: Path, images_dir: Path, suffix: str) -> list[str]:
    """A line about the images of a folder of masks that are not named as masks."""
    count = sum(
        not _is_mask(path, suffix) and not _is_inside(path, images_dir, folder)
        for path in listing.paths.values()
    )
    names = f"{f'*{suffix}' if suffix else ''}.png, .tif or .bmp"
    return [f"{folder}: passed over: {count} images that are not named {names}"] if count else []


def _by_stem(paths: Mapping[str, Path], what: str, kind: str) -> tuple[dict[str, str], list[Issue]]:
    """First name of each stem, and issues of the others."""
    by_stem: dict[str, str] = {}
    issues = []
    for name, path in paths.items():
        if (other := by_stem.setdefault(stem_of(name), name)) != name:
            text = f"{other} has the same {what}; remove one of the two"
            issues.append(Issue(kind, path, None, text))
    return by_stem, issues


def _hint(stem: str, wanted: str, names: Mapping[str, Path]) -> str:
    """Hint at a mask of a longer name, of another type or of a similar name."""
    for name in names:
        rest = name.removeprefix(stem)
        end = stem_of(rest) if rest else ""
        is_suffix = rest != name and end and not end[0].isalnum() and "/" not in end
        if is_suffix and f"{stem}{end}" == stem_of(name):
            return f"; {name} is there: set data.suffix={end}"
        if PurePosixPath(name).name == PurePosixPath(wanted).name:
            inner = PurePosixPath(name).parent
            return f"; {name} is there: set data.masks to the folder {inner} in it, or move it"
    similar = similar_name(wanted, names)
    if similar.endswith((".jpg?", ".jpeg?")):
        name = similar.removeprefix("; did you mean ").removesuffix("?")
        return f"; {name} is there, and JPEG changes values: save it as PNG from its source"
    return similar or "; add it, or set data.absent=clean if such images are clean"


def _is_same(folder: Path, other: Path) -> bool:
    return folder.resolve() == other.resolve()


def _is_inside(path: Path, folder: Path, other: Path) -> bool:
    """Whether a path of one folder is in another folder below that."""
    return folder != other and other in folder.parents and folder in path.parents
