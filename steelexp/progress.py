"""Messages of a run: a progress bar with the time left in a terminal, plain lines elsewhere."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import StringIO
from typing import Any, Protocol

from rich.box import HEAVY_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from steelexp.terminal import visible


class _Console(Console):
    def render_str(self, text: str, **options: Any) -> Text:
        """Render a string, a cell or a title in visible form."""
        return super().render_str(visible(text), **options)

    def on_broken_pipe(self) -> None:
        """Leave the error to the command line, which knows the exit code."""
        raise  # Rich calls this where it has caught the error


CONSOLE = _Console(highlight=False, markup=False, soft_wrap=True, emoji=False)


class Advance(Protocol):
    """Reports the progress of a piece of work."""

    def __call__(self, done: int, note: str = "") -> None:
        """Report that `done` steps are done, with a note."""


LONG = 200
"""Rows of a table that Rich lays out in full; of more, it would take seconds."""

PRINTED: deque[str] = deque(maxlen=10_000)
"""Lines that were printed and nobody took; of more, the latest."""


def say(*lines: str) -> None:
    """Print lines; what a terminal would obey in them is spelled out."""
    for line in lines:
        CONSOLE.print(line)
        PRINTED.append(visible(line))


def show(table: Table) -> None:
    """Print a table, folded to the width of a terminal; in full width elsewhere."""
    if len(table.rows) > LONG and not any(row.end_section or row.style for row in table.rows):
        _show_long(table)
        return
    width = CONSOLE.measure(table, options=CONSOLE.options.update(max_width=1000)).maximum
    text = StringIO()
    plain = _Console(file=text, highlight=False, markup=False, emoji=False, width=width)
    plain.print(table)
    PRINTED.extend(text.getvalue().splitlines())
    if not CONSOLE.is_terminal:
        table.width = width
    CONSOLE.print(table)


def _show_long(table: Table) -> None:
    """Print a table of many rows: Rich lays out its head and its widest cells, 1.5 ms a row."""
    columns = [[visible(str(cell)) for cell in column.cells] for column in table.columns]
    frame = Table(
        title=table.title, title_justify=table.title_justify, title_style=table.title_style
    )
    for column in table.columns:
        frame.add_column(column.header, justify=column.justify, overflow=column.overflow)
    frame.add_row(*(max(cells, key=cell_len) for cells in columns))
    width = CONSOLE.measure(frame, options=CONSOLE.options.update(max_width=1000)).maximum
    if CONSOLE.is_terminal and width > CONSOLE.width:
        CONSOLE.print(table)  # cells have to be folded
        return
    frame.width = width
    with CONSOLE.capture() as capture:
        CONSOLE.print(frame)
    *head, _, foot = capture.get().splitlines()
    box = (frame.box or HEAVY_HEAD).substitute(CONSOLE.options)
    widths = [
        max(map(cell_len, (visible(str(column.header)), *cells)))
        for column, cells in zip(table.columns, columns, strict=True)
    ]
    padded = [
        [_padded(cell, wide, column.justify == "right") for cell in cells]
        for cells, wide, column in zip(columns, widths, table.columns, strict=True)
    ]
    rows = (f" {box.mid_vertical} ".join(row) for row in zip(*padded, strict=True))
    lines = [*head, *(f"{box.mid_left} {row} {box.mid_right}" for row in rows), foot]
    PRINTED.extend(lines)
    CONSOLE.file.write("\n".join([*lines, ""]))
    CONSOLE.file.flush()


def _padded(cell: str, width: int, right: bool) -> str:
    room = " " * (width - cell_len(cell))
    return f"{room}{cell}" if right else f"{cell}{room}"


def take_printed() -> list[str]:
    """The lines that were printed since the last call."""
    lines = []
    with suppress(IndexError):
        while True:
            lines.append(PRINTED.popleft())
    return lines


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
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=CONSOLE, transient=True) as bar:
        task = bar.add_task(visible(label), total=total, note="")
        yield lambda done, note="": bar.update(task, completed=done, note=visible(note))


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
