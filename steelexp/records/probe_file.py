"""probe-KEY.json in the folder of the caches: what a machine does best, measured once."""

from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from steelexp.records.document import read_model, write_document

VERSION: Final = 1
_FIX: Final = "remove it; it is measured again"

Allocator = Literal["system", "kept"]
"""How freed memory is treated: as the C library does by default, or kept for the next step."""


class Machine(BaseModel):
    """What the timings of a probe depend on.

    Attributes:
        processor: Name of the processor.
        features: Features of the processor, sorted.
        cores: Cores that the process may use.
        tensorflow: Version of TensorFlow.
        steelexp: Version of steelexp.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    processor: str
    features: list[str]
    cores: int
    tensorflow: str
    steelexp: str


class Speed(BaseModel):
    """Time of the plain form over the time of another, of rounds in which they take turns.

    Attributes:
        median: Median of the rounds.
        lowest: Lowest of the rounds.
        highest: Highest of the rounds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    median: float
    lowest: float
    highest: float


class ProbeFile(BaseModel):
    """Contents of `probe-KEY.json`.

    Attributes:
        schema_version: Version of this file.
        machine: What was measured.
        allocator: The faster treatment of freed memory.
        speeds: Name of a form of computing -> its speed.
        problem: Reason why nothing was measured; "" as a rule.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    schema_version: Literal[1] = VERSION
    machine: Machine
    allocator: Allocator
    speeds: dict[str, Speed]
    problem: str = ""


def write_probe_file(path: Path, probe: ProbeFile) -> None:
    """Write the file of a probe, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_document(path, probe.model_dump(mode="json"))


def read_probe_file(path: Path) -> ProbeFile:
    """Read the file of a probe.

    Raises:
        UserError: It cannot be read, is damaged, or another version wrote it.
    """
    return read_model(path, ProbeFile, noun="a probe", fix=_FIX)
