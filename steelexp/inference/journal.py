"""What was predicted, one line an image, so that a stopped job goes on.

A line is written when the image's mask and overlay are. Every table is made from these lines, in
the order of the images, so an interrupted job ends with the same files as an undisturbed one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from steelexp.inference.defects import Defect
from steelexp.inference.image_files import ImageFile
from steelexp.records.jsonl import JsonLines


class Entry(NamedTuple):
    """What came of one image.

    Attributes:
        image: its name.
        path: where it lay.
        state: its bytes and the time of its last change; None where it was not there.
        size: height and width in pixels; None where it could not be read.
        runs: class -> Kaggle's run-length code of its mask.
        defects: the components of all classes.
        error: why it could not be predicted; "" where it could.
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
        self._lines = JsonLines(
            self.file, parse=_entry, noun="an image's prediction", fix="begin anew with --fresh"
        )
        for line in self._lines.read():
            self._places[line.entry.image] = line.start

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
        return self._lines.entry_at(self._places[image.name]).state == state

    def append(self, entry: Entry) -> None:
        """Add a line."""
        self._places[entry.image] = self._lines.append(entry)

    def entries(self, images: Sequence[ImageFile]) -> Iterator[Entry]:
        """The last line of each image, in this order."""
        for image in images:
            yield self._lines.entry_at(self._places[image.name])


def _entry(values: Any) -> Entry:
    """The entry of a line."""
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
