"""Journal of a prediction: one line per image, so that a stopped job can resume.

A line is written after the image's mask and overlay. All tables are written from these lines in the
order of the images, so an interrupted job ends with the same files as an undisturbed one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from steelexp.data.content import file_hashes, is_readable
from steelexp.errors import UserError
from steelexp.inference.defects import Defect
from steelexp.inference.image_files import ImageFile
from steelexp.records.jsonl import JsonLines


class Entry(NamedTuple):
    """The prediction of one image.

    Attributes:
        image: Name of the image.
        path: Path of the image.
        content: Hash of the content of the file; None if it could not be read.
        size: Height and width in pixels; None if the image could not be read.
        runs: Run-length code of the mask, by class name.
        defects: Defects of all classes.
        error: Reason why the image could not be predicted; "" if it could.
        files: Hash of each file with a picture of the result, by its path below the folder.
        image_scores: Image score of each class; empty without a classification head.
    """

    image: str
    path: str
    content: str | None
    size: tuple[int, int] | None
    runs: Mapping[str, str]
    defects: Sequence[Defect]
    error: str = ""
    files: Mapping[str, str] = {}
    image_scores: Mapping[str, float] = {}


@dataclass
class PredictionJournal:
    """The journal of one job.

    Attributes:
        file: Path of the journal.
        identity: Identity of the prediction, from `results_folder.identity`.
    """

    file: Path
    identity: str
    _offsets: dict[str, int] = field(default_factory=dict)  # position of each image's last line

    def __post_init__(self) -> None:
        self._lines = prediction_lines(self.file, self.identity)
        for line in self._lines.read():
            self._offsets[line.entry.image] = line.start

    def names(self) -> set[str]:
        """Names of the images with a line."""
        return set(self._offsets)

    def remaining(self, images: Sequence[ImageFile]) -> list[ImageFile]:
        """The images without a line, and those whose content has changed since.

        Raises:
            UserError: The line of an image is about another image of this name in another folder,
                whose results would be overwritten.
        """
        changed = self.changed(images)
        for image in changed:
            before = self.entry(image.name).path
            if Path(before).absolute() != image.path.absolute():
                raise UserError(
                    f"{self.file.parent}: holds the results of {before}, which "
                    f"{image.path} would overwrite; give --out another folder, or --fresh"
                )
        predicted = self.names() - {image.name for image in changed}
        return [image for image in images if image.name not in predicted]

    def changed(self, images: Sequence[ImageFile]) -> list[ImageFile]:
        """The images with a line whose content has changed since."""
        entered = [image for image in images if image.name in self._offsets]
        readable = [image.path for image in entered if is_readable(image.path)]
        hashes = dict(zip(readable, file_hashes(readable), strict=True))
        return [
            image for image in entered if self.entry(image.name).content != hashes.get(image.path)
        ]

    def broken(self, images: Sequence[ImageFile]) -> list[ImageFile]:
        """The images with a line whose mask or overlay is missing or not the one that was written.

        The hashes are remembered until a file changes: 12,500 overlays are gigabytes.
        """
        files_by_image = {
            image: {
                self.file.parent / name: digest
                for name, digest in self.entry(image.name).files.items()
            }
            for image in images
            if image.name in self._offsets
        }
        paths = [path for files in files_by_image.values() for path in files if is_readable(path)]
        hashes = dict(zip(paths, file_hashes(paths), strict=True))
        return [
            image
            for image, files in files_by_image.items()
            if any(hashes.get(path) != digest for path, digest in files.items())
        ]

    def append(self, entry: Entry) -> None:
        """Add a line."""
        self._offsets[entry.image] = self._lines.append(entry._asdict())

    def entry(self, image: str) -> Entry:
        """The last entry of an image."""
        return self._lines.entry_at(self._offsets[image])

    def entries(self, images: Sequence[ImageFile]) -> Iterator[Entry]:
        """The last entry of each image, in this order; its folder may have been moved since."""
        for image in images:
            yield self.entry(image.name)._replace(path=str(image.path))


def prediction_lines(file: Path, identity: str) -> "JsonLines[Entry]":
    """The lines of a prediction's journal.

    Args:
        file: Path of the journal.
        identity: Identity of the prediction, from `results_folder.identity`.
    """
    return JsonLines(
        file,
        parse=_entry,
        noun="an image's prediction",
        fix="begin anew with --fresh",
        identity=identity,
    )


_ENTRY = TypeAdapter(Entry)


def _entry(values: Any) -> Entry:
    """Parse the values of a line."""
    return _ENTRY.validate_python(values)
