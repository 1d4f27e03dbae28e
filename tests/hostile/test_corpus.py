"""Every hostile input ends with its line, within its time and memory."""

import json
import select
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.corpus import CASES

ROOT = Path(__file__).parents[2]
HANG = 60.0  # seconds of the clock; the limits of the cases are of the processor's time


class Reader:
    """The process of tests/hostile/worker.py, begun again after a crash or a hang."""

    def __init__(self):
        self.process = None

    def outcome(self, name):
        """What a case came to."""
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.hostile.worker"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        self.process.stdin.write(json.dumps(name) + "\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], HANG)
        line = self.process.stdout.readline() if ready else ""
        if not line:
            ended = self.close()
            pytest.fail(f"{name}: {f'crashed ({ended})' if ready else f'took over {HANG} s'}")
        return json.loads(line)

    def close(self):
        """End the process; its exit code."""
        process, self.process = self.process, None
        if process is None:
            return 0
        process.stdin.close()
        try:
            return process.wait(0.5)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


@pytest.fixture(scope="module")
def reader():
    reader = Reader()
    yield reader
    reader.close()


def test_there_are_enough():
    assert len(CASES) >= 200


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if case.is_large else [])
        for name, case in CASES.items()
    ],
)
def test_a_hostile_input(reader, name):
    case = CASES[name]
    outcome = reader.outcome(name)
    assert outcome["kind"] == ("refused" if case.line else outcome["kind"])
    assert outcome["kind"] != "bug", outcome["text"]
    assert case.line in outcome["text"]
    assert max(map(len, outcome["text"].splitlines() or [""])) <= 1_500
    assert outcome["seconds"] <= case.seconds
    assert outcome["megabytes"] <= case.megabytes
