"""comet.json beside the journal: what of it the server has acknowledged."""

from pathlib import Path

from pydantic import BaseModel, ValidationError

from steelexp.records.atomic import write_atomically

NAME = "comet.json"


class Receipt(BaseModel):
    """How far a run's journal is sent.

    Attributes:
        acknowledged: events up to this number are at the server, or refused.
        refused: of these: what cannot be sent, number -> why.
        url: of the experiment.
        archive: the archive that was written instead, below the run folder.
        problem: why the rest is not sent yet.
    """

    schema_version: int = 1
    acknowledged: int = 0
    refused: dict[int, str] = {}
    url: str | None = None
    archive: str | None = None
    problem: str | None = None


def read_receipt(folder: Path) -> Receipt:
    """The receipt of a run; a new one where none can be read: the server is asked anyway."""
    try:
        return Receipt.model_validate_json((folder / NAME).read_bytes())
    except (OSError, ValidationError):
        return Receipt()


def write_receipt(folder: Path, receipt: Receipt) -> None:
    """Put it in the place of the last."""
    write_atomically(folder / NAME, (receipt.model_dump_json(indent=1) + "\n").encode())
