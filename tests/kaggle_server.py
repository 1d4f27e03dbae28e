"""A small server on loopback that answers Kaggle's SDK and serves one archive in ranges.

As an HTTP proxy it also stands for http://localhost, which is where the SDK goes with
KAGGLE_API_ENVIRONMENT=LOCALHOST.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from steelexp.data.kaggle.archive import Archive

ASKED = "/api/v1/competitions.CompetitionApiService/DownloadDataFiles"


@dataclass
class KaggleServer:
    """What the server holds, what it was asked, and how it misbehaves.

    Attributes:
        content: the archive.
        version: its ETag.
        refusing: answer every request for the archive's address with this status and message.
        breaks: bytes after which each of the next answers is broken off.
        expired: how many addresses given out first are no longer good.
        block: bytes sent at once; pause: seconds after each.
        url: of the server.
        logins: the Authorization header of each request for the address.
        wanted: the competition of each.
        starts: the first byte of each part of the archive that was asked for.
        sent: bytes of the archive sent in all.
    """

    content: bytes
    version: str = '"v1"'
    refusing: tuple[int, str] | None = None
    breaks: list[int] = field(default_factory=list)
    expired: int = 0
    block: int = 1 << 14
    pause: float = 0.0
    url: str = ""
    logins: list[str] = field(default_factory=list)
    wanted: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    sent: int = 0
    given: int = 0

    def archive(self) -> Archive:
        """Return a new address of the archive, as `locate` would."""
        self.given += 1
        return Archive(
            f"{self.url}/archive.zip?signed={self.given}", len(self.content), self.version
        )


@contextmanager
def kaggle_server(content: bytes) -> Iterator[KaggleServer]:
    """Run a server for as long as the block lasts."""
    server = KaggleServer(content)

    class Handler(_Handler):
        kaggle = server

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()


class _Handler(BaseHTTPRequestHandler):
    kaggle: KaggleServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert urlsplit(self.path).path == ASKED
        self.kaggle.logins.append(self.headers.get("Authorization", ""))
        self.kaggle.wanted.append(body["competitionName"])
        if self.kaggle.refusing:
            self._raise_if(*self.kaggle.refusing)
            return
        self.send_response(302)
        self.send_header("Location", self.kaggle.archive().url)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _raise_if(self, status: int, message: str) -> None:
        answer = json.dumps({"code": status, "message": message}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def do_GET(self) -> None:
        kaggle = self.kaggle
        if int(self.path.partition("signed=")[2]) <= kaggle.expired:
            self.send_error(403)
            return
        wanted = self.headers.get("Range")
        # Only a download of ours accepts no compression; the SDK follows the redirect with a GET.
        if self.headers["Accept-Encoding"] == "identity":
            kaggle.starts.append(int(wanted[len("bytes=") : -1]) if wanted else 0)
        whole = wanted is None or self.headers.get("If-Range", kaggle.version) != kaggle.version
        rest = kaggle.content if whole else kaggle.content[kaggle.starts[-1] :]
        self.send_response(200 if whole else 206)
        self.send_header("Content-Length", str(len(rest)))
        self.send_header("ETag", kaggle.version)
        self.end_headers()
        if self.headers["Accept-Encoding"] == "identity":
            self._send(rest[: kaggle.breaks.pop(0) if kaggle.breaks else None])

    def _send(self, content: bytes) -> None:
        for start in range(0, len(content), self.kaggle.block):
            part = content[start : start + self.kaggle.block]
            # Counted before it is written: a client that has all of it may ask at once.
            self.kaggle.sent += len(part)
            try:
                self.wfile.write(part)
            except OSError:
                self.kaggle.sent -= len(part)
                return
            threading.Event().wait(self.kaggle.pause)

    def log_message(self, *_: object) -> None:
        pass
