"""Labelled data that a command names: a spec file, or a folder of a known layout."""

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from steelexp import bounded_yaml
from steelexp.data.dataset import DataError
from steelexp.data.sources import LOADERS, SOURCES, source_of
from steelexp.errors import UserError, reason
from steelexp.plan import SpecModel
from steelexp.spec import load
from steelexp.spec.component import component_model
from steelexp.spec.schema import DataSpec

SPEC_SUFFIXES = (".yaml", ".yml")

_MEANINGS = ("values", "background", "ignore", "class_folders")
"""Settings of `mask_folder` that the names of the values 1, 2, ... replace."""


class LabelledData(NamedTuple):
    """Labelled data, before they are read.

    Attributes:
        name: Name of the data for the user.
        settings: Data section that they are read with.
    """

    name: str
    settings: DataSpec


def takes_classes(path: Path) -> bool:
    """Whether the classes of a folder can be named from outside; a spec names its own.

    Raises:
        DataError: The folder has no known layout.
    """
    if path.suffix in SPEC_SUFFIXES:
        return False
    return "classes" in inspect.signature(LOADERS[source_of(path)]).parameters


def labelled_data(
    path: Path, *, own: DataSpec | None = None, classes: Sequence[str] | None = None
) -> LabelledData:
    """The data section for a spec file or a folder.

    Args:
        path: Spec file, of which the data section is taken, or root folder of a data set.
        own: Data section whose settings are taken over for a folder of its source; None for the
            defaults.
        classes: Names of the classes, for a folder whose files do not name them.

    Raises:
        UserError: The spec is wrong, or the folder has no known layout or needs more settings.
    """
    if path.suffix in SPEC_SUFFIXES:
        if classes is not None:
            raise DataError(f"--classes: without effect beside {path}; set data.classes there")
        return LabelledData(path.stem, load(path, model=SpecModel).data)
    if classes is not None and not takes_classes(path):
        raise DataError(f"--classes: without effect, {path} names its classes itself")
    source = source_of(path)
    settings: dict[str, Any] = {"source": source, "cache": "none"}
    if own is not None and own.choice == source:
        settings |= {key: own.settings[key] for key in own.settings if not key.startswith("subset")}
    settings["root"] = str(path)
    if classes is not None:
        if "values" in settings:
            settings = {key: settings[key] for key in settings if key not in _MEANINGS}
        settings["classes"] = tuple(classes)
    model = component_model(DataSpec, source, LOADERS[source], "")
    try:
        section = model.model_validate(settings)
    except ValidationError as error:
        raise DataError(
            f"{path}: read as {source}: {reason(error)}; name the classes with --classes, or give "
            "a spec file with its data section"
        ) from None
    return LabelledData(path.resolve().name, section)


def named_source(words: Sequence[str], root: Path) -> DataSpec:
    """The data section for a folder and the words after `--source`.

    Args:
        words: Name of the data source, then its settings as KEY=VALUE.
        root: Root folder of the data set.

    Raises:
        UserError: There is no such source or setting, or a value is wrong.
    """
    source, *pairs = words
    if source not in SOURCES:
        raise UserError(f"--source: no data source {source!r}; known: {', '.join(SOURCES)}")
    settings = dict(map(_setting, pairs))
    model = component_model(DataSpec, source, LOADERS[source])
    own = [key for key in model.model_fields if key not in {"source", *DataSpec.outside}]
    if unknown := settings.keys() - set(own):
        raise UserError(f"--source {source}: no setting {min(unknown)!r}; known: {', '.join(own)}")
    try:
        return model.model_validate({"source": source, "root": str(root), **settings})
    except ValidationError as error:
        raise UserError(
            f"{root}: as {source}: {reason(error)}; add KEY=VALUE after --source {source}"
        ) from None


def _setting(word: str) -> tuple[str, Any]:
    """Key and value of KEY=VALUE, the value in YAML."""
    key, equals, value = word.partition("=")
    if not equals:
        raise UserError(f"--source: {word!r} is no KEY=VALUE")
    try:
        return key, bounded_yaml.load(value)
    except yaml.YAMLError:
        raise UserError(f"--source: {word!r}: the value is no YAML") from None
