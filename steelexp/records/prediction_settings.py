"""prediction.json: the network, the runtime and the input of a prediction."""

from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from steelexp.records.document import read_model, write_document

FILE: Final = "prediction.json"
VERSION: Final = 2
_FIX: Final = "begin anew with --fresh"


class PredictionSettings(BaseModel):
    """Contents of prediction.json.

    Attributes:
        schema_version: Version of this file.
        runtime: Runtime of the network.
        precision: Precision of the network's arithmetic, such as float32.
        network: Hash of the network: of its weights, or of the .onnx file.
        overlays: Whether overlays are drawn.
        model: Model card of the network, without the hash of an export.
        input: Absolute paths of the predicted files and folders, and globs. They identify no
            prediction, because a folder may be moved.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    schema_version: Literal[2] = VERSION
    runtime: str
    precision: str
    network: str
    overlays: bool
    model: dict[str, Any]
    input: list[str]

    def identity(self) -> dict[str, Any]:
        """All settings but the version and the input."""
        return self.model_dump(mode="json", exclude={"schema_version", "input"})


def write_prediction_settings(file: Path, settings: PredictionSettings) -> None:
    """Write the settings of a prediction."""
    write_document(file, settings.model_dump(mode="json"))


def read_prediction_settings(file: Path) -> PredictionSettings:
    """Read the settings of an earlier prediction.

    Raises:
        UserError: The file cannot be read, is damaged, or is another one.
    """
    noun = "the settings of a prediction"
    return read_model(file, PredictionSettings, noun=noun, fix=_FIX)
