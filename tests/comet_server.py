"""A small server on loopback that speaks Comet's protocol to the real client."""

import email
import gzip
import json
import threading
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.comet_artifacts import Artifacts
from tests.comet_registry import Registry, zipped

API_KEY = "loopback0key0that0must0appear0nowhere"

# Comet's own codes (comet_ml.exceptions).
API_KEY_NOT_REGISTERED = 90212
EXPERIMENT_ALREADY_EXISTS = 90999

WORKSPACE = "team"


@dataclass(frozen=True)
class Request:
    """What the client sent: a JSON body, or the query, file and metadata of an upload."""

    path: str
    key: str
    body: dict[str, Any]
    file: bytes = b""
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def upload(self) -> str | None:
        """The id that the client gave an upload; it tries again under the same."""
        return self.body.get("imageId") or self.body.get("assetId")


@dataclass
class CometServer:
    """What a server holds, by experiment key, and how it misbehaves.

    Attributes:
        url: what COMET_URL_OVERRIDE is to say.
        requests: everything taken, in order.
        received: address, headers and body of each request, as bytes that can be searched.
        sizes: address of each request, and the bytes of its body as they were sent.
        experiments: keys of the experiments that exist.
        views: saved dashboards, in order.
        registry: registered models.
        artifacts: data sets and who consumed them.
        failing: answer every request for data with this HTTP status, and take nothing.
        forgetting: take a request that this is true of, and answer it with a broken connection.
        refusing: answer a request that this is true of with HTTP status 500.
        forbidding: answer a request that this is true of with HTTP status 403.
        hanging: while set, answer nothing.
        throttled: so many requests for data are answered with 429.
        hostile: answers every request in place of this server.
    """

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    received: list[bytes] = field(default_factory=list)
    sizes: list[tuple[str, int]] = field(default_factory=list)
    experiments: set[str] = field(default_factory=set)
    views: list[dict[str, Any]] = field(default_factory=list)
    registry: Registry = field(default_factory=Registry)
    artifacts: Artifacts = field(default_factory=Artifacts)
    failing: int | None = None
    forgetting: Callable[[Request], bool] = lambda request: False
    refusing: Callable[[Request], bool] = lambda request: False
    forbidding: Callable[[Request], bool] = lambda request: False
    hanging: threading.Event = field(default_factory=threading.Event)
    throttled: int = 0
    hostile: Callable[[BaseHTTPRequestHandler], None] | None = None
    _http: ThreadingHTTPServer | None = None
    _artifact_uploads: set[str | None] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Serve; after `stop`, at the same address."""
        port = urlsplit(self.url).port or 0
        handler = type("Handler", (_Handler,), {"server_of_tests": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}/clientlib/"
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()

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

    def metric_times(self, key: str) -> set[tuple[str, int, int]]:
        """Return name, step and time of each metric, in milliseconds since 1970."""
        values = self._batch(key, "metric")
        return {(v["metricName"], v["step"], v["timestamp"]) for v in values}

    def parameter_times(self, key: str) -> set[int]:
        """Return the times of the parameters that were logged by name."""
        values = self._batch(key, "parameter")
        return {value["timestamp"] for value in values if value["source"] == "manual"}

    def git(self, key: str) -> list[dict[str, Any]]:
        """Return what was told of a checkout, as it came."""
        return [r.body for r in self._sent(key, "/write/experiment/git/metadata")]

    def packages(self, key: str) -> list[list[str]]:
        """Return the installed packages, as they came."""
        sent = self._sent(key, "/write/experiment/system-details")
        return [r.body["installedPackages"] for r in sent if "installedPackages" in r.body]

    def console(self, key: str) -> list[tuple[str, int]]:
        """Return the lines of the console and their times, as they came."""
        sent = self._sent(key, "/write/experiment/output")
        lines = [line for request in sent for line in request.body["outputLines"]]
        return [(line["output"], line["localTimestamp"]) for line in lines]

    def duration(self, key: str) -> tuple[int, int]:
        """Return when the experiment began and ended, as it was told last."""
        body = self._sent(key, "/offline-metadata")[-1].body
        return body["startTimestamp"], body["endTimestamp"]

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

    def notifications(self, key: str) -> list[dict[str, Any]]:
        """Return title, status and additional data of each notification, as they came."""
        sent = self._sent(key, "/notification/experiment")
        return [
            {name: request.body[name] for name in ("title", "status", "additional_data")}
            for request in sent
        ]

    def tags(self, key: str) -> set[str]:
        """Return the tags."""
        sent = self._sent(key, "/add-tags-to-experiment")
        return {tag for request in sent for tag in request.body["addedTags"]}

    def pictures(self, key: str) -> list[tuple[str, int, Request]]:
        """Return the name and step of every picture of an epoch, as they came."""
        return [each for each in self._pictures(key) if "path" not in each[2].metadata]

    def examples(self, key: str) -> list[tuple[str, int, Request]]:
        """Return the same of the pictures of the review."""
        return [each for each in self._pictures(key) if "path" in each[2].metadata]

    def _pictures(self, key: str) -> list[tuple[str, int, Request]]:
        sent = self._sent(key, "/visualizations/upload")
        return [(r.body["figName"], int(r.body["step"]), r) for r in sent]

    def assets(self, key: str) -> list[tuple[str, Request]]:
        """Return the other files by name, less those that were overwritten."""
        assets: list[tuple[str, Request]] = []
        for request in self._sent(key, "/asset/upload"):
            name, kind = request.body["fileName"], request.body.get("type")
            if request.body["overwrite"] == "True":
                assets = [(n, r) for n, r in assets if (n, r.body.get("type")) != (name, kind)]
            assets.append((name, request))
        return assets

    @property
    def registered(self) -> dict[str, list[str]]:
        """Experiment keys of the versions of each registered model."""
        return {name: [v.key for v in found] for name, found in self.registry.models.items()}

    def _download(self, name: str) -> bytes:
        """The files of the first version of a model."""
        version = self.registry.models[name][0]
        model = version.body["experimentModelName"]
        assets = self.assets(version.key)
        return zipped([(n, r.file) for n, r in assets if r.body.get("groupingName") == model])

    def _sent(self, key: str, ending: str) -> list[Request]:
        return [r for r in self.requests if r.key == key and r.path.endswith(ending)]

    def _batch(self, key: str, kind: str) -> Iterator[dict[str, Any]]:
        for request in self._sent(key, f"/batch/logger/experiment/{kind}"):
            yield from request.body["values"]

    def answer(self, request: Request) -> tuple[int, dict[str, Any] | bytes] | None:
        """Take a request and return the status and body of the answer; None: break the line."""
        if request.path.endswith("/add/run"):
            return self._handshake(request)
        if request.path.endswith("/get/run"):
            return 200, _run(request.body["previousExperiment"])
        if request.path.endswith("/isAlive/ver"):
            return 200, {"version": "4.99.0"}
        if self.failing is not None and request.key:
            return self.failing, {"msg": "out of order"}
        if self.forbidding(request):
            return 403, {"msg": "not allowed"}
        if self.refusing(request):
            return 500, {"msg": "not this"}
        if self.throttled and request.key and "/rest/v2/experiment" not in request.path:
            self.throttled -= 1
            return 429, {"msg": "too many requests"}
        with self._lock:
            if (told := self._told(request)) is not None:
                return told
            taken = self._take(request)
        if self.forgetting(request):
            return None
        if request.path.endswith("/status-report/update"):
            return 200, {"is_alive_beat_duration_millis": 9000, "gpu_monitor_interval_millis": 9000}
        return 200, taken

    def _take(self, request: Request) -> dict[str, Any]:
        """Keep what is sent; what the server answers."""
        if "/write/artifacts/" in request.path:
            return self.artifacts.take(request.path, request.body)
        if "artifactVersionId" in request.body:
            if request.upload not in self._artifact_uploads:
                self._artifact_uploads.add(request.upload)
                version, name = (request.body[key] for key in ("artifactVersionId", "fileName"))
                self.artifacts.upload(version, name, request.file)
            return {"success": True}
        if "/write/registry-model/item/" in request.path:
            return self.registry.take(request.path, request.key, request.body)
        if request.path.endswith("/views/upsert"):
            view = {"templateId": f"view-{len(self.views)}"} | request.body
            self.views = [v for v in self.views if v["templateId"] != view["templateId"]] + [view]
        elif request.upload is None or request.upload not in {r.upload for r in self.requests}:
            self.requests.append(request)
        return {"success": True}

    def _told(self, request: Request) -> tuple[int, dict[str, Any] | bytes] | None:
        """What is asked through Comet's REST API."""
        _, _, question = request.path.partition("/api/rest/v2/")
        if question == "experiment/metadata":
            if request.key not in self.experiments:
                return 404, {"msg": "no such experiment"}
            names = {"workspaceName": WORKSPACE, "projectName": "steel"}
            return 200, {"experimentKey": request.key, "projectId": "project", **names}
        if question == "experiment/metrics/get-all":
            return 200, {"metrics": list(self._batch(request.key, "metric"))}
        if question == "experiment/asset/list":
            pictures = [(name, r) for name, _, r in self._pictures(request.key)]
            both = [*pictures, *self.assets(request.key)]
            return 200, {"assets": [_listed(name, r) for name, r in both]}
        if question.startswith("artifacts/"):
            return self.artifacts.told(question, request.body)
        if question == "registry-model/item/download":
            return 200, self._download(request.body["modelName"])
        if question.startswith("registry-model/"):
            return self.registry.told(question, request.body)
        if question == "experiment/output":
            return 200, {"output": "".join(line for line, _ in self.console(request.key))}
        if question == "account-details":
            return 200, {"defaultWorkspaceName": WORKSPACE, "userName": "somebody"}
        if question == "project":
            return 200, {"projectId": "project"}
        if question == "views/get-all":
            return 200, {"views": self.views}
        return None

    def _handshake(self, request: Request) -> tuple[int, dict[str, Any]]:
        if request.body["apiKey"] != API_KEY:
            return 400, {"sdk_error_code": API_KEY_NOT_REGISTERED}
        if request.key in self.experiments and not request.body["getOrCreateEnabled"]:
            return 400, {"sdk_error_code": EXPERIMENT_ALREADY_EXISTS}
        self.experiments.add(request.key)
        return 200, _run(request.key)


