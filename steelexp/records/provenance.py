"""Where a run came from: source, packages, machine."""

import functools
import json
import platform
from collections.abc import Mapping
from itertools import count, pairwise, takewhile
from pathlib import Path
from typing import Any, NamedTuple

from steelexp import __version__
from steelexp.checksum import with_checksum, without_checksum
from steelexp.cores import available_cores
from steelexp.errors import UserError, explain_read_errors, reason
from steelexp.privacy import public_values
from steelexp.records.checkout import Checkout, read_checkout
from steelexp.records.machine import instruction_sets, processor, variables
from steelexp.records.packages import computing_packages, other_packages
from steelexp.records.provenance_changes import Facts, Files, changes
from steelexp.records.source import package_folder, source_files, source_hash
from steelexp.records.store import RunFolder

ENVIRONMENT = "environment.json"
"""File of a run folder with the facts about code and machine."""

EXECUTION = "execution"
"""Key of the facts about how TensorFlow computes the run, see `training.execution`."""

SOURCE = "source.json"
"""File of a run folder with the sha256 of each source file."""

FILES = (ENVIRONMENT, SOURCE, "changes.patch")
"""Files of a run folder about the session that began the run."""


class Code(NamedTuple):
    """The code of this process.

    Attributes:
        files: sha256 of each module and template of the package.
        checkout: State of the git checkout.
    """

    files: dict[str, str]
    checkout: Checkout

    def facts(self) -> dict[str, Any]:
        """The facts that a record keeps; the hashes of the files are in `SOURCE`."""
        git = self.checkout
        return {
            "version": __version__,
            "source": source_hash(self.files),
            "commit": git.commit,
            "branch": git.branch,
            "dirty": git.dirty,
            "untracked": list(git.untracked),
            "git_unknown": git.unknown,
        }

    def words(self) -> dict[str, str]:
        """The facts that a tracker shows, without those that are unknown or do not exist."""
        git = self.checkout
        words = {"version": __version__, "commit": git.commit, "branch": git.branch}
        if git.dirty is not None:
            words["dirty"] = str(git.dirty).lower()
        return {name: word for name, word in words.items() if word}


@functools.cache
def running_code() -> Code:
    """The code of this process, read once: later changes of the files do not run."""
    package = package_folder()
    return Code(source_files(package), read_checkout(package))


def environment() -> dict[str, Any]:
    """Versions, machine, and the environment variables that can change a number."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libc": " ".join(platform.libc_ver()).strip(),
        "processor": processor(),
        "instruction_sets": instruction_sets(),
        "cores": available_cores(),
        "variables": variables(),
        "packages": computing_packages(),
        "other_packages": other_packages(),
    }


def facts(execution: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The code and the machine of this process.

    Args:
        execution: The choices of how TensorFlow computes a run; None outside a run.
    """
    choices = {} if execution is None else {EXECUTION: dict(execution)}
    return dict(public_values({**running_code().facts(), **environment(), **choices}))


def write_session(folder: RunFolder, execution: Mapping[str, Any]) -> list[str]:
    """Write the files about this session, unless they say the same as those of the session before.

    Args:
        folder: Folder of the run.
        execution: The choices of how TensorFlow computes the run.

    Returns:
        What differs from the session before, which a resumed run mixes with its own.
    """
    now = facts(execution)
    sessions = _sessions(folder.path)
    words = []
    if sessions:
        words = _changes_between(_session(folder.path, len(sessions)), (now, running_code().files))
        if not words:
            return []
    number = len(sessions) + 1
    folder.write(_named("changes.patch", number), running_code().checkout.patch)
    folder.write(_named(SOURCE, number), _json(running_code().files))
    folder.write(_named(ENVIRONMENT, number), _json(now))
    return words


def sessions_changes(folder: Path) -> list[list[str]]:
    """What each session that differs from the one before it changed; empty as a rule."""
    numbers = range(1, len(_sessions(folder)) + 1)
    pairs = pairwise(_session(folder, number) for number in numbers)
    return [_changes_between(*pair) for pair in pairs]


def first_facts(folder: Path) -> Facts | None:
    """The facts of the first session whose file is whole; None where there is none.

    Args:
        folder: Run folder.
    """
    numbers = range(1, len(_sessions(folder)) + 1)
    sessions = (_session(folder, number) for number in numbers)
    return next((session[0] for session in sessions if session is not None), None)


def changes_since(folder: Path, before: Mapping[str, Any]) -> list[str]:
    """What differs between a run and this process.

    Args:
        folder: Run folder.
        before: Facts of the run's record.
    """
    files = read_source_files(folder / SOURCE)
    return changes(before, facts(), files, running_code().files)


def read_facts(file: Path) -> dict[str, Any]:
    """The facts about a session; empty where there is no such file.

    Raises:
        UserError: The file cannot be read, or is damaged.
    """
    if not file.is_file():
        return {}
    fix = "restore it, or begin anew with --fresh"
    with explain_read_errors(file, fix):
        content = file.read_bytes()
    try:
        values = json.loads(content)
        if not isinstance(values, dict):
            raise ValueError(f"{type(values).__name__} in place of an object")
        return without_checksum(values)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file}: damaged: {reason(error)}; {fix}") from None


def read_source_files(file: Path) -> dict[str, str] | None:
    """The hash of each source file of a session; None where they are not recorded or damaged."""
    try:
        return read_facts(file) or None
    except UserError:
        return None


def _session(folder: Path, number: int) -> tuple[Facts, Files | None] | None:
    """Facts and source files of a session; None where the facts are damaged."""
    try:
        facts_of_session = read_facts(folder / _named(ENVIRONMENT, number))
    except UserError:
        return None
    return facts_of_session, read_source_files(folder / _named(SOURCE, number))


def _changes_between(
    before: tuple[Facts, Files | None] | None, now: tuple[Facts, Files | None] | None
) -> list[str]:
    if before is None or now is None:
        return [f"{ENVIRONMENT} of a session is damaged, so what changed is unknown"]
    return changes(before[0], now[0], before[1], now[1])


def _sessions(folder: Path) -> list[Path]:
    """The files of the sessions so far, the last file of each being `ENVIRONMENT`."""
    numbers = count(1)
    names = (folder / _named(ENVIRONMENT, number) for number in numbers)
    return list(takewhile(Path.is_file, names))


def _named(name: str, session: int) -> str:
    """A file's name in a session: environment.json, then environment-2.json."""
    path = Path(name)
    return name if session == 1 else f"{path.stem}-{session}{path.suffix}"


def _json(values: Mapping[str, Any]) -> str:
    """Values as JSON with their checksum."""
    return json.dumps(with_checksum(values), indent=2) + "\n"
