"""Searches as a page shows them: search.json, and the runs of its trials."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from steelexp.errors import UserError
from steelexp.progress import duration
from steelexp.records.search_file import FILE as SEARCH_FILE
from steelexp.records.search_file import SearchFile, SearchTrial, read_search_file
from steelexp.records.store import Epoch, RunFolder, walk


@dataclass(frozen=True)
class Search:
    """One folder with search.json.

    Attributes:
        path: Folder of the search.
        file: Contents of search.json; None where it cannot be read.
        problem: Reason why search.json cannot be read.
    """

    path: Path
    file: SearchFile | None
    problem: str = ""

    @property
    def name(self) -> str:
        """Name of the spec, else of the folder above."""
        return self.file.name if self.file else self.path.resolve().parent.name

    @property
    def best(self) -> SearchTrial | None:
        """The best trial, None where none has finished."""
        return self.file.best_trial if self.file else None

    def count(self, status: str) -> int:
        """How many trials are finished, failed or running."""
        return sum(each.status == status for each in self.file.trials) if self.file else 0

    @property
    def budget(self) -> str:
        """What may be spent, in words."""
        return self.file.budget.words if self.file else ""

    @property
    def spent(self) -> str:
        """What has been spent, in words."""
        trials = self.file.trials if self.file else []
        epochs = sum(each.trained or 0 for each in trials)
        return f"{epochs} epochs in {duration(sum(each.seconds or 0 for each in trials))}"

    def run(self, trial: SearchTrial) -> RunFolder | None:
        """The run of a trial; None where its folder is gone or was never made."""
        folder = self.path / trial.folder if trial.folder else None
        return RunFolder(folder) if folder and (folder / "spec.yaml").is_file() else None

    def epochs(self, trial: SearchTrial) -> list[Epoch]:
        """Of a trial's run; none where they cannot be read."""
        folder = self.run(trial)
        try:
            return folder.epochs if folder else []
        except UserError:
            return []


def searches(root: Path) -> Iterator[Search]:
    """Every search below a folder; those set aside are left out."""
    for path, names in walk(root):
        if SEARCH_FILE not in names:
            continue
        try:
            yield Search(path, read_search_file(path))
        except UserError as error:
            yield Search(path, None, str(error))
