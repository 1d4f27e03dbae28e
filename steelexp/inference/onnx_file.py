"""An .onnx file with a model card that tells whether the file is damaged.

The card is JSON in the metadata of the file, key "steelexp". It holds the hash of all other bytes
of the file, and a checksum of its own. Both are checked on the bytes, before ONNX Runtime reads
them: it crashes on some damaged files. OpenVINO gets checked bytes as well. The package onnx is
not needed.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from steelexp.checksum import hash_bytes
from steelexp.command_line import command_line
from steelexp.errors import UserError, explain_read_errors
from steelexp.inference.card_text import card_text, read_card
from steelexp.limits import WEIGHTS_BYTES
from steelexp.records.model_card import KEY, ModelCard
from steelexp.regular_file import read_regular

SCORES = "scores"
IMAGE_SCORES = "image_scores"
"""Names of the outputs; the second is there with a classification head alone."""

_MARK = b"\n" + bytes([len(KEY)]) + KEY.encode() + b"\x12"
"""Bytes before the length of the card: field 1 of a metadata entry, then the tag of field 2.

https://protobuf.dev/programming-guides/encoding
"""


def onnx_content(proto: Any, card: ModelCard) -> bytes:
    """The content of an .onnx file with its card.

    Args:
        proto: onnx.ModelProto without a card.
        card: Card of the network.
    """
    blank = card.model_copy(update={"network": hash_bytes(b"")})
    network = _hash_without(_content(proto, blank), card_text(blank).encode())
    return _content(proto, card.model_copy(update={"network": network}))


class Layout(NamedTuple):
    """An input or an output of a network.

    Attributes:
        name: Name.
        kind: Type in ONNX's words, such as tensor(float).
        shape: Sizes; a size that may be any is a name or None.
    """

    name: str
    kind: str
    shape: Sequence[int | str | None]


def read_network(file: Path) -> tuple[bytes, ModelCard]:
    """Read an .onnx file and its card; the bytes are those that `export` wrote.

    Raises:
        UserError: There is no such file, or it is no such network.
    """
    if not file.is_file():
        raise UserError(f"{file}: no such file; make it: {command_line('export', 'RUN')}")
    with explain_read_errors(file, "export the run again"):
        content = read_regular(file, WEIGHTS_BYTES)
    return content, read_onnx_card(content, file)


def check_layout(
    inputs: Sequence[Layout], outputs: Sequence[Layout], card: ModelCard, file: Path
) -> list[str]:
    """Check that input and outputs of a network are those that its card names.

    Returns:
        Names of the outputs: the scores, and the image scores of a classification head.

    Raises:
        UserError: They are others.
    """
    classes = len(card.classes)
    pixels = Layout(SCORES, "tensor(float)", ["N", "H", "W", classes])
    image = Layout(IMAGE_SCORES, "tensor(float)", ["N", classes])
    wanted = {
        "input": (inputs, [Layout("grey", "tensor(uint8)", ["N", "H", "W", 1])]),
        "output": (outputs, [pixels, image] if card.has_head else [pixels]),
    }
    for noun, (layouts, right) in wanted.items():
        if sorted(map(_comparable, layouts)) != sorted(map(_comparable, right)):
            described = ", ".join(f"{name} {kind} {shape[-1:]}" for name, kind, shape in layouts)
            promised = ", ".join(
                f"{name} {kind} [{', '.join(map(str, shape))}]" for name, kind, shape in right
            )
            raise UserError(
                f"{file}: its {noun} is {described}, and its model card says {promised}; export "
                f"the run again: {command_line('export', 'RUN')}"
            )
    return [layout.name for layout in wanted["output"][1]]


def _comparable(layout: Layout) -> tuple[str, str, int, str]:
    """A layout without the sizes that may be any: name, type, dimensions, channels."""
    return layout.name, layout.kind, len(layout.shape), str(layout.shape[-1:])


def read_onnx_card(content: bytes, file: Path) -> ModelCard:
    """Read the card in the content of an .onnx file.

    Raises:
        UserError: The file has no card, is damaged, or another version wrote it.
    """
    text = card_bytes(content)
    if text is None:
        raise UserError(
            f"{file}: not written by the command export, which adds a model card, or damaged; "
            f"export the run again: {command_line('export', 'RUN')}"
        )
    return read_card(text, file, network=_hash_without(content, text))


def card_bytes(content: bytes) -> bytes | None:
    """The text of the card in the content of an .onnx file; None if it has none."""
    place = content.rfind(_MARK)
    if place < 0:
        return None
    length = 0
    place += len(_MARK)
    for number, byte in enumerate(content[place : place + 5]):  # seven bits each, the lowest first
        length |= (byte & 0x7F) << (7 * number)
        if byte < 0x80:
            begin = place + number + 1
            return content[begin : begin + length]
    return None


def _content(proto: Any, card: ModelCard) -> bytes:
    del proto.metadata_props[:]
    proto.metadata_props.add(key=KEY, value=card_text(card))
    return bytes(proto.SerializeToString(deterministic=True))


def _hash_without(content: bytes, text: bytes) -> str:
    return hash_bytes(content.replace(text, b"", 1))
