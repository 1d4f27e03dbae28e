"""Events about what a run was, beside its metrics: code, packages, console, plots, scores, page."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from steelexp.progress import take_printed
from steelexp.records import image_scores
from steelexp.tracking.attachments import (
    TRIAL_PARTS,
    Part,
    keep_file,
    write_scores,
    write_source,
)
from steelexp.tracking.journal import Event, New, file_entry
from steelexp.tracking.results import PLOTS, last_epoch
from steelexp.tracking.run_events import NATIVE, Warnings
from steelexp.tracking.tracker import TrackedRun

CONSOLE_CHARACTERS: Final = 1 << 20
"""Most characters of a run's console; what is printed later is left out."""


class Details:
    """Details of one run.

    Args:
        run: The run.
        parts: Parts that the tracker adds; a trial of a search has none outside `TRIAL_PARTS`.
        warnings: Function that turns errors into warnings.
    """

    def __init__(self, run: TrackedRun, parts: Sequence[Part], warnings: Warnings) -> None:
        self._run = run
        self._parts = [p for p in parts if run.trial is None or p in TRIAL_PARTS]
        self._warnings = warnings
        self._is_console_full = False

    def wants(self, part: Part) -> bool:
        """Whether a part is wanted."""
        return part in self._parts

    def opening(self) -> Iterator[New]:
        """What is known before the first epoch."""
        run = self._run
        git = {name: run.git[name] for name in NATIVE if name in run.git}
        packages = []
        if self.wants("packages"):
            packages = [f"{name}=={version}" for name, version in sorted(run.packages.items())]
        if git or packages:
            yield "code", {"git": git, "packages": packages}
        if self.wants("source"):
            with self._warnings("source left out: "):
                yield "asset", file_entry(write_source(run.folder), run.folder)

    def console(self, events: Sequence[Event]) -> Iterator[New]:
        """What was printed since the last call.

        Args:
            events: Events of the run so far.
        """
        lines = take_printed()
        if not lines or not self.wants("console"):
            return
        earlier = [event.content["text"] for event in events if event.kind == "console"]
        room = CONSOLE_CHARACTERS - sum(map(len, earlier))
        text = "".join(f"{line}\n" for line in lines)
        with self._warnings("rest of the console left out: "):
            self._is_console_full = self._is_console_full or len(text) > room
            if self._is_console_full:
                raise ValueError(f"over {CONSOLE_CHARACTERS} characters")
            number = 1 + sum(each.count("\n") for each in earlier)
            yield "console", {"line": number, "text": text}

    def evaluation(self, events: Sequence[Event]) -> Iterator[New]:
        """Plots and scores of the images, from the files of the evaluation."""
        folder = self._run.folder
        last = last_epoch(events)
        place = {"epoch": last["epoch"], "step": last["step"], "layers": None}
        for name, title in PLOTS.items():
            path = folder / "plots" / f"{name}.png"
            if self.wants("plots") and path.is_file():
                with self._warnings("left out: "):
                    file = file_entry(keep_file(path, folder), folder)
                    yield "picture", {**place, "name": title, **file}
        if self.wants("scores") and (folder / image_scores.FILE).exists():
            with self._warnings("scores of the images left out: "):
                yield "asset", file_entry(write_scores(folder), folder)

    def page(self, path: Path) -> Iterator[New]:
        """The page of the run."""
        if self.wants("page"):
            with self._warnings("page left out: "):
                yield "asset", file_entry(keep_file(path, self._run.folder), self._run.folder)
