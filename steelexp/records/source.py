"""The source of this package as it was imported: a hash of each file, and one of all.

The source is modules and templates. Whatever else lies in the folder, such as an editor's file or
somebody's `.env`, is never read.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import steelexp

SUFFIXES = (".css", ".html", ".js", ".py")
"""Ends of the names of modules and templates."""


def package_folder() -> Path:
    """The folder that this package is imported from, without symbolic links."""
    return Path(str(steelexp.__file__)).resolve().parent


def source_files(package: Path) -> dict[str, str]:
    """sha256 of the content of each module and template of a package.

    Args:
        package: Folder of the package.

    Returns:
        Path below the parent of the package, such as steelexp/plan.py -> hash.
    """
    files = {}
    for path in sorted(package.rglob("*")):
        if path.suffix in SUFFIXES and path.is_file():
            name = path.relative_to(package.parent).as_posix()
            files[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return files


def source_hash(files: Mapping[str, str]) -> str:
    """sha256 over names and hashes of all files, by which two sources are the same or not."""
    text = "".join(f"{content}  {name}\n" for name, content in sorted(files.items()))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def changed_files(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The files that differ, as in "steelexp/plan.py changed", sorted by name."""
    words = []
    for name in sorted(before.keys() | now.keys()):
        if name not in now:
            words.append(f"{name} removed")
        elif name not in before:
            words.append(f"{name} added")
        elif before[name] != now[name]:
            words.append(f"{name} changed")
    return words
