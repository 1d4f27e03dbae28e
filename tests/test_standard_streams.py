"""Standard streams that are closed, full, or that nobody reads any more."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.finished_runs import finished

ROOT = Path(__file__).parents[1]
GENERATE = ["data", "generate", "set", "--strips", "1"]


def steelexp(folder, *words, before="", after=""):
    """Run a command in a shell: exit code, stdout, stderr."""
    done = subprocess.run(
        ["bash", "-c", f'{before} "$@" {after}', "bash", sys.executable, "-m", "steelexp", *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_command_that_prints_says_that_its_output_is_full(tmp_path):
    finished(tmp_path / "b4_dice" / "3f9c1a7e")
    why = "standard output: cannot be written: No space left on device; send it elsewhere"
    assert steelexp(tmp_path, "list", ".", after=">/dev/full") == (2, "", f"steelexp: {why}\n")


@pytest.mark.parametrize(
    ("shell", "why"),
    [
        ({"after": ">/dev/full"}, "No space left on device"),
        ({"before": "set -o pipefail; (sleep 0.5;", "after": ") | true"}, "Broken pipe"),
    ],
)
def test_a_job_goes_on_without_its_output(tmp_path, shell, why):
    code, out, err = steelexp(tmp_path, *GENERATE, **shell)
    line = f"steelexp: the output cannot be written any more ({why}); the job goes on without it\n"
    assert (code, out, err) == (0, "", line)
    assert (tmp_path / "set" / "train.csv").is_file()


def test_a_job_goes_on_with_every_stream_closed(tmp_path):
    """What it opens must not become its standard output, or prints would go into a file."""
    assert steelexp(tmp_path, *GENERATE, after="<&- >&- 2>&-") == (0, "", "")
    assert steelexp(tmp_path, *GENERATE[:2], "other", *GENERATE[3:])[0] == 0
    for file in (tmp_path / "set").rglob("*.*"):
        same = tmp_path / "other" / file.relative_to(tmp_path / "set")
        assert file.read_bytes() == same.read_bytes()


def test_a_killed_job_has_a_last_line(tmp_path):
    """The kernel kills what exceeds its memory, and C++ libraries abort."""
    words = ["data", "generate", "set", "--strips", "100000"]
    code, _, err = steelexp(tmp_path, *words, before="ulimit -t 3; exec")
    assert code == -9
    assert err.startswith(
        "steelexp: killed, or out of memory. If memory was short, lower training."
    )
    assert err.count("\n") == 1
    assert not (tmp_path / "set").exists()