def _listed(name: str, request: Request) -> dict[str, Any]:
    step = request.body.get("step")
    return {
        "fileName": name,
        "step": None if step is None else int(step),
        "type": request.body.get("type", "image"),
        "metadata": json.dumps(request.metadata) if request.metadata else None,
        "assetId": request.upload,
    }


def _run(key: str) -> dict[str, Any]:
    return {
        "runId": "run",
        "project_id": "project",
        "experimentKey": key,
        "focusUrl": "http://comet/",
    }


class _Handler(BaseHTTPRequestHandler):
    server_of_tests: CometServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        while self.server_of_tests.hanging.is_set():
            threading.Event().wait(0.05)
        if self.server_of_tests.hostile is not None:
            self.close_connection = True
            self.server_of_tests.hostile(self)
            return
        self.server_of_tests.sizes.append((self.path, len(body)))
        self.server_of_tests.received.append(_raw(self.path, self.headers, body))
        answer = self.server_of_tests.answer(_parse(self.path, self.headers, body))
        if answer is not None:
            self._reply(*answer)

    do_GET = do_PUT = do_POST  # noqa: N815 - http.server's name for it

    def _reply(self, status: int, answer: dict[str, Any] | bytes) -> None:
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Retry-After-Custom", "1")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        """Keep the test's output clean."""

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:  # the client gave up first
            self.close_connection = True


