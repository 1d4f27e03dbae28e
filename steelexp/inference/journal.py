"""Journal of a prediction: one line per image, so that a stopped job can resume.

A line is written after the image's mask and overlay. All tables are written from these lines in the
order of the images, so an interrupted job ends with the same files as an undisturbed one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from steelexp.inference.defects import Defect
from steelexp.inference.image_files import ImageFile
from steelexp.records.jsonl import JsonLines


class Entry(NamedTuple):
    """The prediction of one image.

    Attributes:
        image: Name of the image.
        path: Path of the image.
        state: Size in bytes and time of the last change; None if the file did not exist.
        size: Height and width in pixels; None if the image could not be read.
        runs: Run-length code of the mask, by class name.
        defects: Defects of all classes.
        error: Reason why the image could not be predicted; "" if it could.
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
    """The journal of one job.

    Attributes:
        file: Path of the journal.
    """

    file: Path
    _offsets: dict[str, int] = field(default_factory=dict)  # position of each image's last line

    def __post_init__(self) -> None:
        self._lines = JsonLines(
            self.file, parse=_entry, noun="an image's prediction", fix="begin anew with --fresh"
        )
        for line in self._lines.read():
            self._offsets[line.entry.image] = line.start

    def names(self) -> set[str]:
        """Names of the images with a line."""
        return set(self._offsets)

    def holds(self, image: ImageFile) -> bool:
        """Whether the image has a line and its file has not changed since."""
        if image.name not in self._offsets:
            return False
        try:
            state = image.state
        except OSError:
            state = None
        return self._lines.entry_at(self._offsets[image.name]).state == state

    def append(self, entry: Entry) -> None:
        """Add a line."""
        self._offsets[entry.image] = self._lines.append(entry)

    def entry(self, image: str) -> Entry:
        """The last entry of an image."""
        return self._lines.entry_at(self._offsets[image])

    def entries(self, images: Sequence[ImageFile]) -> Iterator[Entry]:
        """The last entry of each image, in this order."""
        for image in images:
            yield self.entry(image.name)


def _entry(values: Any) -> Entry:
    """Parse the values of a line."""
    image, path, state, size, runs, defects, error = values
    return Entry(
        image=image,
        path=path,
        state=None if state is None else (state[0], state[1]),
        size=None if size is None else (size[0], size[1]),
        runs=runs,
        defects=[Defect(*each) for each in defects],
        error=error,
    )
