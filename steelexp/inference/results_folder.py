"""The folder of a prediction's results: one for each input, and the settings in it."""

import glob
import json
import os
from collections.abc import Sequence
from pathlib import Path

from steelexp.checksum import hash_bytes
from steelexp.errors import UserError
from steelexp.inference.image_files import ImageFile, group_name
from steelexp.inference.journal import PredictionJournal
from steelexp.progress import say
from steelexp.records.prediction_settings import FILE as SETTINGS
from steelexp.records.prediction_settings import PredictionSettings, read_prediction_settings

JOURNAL = "journal.jsonl"

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
        settings = read_prediction_settings(file)
    except UserError:
        return None  # the prediction refuses it, or --fresh sets it aside
    inputs = settings.input
    if inputs == paths:
        return None
    if not any(map(_is_there, inputs)) and _has_moved(folder / JOURNAL, settings, images):
        return None
    return str(inputs[0]) + (" and more" if inputs[1:] else "")


def _is_there(pattern: str) -> bool:
    return os.path.lexists(pattern) or bool(glob.glob(pattern, recursive=True))  # noqa: PTH207


def _has_moved(journal: Path, settings: PredictionSettings, images: Sequence[ImageFile]) -> bool:
    """Whether all images of a journal are among these images, with the same content."""
    try:
        lines = PredictionJournal(journal, identity(settings))
    except UserError:
        return False
    return lines.names() <= {image.name for image in images} and not lines.changed(images)


def identity(settings: PredictionSettings) -> str:
    """The identity of a prediction, which its journal begins with: all settings but the input."""
    return hash_bytes(json.dumps(settings.identity(), sort_keys=True).encode())


def check_settings(before: PredictionSettings, now: PredictionSettings, out: Path) -> None:
    """Check that a folder has the prediction of these settings, of any input.

    Raises:
        UserError: It has a prediction with other settings.
    """
    earlier = before.identity()
    changed = [key for key, value in now.identity().items() if earlier[key] != value]
    if changed:
        raise UserError(
            f"{out}: holds a prediction with another {' and another '.join(changed)}; give --out "
            "another folder, or --fresh to begin anew"
        )
