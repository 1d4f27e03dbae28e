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
    """Every request to a server by its number and address, less the API key in its own place.

    A zip file in a request is unpacked.
    """
    contents: dict[str, bytes] = {}
    for number, raw in enumerate(server.received):
        name = f"request {number} {ADDRESS_END.split(raw)[0].decode()}"
        contents[name] = KEY_OF_THE_SERVER.sub(b"", raw)
        if b"PK\x03\x04" in raw:
            contents |= _members(name, raw)
    return contents


def leaks(contents: Mapping[str, bytes], private: Mapping[str, str]) -> list[str]:
    """Where something private stands: name of the content, what it is, and the text around it."""
    return [
        f"{name}: {what}: {content[max(0, place - 60) : place + 60]!r}"
        for name, content in contents.items()
        for what, text in private.items()
        if (place := content.find(text.encode())) >= 0
    ]


def _members(name: str, content: bytes) -> dict[str, bytes]:
    """Members of a zip file, and of zip files in it; more may stand before and after it."""
    contents: dict[str, bytes] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in archive.namelist():
            inner = archive.read(member)
            contents[f"{name}/{member}"] = inner
            if inner.startswith(b"PK\x03\x04"):
                contents |= _members(f"{name}/{member}", inner)
    return contents


def _unpacked(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    yield name, content
    if name.endswith(".zip"):
        yield from _members(name, content).items()
    if name.endswith(".parquet"):
        table = parquet.read_table(io.BytesIO(content))
        yield f"{name} as text", f"{table.schema}\n{table.to_pydict()}".encode()
