"""JSON Schemas of the JSON files that runs, searches, exports, predictions and the probe leave.

docs/schemas/ has them. A change of a file that a reader of the old one would not understand gets
the next version; the schema of the old version stays there.
"""

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, get_args

from pydantic import BaseModel

from steelexp.checksum import KEY as CHECKSUM
from steelexp.records import document
from steelexp.records.audit import AuditFile
from steelexp.records.ensemble_file import EnsembleFile
from steelexp.records.evaluation_report import EvaluationReport
from steelexp.records.external_evaluation import ExternalEvaluation
from steelexp.records.folds_file import FoldsFile
from steelexp.records.forecast_file import ForecastFile
from steelexp.records.model_card import ModelCard
from steelexp.records.prediction_settings import PredictionSettings
from steelexp.records.probe_file import ProbeFile
from steelexp.records.record import Record
from steelexp.records.reevaluation import Reevaluation
from steelexp.records.review import ReviewFile
from steelexp.records.run_file import RunFile
from steelexp.records.search_file import SearchFile
from steelexp.spec.component import docstring_entries


class FileFormat(NamedTuple):
    """A kind of file.

    Attributes:
        title: Name of the file, and what it is.
        model: Model of its contents.
        has_checksum: Whether it ends with a checksum of its other values.
    """

    title: str
    model: type[BaseModel]
    has_checksum: bool


FORMATS: Final[Mapping[str, FileFormat]] = {
    "record": FileFormat("record.json of a finished run", Record, True),
    "run": FileFormat("run.json of a run", RunFile, True),
    "evaluation": FileFormat("evaluation.json of an evaluation", EvaluationReport, False),
    "reevaluation": FileFormat(
        "reevaluation.json of a run with other inference settings", Reevaluation, True
    ),
    "review": FileFormat("review.json of an evaluation", ReviewFile, False),
    "external": FileFormat("external.json of a run on other data", ExternalEvaluation, True),
    "forecast": FileFormat(
        "forecast.json of scores that more images would give", ForecastFile, True
    ),
    "search": FileFormat("search.json of a search", SearchFile, True),
    "folds": FileFormat("folds.json of the folds of a spec", FoldsFile, True),
    "ensemble": FileFormat("ensemble.json of several runs as one network", EnsembleFile, True),
    "card": FileFormat("Model card of an exported network", ModelCard, True),
    "prediction": FileFormat("prediction.json of a prediction", PredictionSettings, True),
    "audit": FileFormat("audit.json of an audit of labels", AuditFile, True),
    "probe": FileFormat("probe-KEY.json about a machine", ProbeFile, True),
}
"""Kind -> format; the commands `schema KIND` print the schemas."""


def version_of(kind: str) -> int:
    """Version of a kind of file that this version of steelexp writes and reads."""
    return document.version_of(FORMATS[kind].model)


def schema_name(kind: str) -> str:
    """File name of a schema in docs/schemas/."""
    return f"{kind}-{version_of(kind)}.schema.json"


def file_schema(kind: str) -> dict[str, Any]:
    """The JSON Schema of a kind of file, with the descriptions of its docstrings.

    The `$id` is a name and no address.

    Args:
        kind: Key of FORMATS.
    """
    title, model, has_checksum = FORMATS[kind]
    schema = model.model_json_schema()
    models = {each.__name__: each for each in _models(model)}
    content = _described(schema, model)
    if "$defs" in schema:
        parts = schema["$defs"].items()
        content["$defs"] = {name: _described(part, models[name]) for name, part in parts}
    if has_checksum:
        content["properties"][CHECKSUM] = {
            "type": "string",
            "pattern": "^[0-9a-f]{32}$",
            "description": "XXH3 of 128 bits of the other values, as JSON with sorted keys and "
            "without spaces.",
        }
    names = [document.VERSION_KEY, *content["required"], *([CHECKSUM] if has_checksum else [])]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:steelexp:{kind}:{version_of(kind)}",
        **content,
        "title": title,
        "required": list(dict.fromkeys(names)),
    }


def _described(part: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """The schema of a model with its docstring as descriptions, of it and of each property."""
    described: dict[str, str] = {}
    for each in reversed(model.__mro__):
        described |= docstring_entries(inspect.cleandoc(each.__doc__ or ""), "Attributes")
    summary = inspect.cleandoc(model.__doc__ or "").partition("\n\n")[0]
    properties = {
        name: {key: value for key, value in entry.items() if key != "title"}
        | {"description": re.sub(r"\bNone\b", "null", described[name])}
        for name, entry in part["properties"].items()
    }
    return {**part, "description": " ".join(summary.split()), "properties": properties}


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that a model or an annotation names, itself included."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from _models(field.annotation)
    for argument in get_args(annotation):
        yield from _models(argument)
