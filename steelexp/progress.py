"""What a run says while it runs: a bar with the time left in a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave the error to the command line, which knows the exit code."""
        raise  # Rich calls this where it has caught the error


CONSOLE = _Console(highlight=False, soft_wrap=True, emoji=False)


class Advance(Protocol):
    """Tells how far a piece of work is."""

    def __call__(self, done: int, note: str = "") -> None:
        """`done` of the total, and a word about it."""


def say(text: str) -> None:
    """One line, as it stands."""
    CONSOLE.print(text, markup=False)


def show(table: Table) -> None:
    """Print a table, folded to the width of a terminal; in full width elsewhere."""
    if not CONSOLE.is_terminal:
        table.width = CONSOLE.measure(table, options=CONSOLE.options.update(max_width=1000)).maximum
    CONSOLE.print(table)


@contextmanager
def steps(label: str, total: int, *, every: float = 60.0) -> Iterator[Advance]:
    """Show the progress of `total` steps.

    Args:
        label: Text before the bar.
        total: Number of steps.
        every: Seconds between two plain lines where there is no terminal.
    """
    if CONSOLE.is_terminal:
        with _bar(label, total) as advance:
            yield advance
    else:
        yield _lines(label, total, every)


@contextmanager
def _bar(label: str, total: int) -> Iterator[Advance]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=CONSOLE, transient=True) as bar:
        task = bar.add_task(label, total=total, note="")
        yield lambda done, note="": bar.update(task, completed=done, note=note)


def _lines(label: str, total: int, every: float) -> Advance:
    started = last_line = time.monotonic()

    def advance(done: int, note: str = "") -> None:
        nonlocal last_line
        now = time.monotonic()
        if now - last_line >= every and 0 < done < total:
            last_line = now
            left = duration((now - started) / done * (total - done))
            say(f"{label}  {done}/{total}  {left} left  {note}".rstrip())

    return advance


def duration(seconds: float) -> str:
    """Seconds in words: 48 s, 7 min, 2 h 5 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
