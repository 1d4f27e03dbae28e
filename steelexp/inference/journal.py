"""What was predicted, one line an image, so that a stopped job goes on.

A line is written when the image's mask and overlay are. Every table is made from these lines, in
the order of the images, so an interrupted job ends with the same files as an undisturbed one.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from steelexp.inference.defects import Defect
from steelexp.inference.image_files import ImageFile
from steelexp.records.store import DamagedError


class Entry(NamedTuple):
    """What came of one image.

    Attributes:
        image: its name.
        path: where it lay.
        state: its bytes and the time of its last change; None where it was not there.
        size: height and width in pixels; None where it could not be read.
        runs: class -> Kaggle's run-length code of its mask.
        defects: the components of all classes.
        error: why it could not be read; "" where it could.
    """

    image: str
    path: str
    state: tuple[int, int] | None
    size: tuple[int, int] | None
    runs: Mapping[str, str]
    defects: Sequence[Defect]
    error: str = ""


@dataclass
class PredictionJournal:
    """The lines of one job.

    Attributes:
        file: where they are kept.
    """

    file: Path
    _places: dict[str, int] = field(default_factory=dict)  # image -> byte of its last line

    def __post_init__(self) -> None:
        for place, entry in self._lines():
            self._places[entry.image] = place

    def names(self) -> set[str]:
        """The images that have a line."""
        return set(self._places)

    def holds(self, image: ImageFile) -> bool:
        """Whether the image has a line, and the file is as it was then."""
        if image.name not in self._places:
            return False
        try:
            state = image.state
        except OSError:
            state = None
        return self._entry(image.name).state == state

    def append(self, entry: Entry) -> None:
        """Add a line; a torn one, left by a kill, is closed first."""
        with self.file.open("ab") as stream:
            start = stream.tell()
            if start and not self._ends_whole():
                start += stream.write(b"\n")
            stream.write(json.dumps(entry).encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        self._places[entry.image] = start

    def entries(self, images: Sequence[ImageFile]) -> Iterator[Entry]:
        """The last line of each image, in this order."""
        for image in images:
            yield self._entry(image.name)

    def _entry(self, name: str) -> Entry:
        with self.file.open("rb") as stream:
            stream.seek(self._places[name])
            entry = _read(stream.readline())
        if entry is None:
            raise DamagedError(
                f"{self.file}: was changed during the prediction; begin anew: --fresh"
            )
        return entry

    def _ends_whole(self) -> bool:
        with self.file.open("rb") as stream:
            stream.seek(-1, os.SEEK_END)
            return stream.read(1) == b"\n"

    def _lines(self) -> Iterator[tuple[int, Entry]]:
        if not self.file.is_file():
            return
        place = 0
        with self.file.open("rb") as stream:
            for line in stream:
                entry = _read(line) if line.endswith(b"\n") else None
                if entry is not None:
                    yield place, entry
                place += len(line)


def _read(line: bytes) -> Entry | None:
    """A line's entry; None where it was torn by a kill."""
    try:
        image, path, state, size, runs, defects, error = json.loads(line)
    except ValueError:
        return None
    return Entry(
        image=image,
        path=path,
        state=None if state is None else (state[0], state[1]),
        size=None if size is None else (size[0], size[1]),
        runs=runs,
        defects=[Defect(*each) for each in defects],
        error=error,
    )
