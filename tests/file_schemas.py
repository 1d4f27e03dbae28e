"""The JSON files below a folder, held against their published schemas."""

import json
from pathlib import Path
from typing import Any

import jsonschema

from steelexp.records.file_schemas import FORMATS, file_schema

NAMES = {f"{kind}.json": kind for kind in FORMATS if kind != "card"}


def check_values(kind: str, values: Any) -> None:
    """Fail unless values are what the schema of their kind says."""
    jsonschema.Draft202012Validator(file_schema(kind)).validate(values)


def check_files(folder: Path) -> set[str]:
    """Fail unless every file of a known name is what its schema says; return their kinds."""
    files = [file for file in folder.rglob("*.json") if file.name in NAMES]
    for file in files:
        check_values(NAMES[file.name], json.loads(file.read_bytes()))
    return {NAMES[file.name] for file in files}
