"""Facts about files, such as their hashes, remembered between sessions.

<cache>/files.sqlite3   one row per file and fact: state of the file, fact as JSON, checksum

The checksum covers name, state and value. A damaged store is begun anew with a line; the check of
its order takes 20 ms for 25,000 rows.

A fact is remembered with the state of the file: size, inode, time of the last write, and time of
the last change of content or metadata, which no program can set. A file that was written in the
last two seconds is not remembered, because another write could leave the same times. Git treats
its index in the same way: https://git-scm.com/docs/racy-git.
"""

import json
import os
import sqlite3
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from steelexp.cores import available_cores
from steelexp.data.cache_root import CACHE_FIX, cache_root
from steelexp.data.data_error import DataError, raise_if
from steelexp.errors import reason
from steelexp.progress import say

STORE = "files.sqlite3"

_RACY_NS = 2_000_000_000
"""Age of a file from which its times tell every later write; FAT counts in two seconds."""

_TABLE = """CREATE TABLE IF NOT EXISTS facts (
    fact TEXT, folder BLOB, name BLOB, state TEXT, value TEXT, checksum INTEGER,
    PRIMARY KEY (fact, folder, name)) WITHOUT ROWID"""

_OBSTACLES = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
}
"""Codes of errors that do not come from damage."""

_WAIT_SECONDS = 10.0  # for another process that writes

_reported: set[Path] = set()  # stores that a line was printed about


class _File(NamedTuple):
    """A file as the store knows it; the state is None if the file does not exist."""

    folder: bytes
    name: bytes
    state: str | None
    is_old: bool


def remembered(paths: Sequence[Path], fact: str, compute: Callable[[Path], Any]) -> list[Any]:
    """A fact about each file, computed on all cores for the files that are new or have changed.

    Args:
        paths: Files.
        fact: Name of the fact with the version of its computation, such as "header 1".
        compute: Function path -> fact, a value that JSON can hold; tuples come back as lists.

    Returns:
        The facts in the order of the files.

    Raises:
        DataError: `compute` raised it for some files; all are listed.
    """
    files = _files(paths)
    values = _known_facts(fact, files)
    missing = [i for i in range(len(paths)) if i not in values]
    with ThreadPoolExecutor(available_cores()) as threads:
        results = list(threads.map(lambda i: _result(compute, paths[i]), missing))
    new = {
        i: result
        for i, result in zip(missing, results, strict=True)
        if not isinstance(result, DataError)
    }
    _remember(fact, files, new)
    raise_if([str(result) for result in results if isinstance(result, DataError)])
    values |= new
    return [values[i] for i in range(len(paths))]


def _result(compute: Callable[[Path], Any], path: Path) -> Any:
    try:
        return compute(path)
    except DataError as error:
        return error


def _files(paths: Iterable[Path]) -> list[_File]:
    """The state of each file, taken before it is read."""
    now = time.time_ns()
    folders: dict[bytes, bytes] = {}
    files = []
    for path in paths:
        folder, name = os.path.split(os.fsencode(path))  # bytes, since a name may be Latin-1
        if folder not in folders:
            folders[folder] = os.path.abspath(folder)  # noqa: PTH100  # bytes
        try:
            status = os.stat(path)  # noqa: PTH116  # a third of the time of Path.stat
        except OSError:
            files.append(_File(folders[folder], name, None, False))
            continue
        times = (status.st_mtime_ns, status.st_ctime_ns)
        state = f"{status.st_size} {status.st_dev} {status.st_ino} {times[0]} {times[1]}"
        is_old = times[1] < now - _RACY_NS and abs(now - times[0]) > _RACY_NS
        files.append(_File(folders[folder], name, state, is_old))
    return files


def _known_facts(fact: str, files: Sequence[_File]) -> dict[int, Any]:
    """The facts in the store about files in the same state, by number of the file."""
    store = cache_root() / STORE
    if not files or not store.is_file():
        return {}
    numbers: dict[bytes, dict[bytes, int]] = defaultdict(dict)
    for i, file in enumerate(files):
        numbers[file.folder][file.name] = i
    query = "SELECT name, state, value, checksum FROM facts WHERE fact = ? AND folder = ?"
    values: dict[int, Any] = {}
    try:
        with closing(_connect(store, "ro")) as connection:
            _check_order(connection)
            for folder, by_name in numbers.items():
                for name, state, value, checksum in connection.execute(query, (fact, folder)):
                    if checksum != _checksum(name, state, value):
                        raise ValueError(f"its line of {os.fsdecode(name)!r}")
                    i = by_name.get(name, -1)
                    if i >= 0 and state == files[i].state:
                        values[i] = json.loads(value)
    except (sqlite3.Error, UnicodeDecodeError, TypeError, ValueError) as error:
        if _is_obstacle(error):
            _say_once(store, f"cannot be read ({error})")
            return values
        _begin_anew(store, error)
        return {}
    return values


def _check_order(connection: sqlite3.Connection) -> None:
    """Check that rows can be found: one that is out of order hides others.

    Raises:
        ValueError: The store is damaged.
    """
    (answer, *_) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if answer != "ok":
        raise ValueError(answer)


def _is_obstacle(error: Exception) -> bool:
    """Whether an error is about the way to a store: a lock, a permission, a full disk."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _OBSTACLES


def _begin_anew(store: Path, error: Exception) -> None:
    """Remove a damaged store, with a line."""
    _say_once(store, f"damaged ({reason(error)}), so it is begun anew")
    store.unlink(missing_ok=True)
    store.with_name(f"{store.name}-journal").unlink(missing_ok=True)


def _remember(fact: str, files: Sequence[_File], new: Mapping[int, Any]) -> None:
    """Write new facts to the store; a store that cannot be written is said once."""
    store = cache_root() / STORE
    rows = []
    for i, result in new.items():
        file = files[i]
        if file.is_old and file.state is not None:
            value = json.dumps(result)
            checksum = _checksum(file.name, file.state, value)
            rows.append((fact, file.folder, file.name, file.state, value, checksum))
    if not rows:
        return
    try:
        store.parent.mkdir(parents=True, exist_ok=True)
        with closing(_connect(store, "rwc")) as connection, connection:  # one transaction
            connection.execute(_TABLE)
            connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?, ?, ?)", rows)
    except (sqlite3.Error, OSError) as error:
        if isinstance(error, OSError) or _is_obstacle(error):
            _say_once(store, f"cannot be written ({reason(error)}); {CACHE_FIX}")
        else:
            _begin_anew(store, error)


def _connect(store: Path, mode: str) -> sqlite3.Connection:
    address = f"file:{quote(os.fsencode(store.absolute()))}?mode={mode}"
    return sqlite3.connect(address, uri=True, timeout=_WAIT_SECONDS)


def _say_once(store: Path, problem: str) -> None:
    if store not in _reported:
        _reported.add(store)
        say(f"{store}: {problem}; the files of the data set are read again")


def _checksum(name: bytes, state: str, value: str) -> int:
    return zlib.crc32(name + f" {state} {value}".encode())
