"""sent.json beside the journal: which of its events the server has acknowledged."""

from itertools import count
from pathlib import Path

from pydantic import BaseModel, ValidationError

from steelexp.errors import UserError
from steelexp.privacy import public_values
from steelexp.records.document import read_document, write_document
from steelexp.tracking.journal import NAME as JOURNAL
from steelexp.tracking.journal import Event, damage, read_events

NAME = "sent.json"
VERSION = 2


class Receipt(BaseModel):
    """How far a run's journal is sent.

    Attributes:
        schema_version: Version of this file's format.
        key: Key of the experiment, as the journal has it.
        acknowledged: Number of the last event that is at the server or refused.
        refused: Event number -> reason why it can never be sent.
        url: Page of the experiment.
        archive: Path of the archive that was written instead, below the run folder.
        upload: Script and words that upload the archive, less the path.
        problem: Reason why the rest is not sent yet.
    """

    schema_version: int = VERSION
    key: str | None = None
    acknowledged: int = 0
    refused: dict[int, str] = {}
    url: str | None = None
    archive: str | None = None
    upload: tuple[str, ...] = ()
    problem: str | None = None


def read_receipt(folder: Path) -> Receipt:
    """The receipt of a run; a new one where none can be read: the server is asked anyway."""
    try:
        values = read_document(folder / NAME, version=VERSION, noun="a receipt", fix="remove it")
        return Receipt.model_validate(values)
    except (UserError, ValidationError):
        return Receipt()


def read_progress(folder: Path) -> tuple[list[Event], Receipt]:
    """The events of a run so far, and how far they are sent.

    Args:
        folder: Run folder.

    Returns:
        Events and receipt; a new receipt in place of one that is of another journal.

    Raises:
        DamageError: The journal is damaged, or more events were sent than it holds.
    """
    receipt = read_receipt(folder)  # before the events: both may grow meanwhile
    events = read_events(folder)
    key = events[0].content["key"] if events else None
    if events and receipt.key != key:
        # A process that could not even read the journal leaves its reason without a key.
        return events, Receipt(key=key, problem=receipt.problem if receipt.key is None else None)
    if receipt.acknowledged > len(events):
        why = f"holds {len(events)} events, and {NAME} says that {receipt.acknowledged} are sent"
        raise damage(folder, why)
    return events, receipt


def write_receipt(folder: Path, receipt: Receipt) -> None:
    """Replace the receipt of a run; what is private in it is hidden."""
    write_document(folder / NAME, public_values(receipt.model_dump(mode="json")))


def set_aside(folder: Path) -> str:
    """Rename a damaged journal and its receipt, so that others can begin.

    Returns:
        Ending of the new names.
    """
    paths = [path for name in (JOURNAL, NAME) if (path := folder / name).exists()]
    endings = (f".damaged-{number}" for number in count(1))
    ending = next(e for e in endings if not any(Path(f"{path}{e}").exists() for path in paths))
    for path in paths:
        path.rename(f"{path}{ending}")
    return ending
