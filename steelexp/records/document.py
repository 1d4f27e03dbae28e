"""JSON documents that notice when they are damaged: each has a version and a checksum."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from steelexp.checksum import ChecksumError, with_checksum, without_checksum
from steelexp.errors import UserError, explain_read_errors, reason
from steelexp.limits import RUN_FILE_BYTES
from steelexp.records.atomic import write_atomically
from steelexp.regular_file import read_regular

VERSION_KEY: Final = "schema_version"

Model = TypeVar("Model", bound=BaseModel)


class VersionError(UserError):
    """Another version of steelexp wrote the document."""


def write_document(path: Path, values: Mapping[str, Any], *, indent: int | None = 2) -> Path:
    """Write values as JSON with their checksum, whole or not at all.

    Args:
        path: File to write.
        values: Values that JSON can hold; "schema_version" among them.
        indent: Spaces for each level; None for one line.

    Raises:
        ValueError: A number is not finite.
    """
    content = json.dumps(with_checksum(values), indent=indent, allow_nan=False)
    return write_atomically(path, (content + "\n").encode())


def read_document(
    path: Path, *, version: int, noun: str, fix: str, version_fix: str | None = None
) -> dict[str, Any]:
    """Read the values of a document, without their checksum.

    Args:
        path: File to read.
        version: The `schema_version` that is read.
        noun: Name of such a document for messages: "a record".
        fix: Way out if the document is damaged.
        version_fix: Way out if it is of another version; None for the same.

    Raises:
        VersionError: Another version of steelexp wrote it.
        UserError: It cannot be read, or is damaged.
    """
    values = read_values(path, version=version, noun=noun, fix=fix, version_fix=version_fix)
    try:
        return without_checksum(values)
    except ChecksumError as error:
        raise UserError(f"{path}: damaged: {error}; {fix}") from None


def read_values(
    path: Path, *, version: int, noun: str, fix: str, version_fix: str | None = None
) -> dict[str, Any]:
    """Read the values of a JSON file that has a version; arguments as of `read_document`.

    Raises:
        VersionError: Another version of steelexp wrote it.
        UserError: It cannot be read.
    """
    with explain_read_errors(path, fix):
        content = read_regular(path, RUN_FILE_BYTES)
    try:
        values = json.loads(content)
        if not isinstance(values, dict):
            raise ValueError(f"{type(values).__name__} in place of an object")
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not {noun} ({reason(error)}); {fix}") from None
    check_version(values, version, path, version_fix or fix)
    return values


def read_model(
    path: Path,
    model: type[Model],
    *,
    noun: str,
    fix: str,
    version_fix: str | None = None,
    has_checksum: bool = True,
) -> Model:
    """Read a JSON file as the model that it is of; other arguments as of `read_document`.

    Args:
        path: File to read.
        model: Model of its values; its `schema_version` is the version that is read.
        noun: Name of such a file for messages: "a record".
        fix: Way out if the file is damaged.
        version_fix: Way out if it is of another version; None for the same.
        has_checksum: Whether the file has a checksum of its values.

    Raises:
        VersionError: Another version of steelexp wrote it.
        UserError: It cannot be read, is damaged, or is another file.
    """
    read = read_document if has_checksum else read_values
    values = read(path, version=version_of(model), noun=noun, fix=fix, version_fix=version_fix)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise UserError(f"{path}: not {noun} ({reason(error)}); {fix}") from None


def version_of(model: type[BaseModel]) -> int:
    """Version of the files of a model."""
    version: int = get_args(model.model_fields[VERSION_KEY].annotation)[0]
    return version


def check_version(values: Mapping[str, Any], version: int, path: Path, fix: str) -> None:
    """Check the version of the values of a file.

    Args:
        values: Values of the file.
        version: The `schema_version` that is read.
        path: File, for the message.
        fix: Way out if it is of another version.

    Raises:
        VersionError: It is another version, or there is none.
    """
    file_version = values.get(VERSION_KEY)
    if file_version != version or isinstance(file_version, bool):
        text = (
            f"no {VERSION_KEY}" if file_version is None else f"{VERSION_KEY} {file_version!r:.20}"
        )
        raise VersionError(f"{path}: {text}, and this version of steelexp reads {version}; {fix}")
