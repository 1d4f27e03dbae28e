"""The folder of a prediction's results: one for each input, and the settings in it."""

import glob
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from steelexp.checksum import hash_bytes
from steelexp.errors import UserError, explain_read_errors, reason
from steelexp.inference.image_files import ImageFile, group_name
from steelexp.inference.journal import PredictionJournal
from steelexp.progress import say

SETTINGS = "prediction.json"
JOURNAL = "journal.jsonl"

INPUT = "input"
"""Key of the predicted paths in the settings. They identify no prediction: a folder may move."""

_LONGEST_NAME = 60  # characters of an input's name before the hash; a file name has 255 bytes


def input_paths(patterns: Sequence[str]) -> list[str]:
    """The files, folders and globs of an input, as absolute paths without links."""
    return [str(Path(pattern).resolve()) for pattern in patterns]


def default_folder(parent: Path, patterns: Sequence[str], images: Sequence[ImageFile]) -> Path:
    """The folder of an input's results: NAME, or NAME-HASH if NAME has those of another input.

    Args:
        parent: Folder of all predictions of a network.
        patterns: Files, folders and globs.
        images: Their images.
    """
    paths = input_paths(patterns)
    plain = parent / group_name(patterns)
    digest = hash_bytes(os.fsencode("\0".join(paths)))[:8]
    own = plain.with_name(f"{plain.name[:_LONGEST_NAME]}-{digest}")
    if os.path.lexists(own):
        return own
    other = _other_input(plain, paths, images)
    if other is None:
        return plain
    say(f"{plain} has the results of {other}; these go to {own}")
    return own


def _other_input(folder: Path, paths: Sequence[str], images: Sequence[ImageFile]) -> str | None:
    """The input whose results a folder has, unless it is this one, which may have moved."""
    file = folder / SETTINGS
    if not os.path.isfile(file):  # noqa: PTH113  # never raises
        return None
    try:
        before = read_settings(file).get(INPUT)
    except UserError:
        return None  # the prediction refuses it, or --fresh sets it aside
    if before == paths:
        return None
    inputs = before if isinstance(before, list) else []
    if not any(map(_is_there, inputs)) and _has_moved(folder / JOURNAL, images):
        return None
    return ", ".join(inputs[:1]) + (" and more" if inputs[1:] else "") or "another input"


def _is_there(pattern: str) -> bool:
    return os.path.lexists(pattern) or bool(glob.glob(pattern, recursive=True))  # noqa: PTH207


def _has_moved(journal: Path, images: Sequence[ImageFile]) -> bool:
    """Whether all images of a journal are among these images, with the same content."""
    try:
        lines = PredictionJournal(journal)
    except UserError:
        return False
    return lines.names() <= {image.name for image in images} and not lines.changed(images)


def read_settings(file: Path) -> dict[str, Any]:
    """The settings of an earlier prediction.

    Raises:
        UserError: The file cannot be read, or is another one.
    """
    try:
        with explain_read_errors(file, "begin anew with --fresh"):
            return dict(json.loads(file.read_text("utf-8")))
    except (ValueError, TypeError) as error:
        raise UserError(
            f"{file}: not the settings of a prediction ({reason(error)}); begin anew with --fresh"
        ) from None


def check_settings(before: dict[str, Any], now: dict[str, Any], out: Path) -> None:
    """Check that a folder has the prediction of these settings, of any input.

    Raises:
        UserError: It has a prediction with other settings.
    """
    changed = [key for key in now if key != INPUT and before.get(key) != now[key]]
    if changed:
        raise UserError(
            f"{out}: holds a prediction with another {' and another '.join(changed)}; give --out "
            "another folder, or --fresh to begin anew"
        )
