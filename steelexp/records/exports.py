"""Where exported networks lie in a run folder."""

from pathlib import Path
from typing import Literal

Format = Literal["onnx", "savedmodel", "tflite"]

EXPORTS: dict[Format, str] = {
    "onnx": "model.onnx",
    "savedmodel": "savedmodel",
    "tflite": "model.tflite",
}
"""Format -> file or folder below `exports`."""


def export_path(folder: Path, form: Format) -> Path:
    """Where a run's network is in a format."""
    return folder / "exports" / EXPORTS[form]
