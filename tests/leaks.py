"""Everything that runs have written and sent, as bytes that can be searched."""

import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from pyarrow import parquet

from tests.comet_server import API_KEY, CometServer

KEY_OF_THE_SERVER = re.compile(
    rb'(Authorization: |"api_?key": "|\bapi_?key=|name="api_?key"\r\n\r\n)' + API_KEY.encode(),
    re.IGNORECASE,
)
"""Comet's API key where Comet's protocol has it."""

ADDRESS_END = re.compile(rb"[?\n]")


def written(folder: Path) -> dict[str, bytes]:
    """Content of every file below a folder by its path; archives are unpacked, tables are text."""
    contents: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            contents |= dict(_unpacked(name, path.read_bytes()))
    return contents


def sent(server: CometServer) -> dict[str, bytes]:
    """Every request to a server by its number and address, less the API key in its own place."""
    return {
        f"request {number} {ADDRESS_END.split(raw)[0].decode()}": KEY_OF_THE_SERVER.sub(b"", raw)
        for number, raw in enumerate(server.received)
    }


def leaks(contents: Mapping[str, bytes], private: Mapping[str, str]) -> list[str]:
    """Where something private stands: name of the content, what it is, and the text around it."""
    return [
        f"{name}: {what}: {content[max(0, place - 60) : place + 60]!r}"
        for name, content in contents.items()
        for what, text in private.items()
        if (place := content.find(text.encode())) >= 0
    ]


def _unpacked(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    yield name, content
    if name.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                yield f"{name}/{member}", archive.read(member)
    if name.endswith(".parquet"):
        table = parquet.read_table(io.BytesIO(content))
        yield f"{name} as text", f"{table.schema}\n{table.to_pydict()}".encode()
