"""Labelled images on their way into a data set."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from steelexp.data.dataset import Bits, Dataset


class Addition(NamedTuple):
    """Images and labels to add to a data set.

    Attributes:
        root: Root folder of the data set.
        incoming: Labelled images, with the classes of the data set.
        existing: The data set, all of its images.
        new: Row of each new image -> its name in the data set.
        changed: Row of each image with other labels -> its row in the data set.
    """

    root: Path
    incoming: Dataset
    existing: Dataset
    new: dict[int, str]
    changed: dict[int, int]

    def labels(self) -> Iterator[tuple[str, Bits]]:
        """Name in the data set and mask of each image whose labels are written."""
        for row, name in self.new.items():
            yield name, self.incoming.mask(row)
        for row, other in self.changed.items():
            yield self.existing.names[other], self.incoming.mask(row)

    def images(self) -> Iterator[tuple[str, Path]]:
        """Path below the root and file of each new image."""
        for row, name in self.new.items():
            yield str(PurePosixPath(self.images_folder, name)), self.incoming.paths[row]

    @property
    def images_folder(self) -> str:
        """Folder below the root that the names of the images start from."""
        depth = len(PurePosixPath(self.existing.names[0]).parts)
        folder = self.existing.paths[0].parents[depth - 1]
        return folder.relative_to(self.root).as_posix()

    def shared_stems(self, what: str) -> list[str]:
        """Problems of new images that differ from another image in their suffix only.

        Args:
            what: File that both would share, such as "mask".
        """
        by_stem = {str(PurePosixPath(name).with_suffix("")): name for name in self.existing.names}
        problems = []
        for name in self.new.values():
            stem = str(PurePosixPath(name).with_suffix(""))
            if (other := by_stem.setdefault(stem, name)) != name:
                problems.append(f"{name}: {other} has the same {what}; name it with --prefix")
        return problems

    @property
    def dataset(self) -> Dataset:
        """The images whose labels are written, under their names in the data set."""
        rows = [*self.new, *self.changed]
        names = [
            *self.new.values(),
            *(self.existing.names[other] for other in self.changed.values()),
        ]
        values = {field.name: getattr(self.incoming, field.name) for field in fields(Dataset)} | {
            "names": tuple(names),
            "paths": tuple(self.incoming.paths[row] for row in rows),
            "image_hashes": tuple(self.incoming.image_hashes[row] for row in rows),
            "label_hashes": tuple(self.incoming.label_hashes[row] for row in rows),
            "sizes": self.incoming.sizes[rows],
            "pixels": self.incoming.pixels[rows],
            "read_mask": lambda row: self.incoming.mask(rows[row]),
        }
        return Dataset(**values)
