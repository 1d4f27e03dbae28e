"""Several files of a folder changed together: all, also if the process is killed in between.

FOLDER/.adding/            new files, and moves.json, which is written last
FOLDER.replaced-1/         the files that were replaced, under their paths below FOLDER

Before moves.json is there, FOLDER is as it was. From then on the moves are finished, by this
process or by the next one.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from steelexp.data.dataset import DataError
from steelexp.data.splits.file import append_new_rows, read_split
from steelexp.data.splits.split import HEADER
from steelexp.file_lock import LockedError, file_lock
from steelexp.progress import say
from steelexp.records.atomic import remove, replacing, write_atomically
from steelexp.spreadsheet import csv_text

STAGING = ".adding"
MOVES = "moves.json"
LOCK = ".adding.lock"


class Move(NamedTuple):
    """A staged file and its place.

    Attributes:
        staged: Name of the file in the staging folder.
        target: Path below the folder.
        keep: Whether a file that is replaced is kept aside.
        rows: Whether the staged file holds rows for a split, which its place gets.
    """

    staged: str
    target: str
    keep: bool
    rows: bool = False


class Staging:
    """New files of a folder, in the order in which they are moved to their places.

    Args:
        root: Folder.
    """

    def __init__(self, root: Path) -> None:
        self._folder = root / STAGING
        self._moves: list[Move] = []

    def add(self, target: str, *, keep: bool = True) -> Path:
        """A path to write the next file to.

        Args:
            target: Path of the file below the folder, with slashes.
            keep: Whether a file that is replaced is kept aside; without effect for a new one.
        """
        staged = f"{len(self._moves):06d}"
        self._moves.append(Move(staged, target, keep))
        return self._folder / staged

    def add_split_rows(self, path: Path, parts: Mapping[str, str]) -> None:
        """Rows to append to a split, which may lie in another folder.

        Args:
            path: File of the split.
            parts: Part of each image without a row.
        """
        staged = self.add(str(path.resolve()), keep=False)
        self._moves[-1] = self._moves[-1]._replace(rows=True)
        staged.write_text(csv_text([HEADER, *parts.items()]), "utf-8", newline="")

    def commit(self) -> None:
        """Write the list of moves; from now on they are finished sooner or later."""
        write_atomically(self._folder / MOVES, json.dumps(self._moves).encode())


@contextmanager
def staging(root: Path) -> Iterator[Staging]:
    """Stage new files; they are moved to their places at the end if the block has committed.

    Args:
        root: Folder.

    Raises:
        DataError: Another process adds to the folder.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(file_lock(root / LOCK, wait=False))
        except LockedError:
            raise DataError(f"{root}: another process adds images to it; wait for it") from None
        if files := finish(root):
            say(f"{root}: finished an earlier addition that was stopped, {files} files")
        remove(root / STAGING)
        (root / STAGING).mkdir()
        try:
            yield Staging(root)
            finish(root)
        finally:
            if not (root / STAGING / MOVES).is_file():
                remove(root / STAGING)


def finish(root: Path) -> int:
    """Finish moves that a process has committed; nothing is done without any.

    Returns:
        Number of files in the list of moves.
    """
    file = root / STAGING / MOVES
    if not file.is_file():
        return 0
    moves = [Move(*each) for each in json.loads(file.read_text("utf-8"))]
    aside = _aside(root, file)
    for move in moves:
        staged = root / STAGING / move.staged
        if staged.is_file():  # else moved before
            target = root / move.target
            if move.rows:
                append_new_rows(target, read_split(staged))
                staged.unlink()
                continue
            if move.keep:
                _keep(target, aside / move.target)
            target.parent.mkdir(parents=True, exist_ok=True)
            staged.replace(target)
    remove(root / STAGING)
    return len(moves)


def _aside(root: Path, file: Path) -> Path:
    """Folder of the replaced files; the same one when moves are finished later."""
    note = file.with_name("aside")
    if not note.is_file():
        number = 1
        while (folder := root.with_name(f"{root.name}.replaced-{number}")).exists():
            number += 1
        write_atomically(note, os.fsencode(folder.name))
    return root.with_name(os.fsdecode(note.read_bytes()))


def _keep(target: Path, aside: Path) -> None:
    """Keep a copy of a file that is about to be replaced."""
    if target.is_file() and not aside.exists():
        with replacing(aside) as partial:
            shutil.copy2(target, partial)
