"""The run folder: written beside and renamed, appended to, never taken back.

runs/b4_dice/3f9c1a7e/
  spec.yaml  environment.json  changes.patch   what was run
  images.csv  split.csv  split.json            on which images, and what crosses the split
  epochs.jsonl                                 one line an epoch, appended and flushed
  journal.jsonl  sent.json                     what is tracked, and what of it Comet has
  weights/  overlays/  comet/                  what came out
  image_scores.parquet  evaluation.json  plots/       how it was evaluated
  evaluations/                                 the same in other ways, when asked
  record.json                                  the last act
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from pydantic import TypeAdapter

from steelexp.errors import UserError
from steelexp.file_lock import LockedError, file_lock
from steelexp.file_names import short_name
from steelexp.records.atomic import write_atomically
from steelexp.records.jsonl import JsonLines
from steelexp.records.record import Record, read_record


class BusyError(UserError):
    """Another process is at work in the run folder."""


@dataclass(frozen=True)
class Epoch:
    """What one epoch left behind.

    Attributes:
        epoch: counted from 1.
        step: optimizer steps so far.
        seconds: training and validation.
        metrics: "loss", "val_dice_positive", "val_dice_positive/1", ...
    """

    epoch: int
    step: int
    seconds: float
    metrics: dict[str, float]


@dataclass(frozen=True)
class RunFolder:
    """Where one run is kept."""

    path: Path

    @property
    def record(self) -> Record | None:
        """The record of a finished run; None before.

        Raises:
            UserError: it is not a record, or another version wrote it.
        """
        file = self.path / "record.json"
        if not file.is_file():
            return None
        return read_record(file)

    def finished_record(self) -> Record:
        """The record of a finished run.

        Raises:
            UserError: The run is unfinished, or the record cannot be read.
        """
        if (record := self.record) is None:
            raise UserError(f"{self.path}: unfinished; run its spec again to go on")
        return record

    @property
    def epochs(self) -> list[Epoch]:
        """The epochs so far."""
        return read_epochs(self.path)

    @property
    def last_weights(self) -> Path:
        """Weights and optimizer state after the last epoch."""
        return self.path / "weights" / "last.h5"

    @property
    def best_weights(self) -> Path:
        """The same after the best epoch."""
        return self.path / "weights" / "best.h5"

    def overlay(self, epoch: int, image: str) -> Path:
        """The picture of one image after one epoch; folders in its name are joined by __."""
        stem = PurePosixPath(image).with_suffix("").as_posix().replace("/", "__")
        return self.path / "overlays" / f"epoch_{epoch:03d}" / f"{short_name(stem)}.png"

    def overlays(self, epoch: int) -> list[Path]:
        """The pictures that were drawn after an epoch."""
        return sorted(self.overlay(epoch, "any").parent.glob("*.png"))

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the folder for this process; the kernel lets go when the process ends.

        Raises:
            BusyError: another process holds it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            try:
                stack.enter_context(file_lock(self.path / ".lock", wait=False))
            except LockedError:
                raise BusyError(
                    f"{self.path}: another process is running this experiment; wait for it or "
                    "stop it"
                ) from None
            yield

    def append(self, epoch: Epoch) -> None:
        """Add an epoch to epochs.jsonl."""
        _epoch_lines(self.path).append(asdict(epoch))

    def write(self, name: str, text: str) -> Path:
        """Write a text file atomically."""
        return write_atomically(self.path / name, text.encode())

    def set_aside(self) -> Path | None:
        """Rename the folder out of the way, if it is there, so that the run starts anew.

        Raises:
            BusyError: another process is at work in it.
        """
        if not self.path.exists():
            return None
        number = 1
        while (aside := self.path.with_name(f"{self.path.name}.old-{number}")).exists():
            number += 1
        with self.hold():
            self.path.rename(aside)
        return aside


def read_epochs(folder: Path) -> list[Epoch]:
    """The epochs of a run, in order.

    Raises:
        DamageError: A line is not the epoch that has to follow.
    """
    lines = _epoch_lines(folder)
    epochs: list[Epoch] = []
    for line in lines.read():
        if line.entry.epoch != len(epochs) + 1:
            why = f"epoch {line.entry.epoch} after {len(epochs)}"
            raise lines.damage(line.start, why)
        epochs.append(line.entry)
    return epochs


def _epoch_lines(folder: Path) -> JsonLines[Epoch]:
    return JsonLines(
        folder / "epochs.jsonl",
        parse=TypeAdapter(Epoch).validate_python,
        noun="an epoch",
        fix="restore this line, or run the spec again with --fresh",
    )


def run_folders(root: Path) -> Iterator[RunFolder]:
    """Every run below a folder, or the folder itself if it is one; runs set aside are left out."""
    if (root / "spec.yaml").is_file():
        yield RunFolder(root)
        return
    for spec in sorted(root.glob("**/spec.yaml")):
        if not any(".old-" in part for part in spec.relative_to(root).parts):
            yield RunFolder(spec.parent)
