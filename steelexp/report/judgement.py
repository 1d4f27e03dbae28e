"""What `judgement.json` says of a finished run: intervals, curves, confusion, calibration."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from steelexp.records.store import DamagedError

Values = list[float | None]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, defer_build=True)


class Trade(_Part):
    """Precision against recall of one class's pixels, as the threshold rises."""

    threshold: Values
    precision: Values
    recall: Values
    average_precision: float | None = None


class Calibration(_Part):
    """The share of pixels that are of the class, by the score they were given."""

    score: Values
    share: Values
    pixels: Values = []


class Confusion(_Part):
    """Pixels: rows are truth, columns prediction; a pixel of several classes counts in each."""

    labels: list[str]
    pixels: list[list[float]]


class Found(_Part):
    """How well what holds a class is found: strips, or connected components."""

    precision: float | None = None
    recall: float | None = None
    average_precision: float | None = None
    held: int | None = None
    predicted: int | None = None


class Judgement(_Part):
    """The file as a whole; what an older version did not write is empty.

    Attributes:
        part: of the split: "test" or "tune".
        masks: what confusion, strips and components are of: "decision" or "threshold".
        intervals: metric without its prefix -> 95 % interval.
        pr: class -> precision and recall.
        calibration: class -> score and share.
        confusion: of pixels.
        strips: class -> whether a strip holds it.
        components: class -> size -> connected components.
    """

    schema_version: Literal[1]
    part: str
    classes: list[str] = []
    masks: str = "threshold"
    intervals: dict[str, tuple[float, float]] = {}
    pr: dict[str, Trade] = {}
    calibration: dict[str, Calibration] = {}
    confusion: Confusion | None = None
    strips: dict[str, Found] = {}
    components: dict[str, dict[str, Found]] = {}


def read_judgement(folder: Path) -> Judgement | None:
    """The judgement of a run; None where there is none.

    Raises:
        DamagedError: it is not a judgement, or another version wrote it.
    """
    file = folder / "judgement.json"
    if not file.is_file():
        return None
    try:
        return Judgement.model_validate_json(file.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise DamagedError(
            f"{file}: not a judgement that this version reads ({key}: {first['msg']}); "
            f"python -m steelexp evaluate {folder} writes it again"
        ) from None