def point_to(server: CometServer, environment: MutableMapping[str, str]) -> None:
    """Make the client talk to a server, and wait as long as a busy machine may take."""
    environment |= {"COMET_URL_OVERRIDE": server.url, "COMET_API_KEY": API_KEY}
    environment |= {f"COMET_TIMEOUT_{what}": "60" for what in ("HTTP", "API", "CLEANING", "UPLOAD")}


@contextmanager
def comet_server() -> Iterator[CometServer]:
    """Serve until the block is left, or the server is stopped."""
    server = CometServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _raw(address: str, headers: Any, body: bytes) -> bytes:
    """A request as bytes, its body unpacked."""
    if headers.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    return f"{address}\n{headers}\n".encode() + body


def _parse(address: str, headers: Any, body: bytes) -> Request:
    parts = urlsplit(address)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    kind = headers.get("Content-Type", "")
    if headers.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    if kind.startswith("multipart/form-data"):
        form = email.message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
        parts_ = {p.get_param("name", header="content-disposition"): p for p in form.get_payload()}
        contents = {name: part.get_payload(decode=True) for name, part in parts_.items()}
        metadata = json.loads(contents.pop("metadata", b"{}"))
        (file,) = contents.values()
        return Request(parts.path, query.get("experimentId", ""), query, file, metadata)
    content = json.loads(body) if kind.startswith("application/json") else query
    key = content.get("experimentKey") or content.get("experiment_key") or ""
    return Request(parts.path, key, content)
