"""The run folder: written beside and renamed, appended to, never taken back.

runs/b4_dice/3f9c1a7e/
  spec.yaml  environment.json  changes.patch   what was run
  images.csv  split.csv  split.json            on which images, and what crosses the split
  run.json                                     the digest, and the hashes of these files
  epochs.jsonl                                 one line an epoch, appended and flushed
  journal.jsonl  sent.json  alerts.jsonl       what is tracked, and what of it Comet has
  weights/  overlays/  comet/  tracked/        what came out, and files to be sent
  image_scores.parquet  evaluation.json  plots/       how it was evaluated
  review/  registered/                         what a reviewer sees, the network for others
  thumbnails.json                              overlays for a page of many runs
  evaluations/                                 the same in other ways, when asked
  profile.csv                                  seconds of each epoch, when asked
  record.json                                  the last act, with the hashes of what came out

`file` returns the path of a file that is what the run wrote, or says what is wrong.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from pydantic import TypeAdapter

from steelexp.command_line import command_line
from steelexp.errors import UserError
from steelexp.file_lock import LockedError, file_lock
from steelexp.file_names import short_name
from steelexp.progress import say
from steelexp.records.atomic import make_folder, write_atomically
from steelexp.records.jsonl import JsonLines
from steelexp.records.record import Record, read_record, write_record
from steelexp.records.run_file import FILE as RUN_FILE
from steelexp.records.run_file import check_hash, hashes_of, read_run_file, way_out, write_run_file

RECORD: Final = "record.json"
EPOCHS: Final = "epochs.jsonl"
EVALUATION: Final = ("image_scores.parquet", "evaluation.json")
"""The files of an evaluation."""

PRODUCTS: Final = (EPOCHS, *EVALUATION)
"""What came out of a run, in files whose hashes its record has."""


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
        usage: "training_seconds", without validation; "peak_memory_gib" and "peak_gpu_memory_gib",
            the most that this process has held so far.
    """

    epoch: int
    step: int
    seconds: float
    metrics: dict[str, float]
    usage: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RunFolder:
    """Where one run is kept."""

    path: Path

    @property
    def digest(self) -> str:
        """Digest of the run; empty where the folder describes none yet."""
        run_file = read_run_file(self.path)
        return "" if run_file is None else run_file.digest

    @property
    def record(self) -> Record | None:
        """The record of a finished run; None before.

        Raises:
            UserError: It is not a record, another version wrote it, or it is of another run.
        """
        file = self.path / RECORD
        if not file.is_file():
            return None
        record = read_record(file)
        if record.digest != self.digest:
            raise UserError(
                f"{file}: of the run {record.digest}, and {RUN_FILE} is "
                f"{f'of {self.digest}' if self.digest else 'missing'}; restore the files of one "
                f"run, or remove the file of another run and go on: {self.go_on}"
            )
        return record

    @property
    def go_on(self) -> str:
        """The command that goes on with this run, wherever its folder lies."""
        return command_line("run", self.path)

    @property
    def is_finished(self) -> bool:
        """Whether there is a record, be it damaged."""
        return (self.path / RECORD).is_file()

    def finish(self, record: Record) -> Record:
        """Write the record of a finished run, with the hashes of what came out."""
        record = record.model_copy(update={"files": hashes_of(self.path, PRODUCTS)})
        write_record(self.path / RECORD, record)
        return record

    def describe(self, digest: str, texts: Mapping[str, str]) -> None:
        """Write the files that describe the run, and run.json last.

        Where run.json is of this run, only the files that are no longer what it says are written,
        and a line names them.

        Args:
            digest: Digest of the run.
            texts: Name -> text of each file.
        """
        hashes = self._described_files(digest)
        news = {name: text for name, text in texts.items() if not self._is_whole(name, hashes)}
        for name, text in news.items():
            if name in hashes:
                say(f"{self.path / name}: damaged; written again")
            self.write(name, text)
        if news or not hashes:
            write_run_file(self.path, digest, hashes | hashes_of(self.path, news))

    def is_described(self, digest: str, names: Iterable[str]) -> bool:
        """Whether run.json is of a run, and the files that describe it are whole.

        Args:
            digest: Digest of the run.
            names: Names of the files.
        """
        try:
            run_file = read_run_file(self.path)
        except UserError:
            return False
        if run_file is None or run_file.digest != digest:
            return False
        return all(self._is_whole(name, run_file.files) for name in names)

    def file(self, name: str) -> Path:
        """The path of a file that is what the run wrote.

        Args:
            name: Name of a file that describes the run, or that came out.

        Raises:
            UserError: It cannot be read or is damaged.
        """
        if name in PRODUCTS and (record := self.record) is not None:
            hashes = record.files
            again = f"evaluate the run again: {command_line('evaluate', self.path)}"
            fix = way_out(self.path) if name == EPOCHS else again
        else:
            run_file = read_run_file(self.path)
            hashes = {} if run_file is None else run_file.files
            fix = way_out(self.path)
        return check_hash(self.path / name, hashes.get(name), fix=fix)

    def is_whole(self, name: str) -> bool:
        """Whether a file is there and is what the run wrote."""
        try:
            self.file(name)
        except UserError:
            return False
        return (self.path / name).is_file()

    def _described_files(self, digest: str) -> dict[str, str]:
        """The hashes of run.json; none where it is missing, damaged or of another run."""
        try:
            run_file = read_run_file(self.path)
        except UserError as error:
            say(f"{str(error).removesuffix(f'; {way_out(self.path)}')}; written again")
            return {}
        return run_file.files if run_file is not None and run_file.digest == digest else {}

    def _is_whole(self, name: str, hashes: Mapping[str, str]) -> bool:
        try:
            check_hash(self.path / name, hashes.get(name), fix="")
        except UserError:
            return False
        return name in hashes

    def finished_record(self) -> Record:
        """The record of a finished run.

        Raises:
            UserError: The run is unfinished, or the record cannot be read.
        """
        if (record := self.record) is None:
            raise UserError(f"{self.path}: unfinished; go on with: {self.go_on}")
        return record

    @property
    def epochs(self) -> list[Epoch]:
        """The epochs so far."""
        if self.is_finished or self.epochs_file.exists():
            self.file(EPOCHS)
        return read_epochs(self.path)

    @property
    def last_weights(self) -> Path:
        """Weights and optimizer state after the last epoch."""
        return self.path / "weights" / "last.h5"

    @property
    def previous_weights(self) -> Path:
        """The same after the epoch before."""
        return self.path / "weights" / "previous.h5"

    @property
    def best_weights(self) -> Path:
        """The same after the best epoch."""
        return self.path / "weights" / "best.h5"

    def overlay(self, epoch: int, image: str) -> Path:
        """The picture of one image after one epoch; folders in its name are joined by __."""
        return self.path / "overlays" / f"epoch_{epoch:03d}" / _png_name(image)

    def bare_image(self, image: str) -> Path:
        """The image of overlays without truth and prediction."""
        return self.path / "overlays" / "images" / _png_name(image)

    def overlays(self, epoch: int) -> list[Path]:
        """The pictures that were drawn after an epoch."""
        return sorted(self.overlay(epoch, "any").parent.glob("*.png"))

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the folder for this process; the kernel lets go when the process ends.

        Raises:
            BusyError: another process holds it.
        """
        make_folder(self.path)
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
        _epoch_lines(self).append(asdict(epoch))

    @property
    def epochs_file(self) -> Path:
        """The file of the epochs."""
        return self.path / EPOCHS

    def rewrite_epochs(self, epochs: Sequence[Epoch]) -> Path | None:
        """Write epochs.jsonl anew; return where the old one is kept."""
        lines = _epoch_lines(self)
        aside = lines.keep_aside() if self.epochs_file.exists() else None
        lines.rewrite(map(asdict, epochs))
        return aside

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


def _png_name(image: str) -> str:
    stem = PurePosixPath(image).with_suffix("").as_posix().replace("/", "__")
    return f"{short_name(stem)}.png"


def read_epochs(folder: Path) -> list[Epoch]:
    """The epochs of a run, in order.

    Raises:
        DamageError: A line is not the epoch that has to follow.
    """
    lines = _epoch_lines(RunFolder(folder))
    epochs: list[Epoch] = []
    for line in lines.read():
        if line.entry.epoch != len(epochs) + 1:
            why = f"epoch {line.entry.epoch} after {len(epochs)}"
            raise lines.damage(line.start, why)
        epochs.append(line.entry)
    return epochs


def _epoch_lines(folder: RunFolder) -> JsonLines[Epoch]:
    return JsonLines(
        folder.epochs_file,
        parse=TypeAdapter(Epoch).validate_python,
        noun="an epoch",
        fix=way_out(folder.path),
        identity=folder.digest,
    )


def is_run_folder(path: Path) -> bool:
    """Whether a folder holds a run, rather than specs to run."""
    wanted = ("spec.yaml", RUN_FILE, RECORD, EPOCHS)
    # Path.is_file raises for long names.
    return is_run(frozenset(name for name in wanted if os.path.isfile(path / name)))  # noqa: PTH113


def is_run(names: frozenset[str]) -> bool:
    """Whether files of these names make a folder a run."""
    return "spec.yaml" in names and not names.isdisjoint((RUN_FILE, RECORD, EPOCHS))


def run_folders(root: Path) -> Iterator[RunFolder]:
    """Every run below a folder, or the folder itself if it is one; runs set aside are left out."""
    if (root / "spec.yaml").is_file():
        yield RunFolder(root)
        return
    yield from (RunFolder(path) for path, names in walk(root) if "spec.yaml" in names)


def walk(root: Path) -> Iterator[tuple[Path, frozenset[str]]]:
    """Every folder below a folder, and itself, with the names of its files, by name.

    Nothing within a run folder is visited: overlays and weights of thousands of runs would take
    seconds. Runs and searches set aside are left out.
    """
    for folder, below, files in os.walk(root):
        names = frozenset(files)
        below[:] = [] if is_run(names) else sorted(name for name in below if ".old-" not in name)
        yield Path(folder), names
