"""Folders that --fresh may move aside: those that steelexp wrote, and no others."""

import os
from pathlib import Path

from steelexp.errors import UserError
from steelexp.records.store import RunFolder


def set_aside(folder: Path, mark: str, noun: str) -> Path | None:
    """Rename a folder of steelexp's own out of the way, if it is there.

    Args:
        folder: Folder.
        mark: Name of a file that steelexp writes there first, such as "spec.yaml".
        noun: Name of what the folder should hold, for the message: "a run".

    Returns:
        The new path; None where there was nothing to move.

    Raises:
        UserError: The folder is of somebody else, or cannot be moved.
        BusyError: Another process is at work in it.
    """
    if not os.path.lexists(folder):
        return None
    if folder.is_symlink():
        raise UserError(f"--fresh: {folder} is a link; name the folder that it leads to")
    content = [path.name for path in folder.iterdir()] if folder.is_dir() else [folder.name]
    if mark not in content and (others := [name for name in content if not name.startswith(".")]):
        raise UserError(
            f"--fresh: {folder} is not {noun} ({others[0]}), so it is not moved; name another "
            "folder, or move it yourself"
        )
    if Path.cwd().is_relative_to(folder.resolve()):
        raise UserError(f"--fresh: {folder} is the current folder or above it; go to another one")
    return RunFolder(folder).set_aside()
