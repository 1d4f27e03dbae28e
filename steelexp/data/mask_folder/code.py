"""The settings of mask_folder that give the stored values of masks their meaning."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from steelexp.data.class_sets import MOST_CLASSES_IN_A_BYTE, from_values
from steelexp.data.dataset import MOST_CLASSES, DataError
from steelexp.data.forms.class_names import natural_order
from steelexp.data.mask_folder.mask_file import WHITE
from steelexp.data.mask_folder.stored_values import (
    TRANSPARENT,
    Code,
    assign_keys,
    describe,
    listed_values,
    palette_rule,
)


@dataclass(frozen=True)
class MaskCode:
    """The classes of a folder of masks, and how each of its folders is read.

    Attributes:
        classes: Class names.
        folders: Folders of masks and the code of their values.
        has_ignore: Whether a further bit marks ignored pixels.
        name: Text that differs where the same files mean another mask; "" for class numbers.
        ignore_folder: Folder of ignored pixels; None if they have a value.
        class_folders: Whether each class has a folder.
    """

    classes: tuple[str, ...]
    folders: Mapping[Path, Code]
    has_ignore: bool
    name: str = ""
    ignore_folder: Path | None = None
    class_folders: bool = False

    @property
    def colours(self) -> bool:
        """Whether palettes are read as colours."""
        return any(code.colours for code in self.folders.values())


def mask_code(
    masks_dir: Path,
    *,
    classes: tuple[str, ...] | None = None,
    values: Mapping[str, object] | None = None,
    background: object = 0,
    ignore: object = None,
    class_folders: bool = False,
    overlaps: bool = False,
) -> MaskCode:
    """Check the settings of mask_folder together; see there.

    Raises:
        DataError: They contradict one another, or name too many classes or none.
    """
    if class_folders:
        _refuse_beside_folders(values, background, overlaps)
        code = _folders_of_classes(masks_dir, classes, ignore)
    elif values is not None:
        code = _named_values(masks_dir, classes, values, background, ignore, overlaps)
    elif classes is None:
        raise DataError(
            "data.classes: missing; name the classes of the mask values 1, 2, ... (in a command "
            "--classes A,B or --source mask_folder 'classes=[A, B]'), or set data.values or "
            "data.class_folders"
        )
    else:
        code = _class_numbers(masks_dir, classes, background, ignore, overlaps)
    if len(set(code.classes)) < len(code.classes):
        raise DataError(f"data.classes: {', '.join(code.classes)}: a name occurs twice")
    if (count := len(code.classes) + code.has_ignore) > MOST_CLASSES:
        raise DataError(
            f"data.classes: {count} classes, ignored pixels included, and at most {MOST_CLASSES} "
            "are supported; merge some"
        )
    return code


def class_numbers(
    classes: int, reason: str, *, background: object = 0, ignore: object = None
) -> Code:
    """The code of masks of class numbers: k is the k-th class.

    Args:
        classes: Number of classes.
        reason: Origin of that number, for messages.
        background: Setting `background`.
        ignore: Setting `ignore`.
    """
    numbers = [(f"class {k}", 1 << (k - 1), (k,)) for k in range(1, classes + 1)]
    return _code_of(numbers, classes, reason, background, ignore)


def _class_numbers(
    masks_dir: Path, classes: tuple[str, ...], background: object, ignore: object, overlaps: bool
) -> MaskCode:
    reason = f"data.classes names {len(classes)}"
    if overlaps:
        code = _class_sets(len(classes), reason, background, ignore)
    else:
        code = class_numbers(len(classes), reason, background=background, ignore=ignore)
    others = [
        f"{key} {listed_values(value)}"
        for key, value in (("background", background), ("ignore", ignore))
        if value is not None and not (key == "background" and listed_values(value) == (0,))
    ]
    name = " ".join([*(["overlaps"] if overlaps else []), *others])
    return MaskCode(classes, {masks_dir: code}, ignore is not None, name)


def _class_sets(classes: int, reason: str, background: object, ignore: object) -> Code:
    """The code of masks whose values after the last class are sets of classes."""
    if classes > MOST_CLASSES_IN_A_BYTE:
        raise DataError(
            f"data.overlaps: a mask of 8 bits holds the sets of up to {MOST_CLASSES_IN_A_BYTE} "
            f"classes, and data.classes names {classes}"
        )
    sets = from_values(np.arange(1 << classes, dtype=np.uint8), classes).tolist()
    numbers = [(f"value {value}", bits, (value,)) for value, bits in enumerate(sets) if value]
    return _code_of(numbers, classes, reason, background, ignore)


def _code_of(
    meanings: Iterable[tuple[str, int, Iterable[int]]],
    classes: int,
    reason: str,
    background: object,
    ignore: object,
) -> Code:
    """The code of values with these meanings, beside background and ignored pixels."""
    bits = assign_keys([*_others(background, ignore, classes), *meanings])
    return Code(
        bits,
        reason,
        colours=_palette(background, ignore),
        only_class=classes == 1 and WHITE not in bits,
    )


def _named_values(
    masks_dir: Path,
    classes: tuple[str, ...] | None,
    values: Mapping[str, object],
    background: object,
    ignore: object,
    overlaps: bool,
) -> MaskCode:
    if overlaps:
        raise DataError(
            "data.overlaps: without a meaning beside data.values; leave one of them out"
        )
    names = tuple(values) if classes is None else classes
    if not names or set(names) != set(values):
        raise DataError(
            f"data.values names {', '.join(values) or 'nothing'} and data.classes "
            f"{', '.join(names) or 'nothing'}; name the same classes, or leave data.classes out"
        )
    stated = {name: listed_values(values[name]) for name in names}
    meanings = [(f"data.values.{name}", 1 << c, stated[name]) for c, name in enumerate(names)]
    bits = assign_keys([*_others(background, ignore, len(names)), *meanings])
    keys = sorted(key for key in bits if key != TRANSPARENT)
    examples = ", ".join(map(describe, keys[:8])) + (" and others" if keys[8:] else "")
    colours = palette_rule(
        value for group in (*stated.values(), *_stated(background, ignore)) for value in group
    )
    name = f"values {sorted(bits.items())} {colours}"
    way_out = "; name it in data.values, data.ignore or data.background"
    code = Code(bits, f"the settings name {examples}", way_out, colours)
    return MaskCode(names, {masks_dir: code}, ignore is not None, name)


def _folders_of_classes(
    masks_dir: Path, classes: tuple[str, ...] | None, ignore: object
) -> MaskCode:
    inner = {path.name for path in masks_dir.iterdir() if path.is_dir()}
    folders = {name for name in inner if not name.startswith(".")}
    if ignore is not None and not isinstance(ignore, str):
        raise DataError(f"data.ignore: {ignore!r}: with data.class_folders the name of a folder")
    names = classes or tuple(natural_order(folders - {ignore}))
    wanted = names if ignore is None else (*names, ignore)
    if not names:
        raise DataError(f"{masks_dir}: no folder of a class; set data.masks")
    if missing := [name for name in wanted if name not in folders]:
        raise DataError(
            f"data.classes: there is no folder {masks_dir / missing[0]}; folders: "
            f"{', '.join(sorted(folders)) or 'none'}"
        )
    if others := sorted(folders - set(wanted)):
        raise DataError(
            f"{masks_dir / others[0]}: no class of that name; name it in data.classes or as "
            "data.ignore, or move the folder elsewhere"
        )
    reason = "every value but 0 is the class"
    codes = {
        masks_dir / name: Code({TRANSPARENT: 0, 0: 0}, reason, else_bits=1 << bit)
        for bit, name in enumerate(wanted)
    }
    ignore_folder = None if ignore is None else masks_dir / ignore
    return MaskCode(names, codes, ignore is not None, "", ignore_folder, class_folders=True)


def _refuse_beside_folders(values: object, background: object, overlaps: bool) -> None:
    stated = {"values": values is not None, "overlaps": overlaps}
    stated["background"] = listed_values(background) != (0,)
    if key := next((key for key, is_stated in stated.items() if is_stated), None):
        raise DataError(
            f"data.{key}: without a meaning beside data.class_folders; leave one of them out"
        )


def _others(background: object, ignore: object, classes: int) -> list[tuple[str, int, Any]]:
    """Meanings of the background and of ignored pixels."""
    if isinstance(ignore, str):
        raise DataError(f"data.ignore: {ignore!r}: a name is for data.class_folders; give a value")
    meanings: list[tuple[str, int, Any]] = [("data.background", 0, listed_values(background))]
    if ignore is not None:
        meanings.append(("data.ignore", 1 << classes, listed_values(ignore)))
    return meanings


def _stated(background: object, ignore: object) -> list[tuple[Any, ...]]:
    """Values of the settings apart from the classes, without the default."""
    values = [listed_values(each) for each in (background, ignore) if each is not None]
    return values if values[0] != (0,) else values[1:]


def _palette(background: object, ignore: object) -> bool | None:
    """How palettes are read beside class numbers."""
    return palette_rule([0, *(value for group in _stated(background, ignore) for value in group)])
