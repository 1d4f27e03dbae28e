"""run.json: which run a folder holds, and the hashes of the files that describe it."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from steelexp.checksum import hash_bytes
from steelexp.command_line import command_line
from steelexp.errors import UserError, explain_read_errors
from steelexp.limits import WEIGHTS_BYTES
from steelexp.records.document import read_model, write_document
from steelexp.regular_file import read_regular

FILE: Final = "run.json"
VERSION: Final = 1


class RunFile(BaseModel):
    """Contents of `run.json`, which is written when a run begins.

    Attributes:
        schema_version: Version of this file.
        digest: Digest of the run.
        files: Name -> hash of each file that describes the run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    schema_version: Literal[1] = VERSION
    digest: str
    files: dict[str, str]


def way_out(folder: Path) -> str:
    """The way out where a file of a run is damaged that follows from its spec and its data.

    Args:
        folder: Run folder; it may have been moved, or be a trial's.
    """
    return f"restore it, or let the run write it anew: {command_line('run', folder)}"


def write_run_file(folder: Path, digest: str, files: Mapping[str, str]) -> None:
    """Write run.json.

    Args:
        folder: Run folder.
        digest: Digest of the run.
        files: Name -> hash of each file that describes the run.
    """
    run_file = RunFile(digest=digest, files=dict(files))
    write_document(folder / FILE, run_file.model_dump(mode="json"))


def read_run_file(folder: Path) -> RunFile | None:
    """Read run.json; None where there is none.

    Raises:
        UserError: It cannot be read, or is damaged.
    """
    file = folder / FILE
    if not file.is_file():
        return None
    fix = way_out(folder)
    return read_model(file, RunFile, noun="the description of a run", fix=fix)


def hashes_of(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Name -> hash of those of the files that are there."""
    paths = {name: folder / name for name in names}
    return {name: hash_bytes(path.read_bytes()) for name, path in paths.items() if path.is_file()}


def check_hash(file: Path, wanted: str | None, *, fix: str) -> Path:
    """The file, whose content is what its hash was written for.

    Args:
        file: File to check.
        wanted: Hash; None where none was written, and nothing is checked.
        fix: Way out if the content is another.

    Raises:
        UserError: The file cannot be read, or its content is another.
    """
    if wanted is not None:
        with explain_read_errors(file, fix):
            content = read_regular(file, WEIGHTS_BYTES)
        if hash_bytes(content) != wanted:
            raise UserError(f"{file}: damaged: it is not what the run wrote; {fix}")
    return file
