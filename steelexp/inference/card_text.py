"""The text of a model card in an exported network, with its checksum."""

import json
from pathlib import Path

from steelexp.checksum import ChecksumError, with_checksum, without_checksum
from steelexp.command_line import command_line
from steelexp.errors import UserError, reason
from steelexp.records.document import check_version
from steelexp.records.model_card import SCHEMA_VERSION, ModelCard


def card_text(card: ModelCard) -> str:
    """The card of an exported network as JSON with its checksum."""
    return json.dumps(with_checksum(card.model_dump(mode="json")))


def read_card(text: str | bytes, file: Path, *, network: str | None = None) -> ModelCard:
    """Read the card of an exported network.

    Args:
        text: Text of the card.
        file: File or folder of the export, for messages.
        network: Hash of the network without its card; None does not check it.

    Raises:
        UserError: Another version wrote the card, or the card or the network is damaged.
    """
    fix = f"export the run again: {command_line('export', 'RUN')}"
    try:
        values = json.loads(text)
        check_version(dict(values), SCHEMA_VERSION, file, fix)
        card = ModelCard.model_validate(without_checksum(values))
    except ChecksumError as error:
        raise UserError(f"{file}: its model card is damaged ({error}); {fix}") from None
    except (KeyError, TypeError, RecursionError, ValueError) as error:
        raise UserError(
            f"{file}: not a model card that this version reads ({reason(error)}); {fix}"
        ) from None
    if network not in (None, card.network):
        raise UserError(f"{file}: damaged: not the network that its model card names; {fix}")
    return card
