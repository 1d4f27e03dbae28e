"""What differs between two records of where runs came from, in words."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from steelexp.records.source import changed_files

COMPARED = {
    "source": "code",
    "python": "Python",
    "libc": "C library",
    "packages": "packages",
    "processor": "processor",
    "instruction_sets": "instruction sets",
    "cores": "cores",
    "variables": "environment variables",
    "device": "device",
}
"""Facts on which a number can depend, by their words. Commit and branch only name the code.

How TensorFlow computes (`training.execution`) is not among them: whatever goes on with a run or
repeats it takes that over.
"""

_MISSING = {"packages": "not installed", "variables": "not set"}

_NAMED_FILES = 10
"""Source files in a message at most."""

Facts = Mapping[str, Any]
Files = Mapping[str, str]


def changes(before: Facts, now: Facts, files: Files | None, files_now: Files | None) -> list[str]:
    """The facts that differ, such as "cores 2 -> 1".

    Args:
        before: Facts of a run.
        now: Facts of another run, or of this process.
        files: Hash of each source file of the first; None if not recorded.
        files_now: Hash of each source file of the second; None if not recorded.
    """
    words = []
    for key in COMPARED:
        if key not in before or key not in now or before[key] == now[key]:
            continue
        if key == "source":
            words.append(f"code {_code(files, files_now)}")
        else:
            words += _differences(key, before[key], now[key])
    return words


def unrecorded(before: Facts, now: Facts) -> list[str]:
    """Words of the facts that only the second has."""
    return [words for key, words in COMPARED.items() if key in now and key not in before]


def _code(files: Files | None, files_now: Files | None) -> str:
    if files is None or files_now is None:
        return "changed; the run does not record which files"
    names = changed_files(files, files_now)
    rest = len(names) - _NAMED_FILES
    return ", ".join(names[:_NAMED_FILES]) + (f" and {rest} more" if rest > 0 else "")


def _differences(key: str, old: Any, new: Any) -> Iterator[str]:
    """The differences of one fact: one for each entry of a mapping, one for a whole list."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in sorted(old.keys() | new.keys()):
            values = [side.get(name) or _MISSING.get(key, "none") for side in (old, new)]
            if values[0] != values[1]:
                yield f"{_prefix(key)}{name} {values[0]} -> {values[1]}"
    elif isinstance(old, Sequence) and isinstance(new, Sequence) and not isinstance(old, str):
        entries = [f"-{entry}" for entry in old if entry not in new]
        entries += [f"+{entry}" for entry in new if entry not in old]
        yield f"{COMPARED[key]} {' '.join(entries)}"
    else:
        yield f"{COMPARED[key]} {old or 'unknown'} -> {new or 'unknown'}"


def _prefix(key: str) -> str:
    return "package " if key == "packages" else ""
