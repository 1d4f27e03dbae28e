"""JSON files of labels, checked against a model of their form."""

import codecs
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from steelexp.data.issue import Issue
from steelexp.limits import LABEL_BYTES, LABEL_NAME
from steelexp.regular_file import read_regular


class FormModel(BaseModel):
    """An object of a label file; keys that the form does not need are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=())


ClassName = Annotated[str, Field(max_length=LABEL_NAME)]
ImageName = Annotated[str, Field(max_length=LABEL_NAME)]
Identity = int | Annotated[str, Field(max_length=LABEL_NAME)]

M = TypeVar("M", bound=FormModel)


def read_json(path: Path, model: type[M]) -> tuple[M | None, list[Issue]]:
    """Read a label file.

    Args:
        path: Path of the file.
        model: Model of its content.

    Returns:
        Content, None if it does not fit the model; and an issue for each key that does not.
    """
    try:
        content = read_regular(path, LABEL_BYTES).removeprefix(
            codecs.BOM_UTF8
        )  # editors on Windows write it
        return model.model_validate_json(content), []
    except OSError as error:
        return None, [Issue("unreadable labels", path, None, f"cannot be read: {error.strerror}")]
    except ValidationError as error:
        return None, [
            Issue("unreadable labels", path, None, _text(each)) for each in error.errors()
        ]


def _text(error: Any) -> str:
    key = ".".join(map(str, error["loc"]))
    if error["type"] == "json_invalid":
        return f"not JSON: {error['msg'].removeprefix('Invalid JSON: ')}"
    value = "" if error["type"] == "missing" else f" (here {str(error['input'])[:40]!r})"
    key = key[:LABEL_NAME]
    return f"{key}: {error['msg']}{value}" if key else f"{error['msg']}{value}"
