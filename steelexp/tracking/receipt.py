"""sent.json beside the journal: which of its events the server has acknowledged."""

from pathlib import Path

from pydantic import BaseModel, ValidationError

from steelexp.records.atomic import write_atomically

NAME = "sent.json"


class Receipt(BaseModel):
    """How far a run's journal is sent.

    Attributes:
        schema_version: Version of this file's format.
        acknowledged: Number of the last event that is at the server or refused.
        refused: Event number -> reason why it can never be sent.
        url: Page of the experiment.
        archive: Path of the archive that was written instead, below the run folder.
        upload: Script and words that upload the archive, less the path.
        problem: Reason why the rest is not sent yet.
    """

    schema_version: int = 1
    acknowledged: int = 0
    refused: dict[int, str] = {}
    url: str | None = None
    archive: str | None = None
    upload: tuple[str, ...] = ()
    problem: str | None = None


def one_line(text: str) -> str:
    """A server's text in at most 300 characters that a terminal takes for text."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:300]


def read_receipt(folder: Path) -> Receipt:
    """The receipt of a run; a new one where none can be read: the server is asked anyway."""
    try:
        return Receipt.model_validate_json((folder / NAME).read_bytes())
    except (OSError, ValidationError):
        return Receipt()


def write_receipt(folder: Path, receipt: Receipt) -> None:
    """Replace the receipt of a run."""
    write_atomically(folder / NAME, (receipt.model_dump_json(indent=1) + "\n").encode())
