"""A small server on loopback that speaks Comet's protocol to the real client."""

import email
import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

API_KEY = "loopback0key0that0must0appear0nowhere"

# Comet's own codes (comet_ml.exceptions).
API_KEY_NOT_REGISTERED = 90212
EXPERIMENT_ALREADY_EXISTS = 90999


@dataclass(frozen=True)
class Request:
    """What the client sent: a JSON body, or the query and file of an upload."""

    path: str
    key: str
    body: dict[str, Any]
    file: bytes = b""


@dataclass
class CometServer:
    """What a server holds, by experiment key, and how it misbehaves.

    Attributes:
        url: what COMET_URL_OVERRIDE is to say.
        requests: everything received, in order.
        experiments: keys of the experiments that exist.
        failing: answer every request for data with this HTTP status.
        hanging: while set, answer nothing.
    """

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    experiments: set[str] = field(default_factory=set)
    failing: int | None = None
    hanging: threading.Event = field(default_factory=threading.Event)
    _http: ThreadingHTTPServer | None = None

    def stop(self) -> None:
        """Go away: from now on connections are refused."""
        self.hanging.clear()
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()
            self._http = None

    def metrics(self, key: str) -> list[tuple[str, float, int, int]]:
        """Return name, value, step and epoch of each metric, as they came."""
        return [
            (value["metricName"], value["metricValue"], value["step"], value["epoch"])
            for value in self._batch(key, "metric")
        ]

    def parameters(self, key: str) -> dict[str, Any]:
        """Return the parameters that were logged by name."""
        return {
            value["parameterName"]: value["parameterValue"]
            for value in self._batch(key, "parameter")
            if value["source"] == "manual"
        }

    def others(self, key: str) -> dict[str, Any]:
        """Return the key-value pairs."""
        sent = self._sent(key, "/log-other")
        return {request.body["key"]: request.body["value"] for request in sent}

    def tags(self, key: str) -> set[str]:
        """Return the tags."""
        sent = self._sent(key, "/add-tags-to-experiment")
        return {tag for request in sent for tag in request.body["addedTags"]}

    def pictures(self, key: str) -> dict[tuple[str, int], bytes]:
        """Return the PNG files by name and step."""
        sent = self._sent(key, "/visualizations/upload")
        return {(r.body["figName"], int(r.body["step"])): r.file for r in sent}

    def assets(self, key: str) -> dict[str, bytes]:
        """Return the attached files by name."""
        return {r.body["fileName"]: r.file for r in self._sent(key, "/asset/upload")}

    def _sent(self, key: str, ending: str) -> list[Request]:
        return [r for r in self.requests if r.key == key and r.path.endswith(ending)]

    def _batch(self, key: str, kind: str) -> Iterator[dict[str, Any]]:
        for request in self._sent(key, f"/batch/logger/experiment/{kind}"):
            yield from request.body["values"]

    def answer(self, request: Request) -> tuple[int, dict[str, Any]]:
        """Take a request and return the status and body of the answer."""
        if request.path.endswith("/add/run"):
            return self._handshake(request)
        if request.path.endswith("/get/run"):
            return 200, _run(request.body["previousExperiment"])
        if request.path.endswith("/isAlive/ver"):
            return 200, {"version": "4.99.0"}
        if self.failing is not None and request.key:
            return self.failing, {"msg": "out of order"}
        self.requests.append(request)
        if request.path.endswith("/status-report/update"):
            return 200, {"is_alive_beat_duration_millis": 9000, "gpu_monitor_interval_millis": 9000}
        return 200, {"success": True}

    def _handshake(self, request: Request) -> tuple[int, dict[str, Any]]:
        if request.body["apiKey"] != API_KEY:
            return 400, {"sdk_error_code": API_KEY_NOT_REGISTERED}
        if request.key in self.experiments and not request.body["getOrCreateEnabled"]:
            return 400, {"sdk_error_code": EXPERIMENT_ALREADY_EXISTS}
        self.experiments.add(request.key)
        return 200, _run(request.key)


def _run(key: str) -> dict[str, Any]:
    return {
        "runId": "run",
        "project_id": "project",
        "experimentKey": key,
        "focusUrl": "http://comet/",
    }


@contextmanager
def comet_server() -> Iterator[CometServer]:
    """Serve until the block is left, or the server is stopped."""
    server = CometServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            while server.hanging.is_set():
                threading.Event().wait(0.05)
            self._reply(*server.answer(_parse(self.path, self.headers, body)))

        do_GET = do_POST  # noqa: N815 - http.server's name for it

        def _reply(self, status: int, answer: dict[str, Any]) -> None:
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            """Keep the test's output clean."""

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:  # the client gave up first
                self.close_connection = True

    server._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server._http.daemon_threads = True
    server.url = f"http://127.0.0.1:{server._http.server_port}/clientlib/"
    threading.Thread(target=server._http.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server
    finally:
        server.stop()


def _parse(address: str, headers: Any, body: bytes) -> Request:
    parts = urlsplit(address)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    kind = headers.get("Content-Type", "")
    if headers.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    if kind.startswith("multipart/form-data"):
        form = email.message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
        file = next(p for p in form.get_payload() if p.get_filename()).get_payload(decode=True)
        return Request(parts.path, query.get("experimentId", ""), query, file)
    content = json.loads(body) if kind.startswith("application/json") else query
    key = content.get("experimentKey") or content.get("experiment_key") or ""
    return Request(parts.path, key, content)
