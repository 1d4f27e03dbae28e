"""The root folders of a data set: one, or several whose images are read together."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError


def named_roots(root: object) -> dict[str, str]:
    """Root folders by name.

    Args:
        root: Folder, list of folders, or mapping of names to folders; a folder of a list has its
            own name.

    Returns:
        Folders in the order of their names; one folder alone has the name "".
    """
    if isinstance(root, Mapping):
        return {name: str(root[name]) for name in sorted(root)}
    if isinstance(root, list | tuple):
        return dict(sorted((Path(folder).absolute().name, folder) for folder in root))
    return {"": str(root)}


def _checked(root: object) -> Any:
    """The setting as it is, a list as a tuple."""
    if isinstance(root, str):
        return root
    folders = list(root.values()) if isinstance(root, Mapping) else root
    if not isinstance(folders, list | tuple) or not folders or not all(map(_is_text, folders)):
        raise PydanticCustomError(
            "root", "a folder, a list of folders, or a mapping of names to folders is expected"
        )
    if isinstance(root, Mapping):
        if bad := next((name for name in root if not _is_name(name)), None):
            raise PydanticCustomError("root", f"{bad!r}: no name of a folder, such as line1")
        return dict(root)
    names = Counter(Path(folder).absolute().name for folder in folders)
    name, count = names.most_common(1)[0]
    if count > 1:
        raise PydanticCustomError(
            "root", f"{count} folders are named {name}; name them: {{line1: FOLDER, line2: FOLDER}}"
        )
    return tuple(folders)


def _is_text(folder: object) -> bool:
    return isinstance(folder, str) and bool(folder)


def _is_name(name: object) -> bool:
    return isinstance(name, str) and name not in ("", ".", "..") and "/" not in name


Roots = Annotated[
    object,
    PlainValidator(_checked),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}, "minItems": 1},
                {"type": "object", "additionalProperties": {"type": "string"}},
            ]
        }
    ),
]
"""The setting `data.root`."""
