"""Reads what Comet's client wrote offline."""

import json
import zipfile
from pathlib import Path
from typing import Any


class Archive:
    """What is in an offline archive."""

    def __init__(self, path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            self.files = {name: archive.read(name) for name in archive.namelist()}
        self.experiment = json.loads(self.files["experiment.json"])
        lines = self.files["messages.json"].decode().splitlines()
        messages = [json.loads(line) for line in lines if line]
        self.payloads = {
            kind: [m["payload"] for m in messages if m["type"] == kind]
            for kind in ("metric_msg", "parameter_msg", "log_other", "file_upload")
        }

    def metrics(self) -> list[tuple[str, float, int, int]]:
        sent = [payload["metric"] for payload in self.payloads["metric_msg"]]
        return [(m["metricName"], m["metricValue"], m["step"], m["epoch"]) for m in sent]

    def parameters(self) -> dict[str, Any]:
        sent = [payload["param"] for payload in self.payloads["parameter_msg"]]
        return {p["paramName"]: p["paramValue"] for p in sent if p["source"] == "manual"}

    def others(self) -> dict[str, Any]:
        return {payload["key"]: payload["value"] for payload in self.payloads["log_other"]}

    def uploads(self, name: str) -> dict[tuple[str, int], bytes]:
        return {
            (p["additional_params"][name], p["additional_params"]["step"]): self.files[
                p["file_path"]
            ]
            for p in self.payloads["file_upload"]
            if name in p["additional_params"]
        }
