"""Simulated power cuts: what a disk may hold when the power fails at any moment of a program.

    with record(folder) as trace:
        ...  # writes below the folder
    for cut in trace.cuts(np.random.default_rng(0), 500):
        cut.restore(another_folder)

The recorder notes each write, rename and removal, and each fsync of a file or a folder. A write is
certain to survive once its file was fsynced, and a name once its folder was, as POSIX has it. Of
the rest, each may survive, or not, or by half: a file may keep its old content, have a part of the
new one, or zeros in the place of blocks; names may be lost in any order.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np

_BLOCK = 512


class Step(NamedTuple):
    """One step of a program on the disk.

    Attributes:
        kind: write, name, move, sync_file, sync_folder or mark.
        path: Path below the folder; of a mark, what was reached.
        inode: Number of the file; None where a name is removed.
        content: Content of a file that was written; earlier path of a folder that was moved.
    """

    kind: str
    path: str
    inode: int | None = None
    content: bytes = b""


@dataclass
class Cut:
    """What is on the disk after a power cut.

    Attributes:
        files: Path below the folder -> content.
        marks: What the program had reached, in order.
        after: Last step before the cut, for messages.
    """

    files: dict[str, bytes]
    marks: list[str]
    after: str

    def restore(self, folder: Path) -> None:
        """Write the files below another folder."""
        for path, content in self.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)


@dataclass
class Trace:
    """The steps of a program below a folder."""

    folder: Path
    steps: list[Step] = field(default_factory=list)
    _names: dict[str, int] = field(default_factory=dict)
    _states: dict[int, tuple[int, int]] = field(default_factory=dict)
    _lock: Any = None  # of threads that write at the same time; a pickle has none

    def mark(self, what: str) -> None:
        """Note that the program has acknowledged something."""
        self.look()
        self.steps.append(Step("mark", what))

    def look(self) -> None:
        """Note what was written and named since the last look."""
        with self._lock or contextlib.nullcontext():
            self._look()

    def _look(self) -> None:
        found = {}
        for path in sorted(self.folder.rglob("*")):
            if not path.is_file():
                continue
            try:
                status = path.stat()
            except FileNotFoundError:  # another thread has just renamed it
                continue
            name = path.relative_to(self.folder).as_posix()
            found[name] = status.st_ino
            if self._names.get(name) != status.st_ino:
                self.steps.append(Step("name", name, status.st_ino))
            state = (status.st_mtime_ns, status.st_size)
            if self._states.get(status.st_ino) != state:
                self._states[status.st_ino] = state
                self.steps.append(Step("write", name, status.st_ino, path.read_bytes()))
        for name in self._names.keys() - found.keys():
            self.steps.append(Step("name", name))
        self._names = found

    def move(self, source: Path, target: Path) -> None:
        """Note that a folder has another name; the names in it follow."""
        before, after = (path.relative_to(self.folder).as_posix() for path in (source, target))
        self.steps.append(Step("move", after, None, before.encode()))
        self._names = {_moved(name, before, after): n for name, n in self._names.items()}

    def sync(self, number: int) -> None:
        """Note the fsync of a file descriptor."""
        self.look()
        path = Path(f"/proc/self/fd/{number}").readlink()
        if path != self.folder and self.folder not in path.parents:
            return
        name = path.relative_to(self.folder).as_posix()
        kind = "sync_folder" if path.is_dir() else "sync_file"
        self.steps.append(Step(kind, name, os.fstat(number).st_ino))

    def cuts(self, rng: np.random.Generator, count: int) -> Iterator[Cut]:
        """Random power cuts, evenly spread over the steps."""
        for place in np.linspace(0, len(self.steps), count).round().astype(int):
            yield self.cut(int(place), rng)

    def cut(self, place: int, rng: np.random.Generator) -> Cut:
        """A power cut after a number of steps."""
        disk = _Disk()
        for step in self.steps[:place]:
            disk.take(step)
        after = " ".join(self.steps[place - 1][:2]) if place else "the start"
        marks = [step.path for step in self.steps[:place] if step.kind == "mark"]
        return Cut(disk.after_cut(rng), marks, after)


class _Disk:
    """What is certain on a disk, and what is not."""

    def __init__(self) -> None:
        self._names: dict[str, int] = {}
        self._content: dict[int, bytes] = {}
        self._new_names: list[Step] = []
        self._new_content: dict[int, bytes] = {}

    def take(self, step: Step) -> None:
        if step.kind == "write" and step.inode is not None:
            self._new_content[step.inode] = step.content
        elif step.kind in ("name", "move"):
            self._new_names.append(step)
        elif step.kind == "sync_file" and step.inode in self._new_content:
            self._content[step.inode] = self._new_content.pop(step.inode)
        elif step.kind == "sync_folder":
            of_folder = [s for s in self._new_names if Path(s.path).parent == Path(step.path)]
            self._new_names = [s for s in self._new_names if s not in of_folder]
            for new in of_folder:
                _name(self._names, new)

    def after_cut(self, rng: np.random.Generator) -> dict[str, bytes]:
        names = dict(self._names)
        for step in self._new_names:
            if rng.random() < 0.5:
                _name(names, step)
        return {path: self._survivor(inode, rng) for path, inode in names.items()}

    def _survivor(self, inode: int, rng: np.random.Generator) -> bytes:
        old = self._content.get(inode, b"")
        if inode not in self._new_content:
            return old
        new = self._new_content[inode]
        length = int(rng.integers(len(new) + 1))
        at = int(rng.integers(len(new) // _BLOCK + 1)) * _BLOCK
        if old == new[: len(old)]:  # blocks before what was appended are not written again
            length = max(length, len(old))
            at = max(at, len(old))
        zeros = new[:at] + bytes(len(new[at : at + _BLOCK])) + new[at + _BLOCK :]
        choices = (old, new, new[:length], zeros)
        return choices[int(rng.integers(len(choices)))]


def _moved(name: str, before: str, after: str) -> str:
    return after + name.removeprefix(before) if name.startswith(f"{before}/") else name


def _name(names: dict[str, int], step: Step) -> None:
    if step.kind == "move":
        moved = {_moved(n, step.content.decode(), step.path): i for n, i in names.items()}
        names.clear()
        names.update(moved)
    elif step.inode is None:
        names.pop(step.path, None)
    else:
        names[step.path] = step.inode


@contextmanager
def record(folder: Path) -> Iterator[Trace]:
    """Record what this process does on the disk below a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    trace = Trace(folder.resolve(), _lock=threading.RLock())

    def before(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            trace.look()
            result = function(*args, **kwargs)
            trace.look()
            return result

        return wrapper

    def renaming(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(source: Any, target: Any, **kwargs: Any) -> Any:
            trace.look()
            paths = [Path(path).absolute() for path in (source, target)]
            is_inside = all(trace.folder in path.parents for path in paths)
            is_folder = is_inside and paths[0].is_dir()
            result = function(source, target, **kwargs)
            if is_folder:
                trace.move(*paths)
            trace.look()
            return result

        return wrapper

    def fsync(number: int) -> None:
        trace.sync(number)

    changes = {name: renaming(getattr(os, name)) for name in ("replace", "rename")}
    changes["unlink"] = before(os.unlink)
    with mock.patch.multiple(os, fsync=fsync, **changes):
        yield trace
        trace.look()
    trace._lock = None
