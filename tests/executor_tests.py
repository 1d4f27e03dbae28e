"""Tests that every executor of several trials passes, whatever runs its processes.

The class that inherits them has the fixtures `executor`, of two workers and one retry, and `work`,
the folder of its trials.
"""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from steelexp.records.store import BusyError, RunFolder, read_epochs
from steelexp.search.executor import Executor, Trial
from tests.fake_trials import events, wait_for_epoch, wait_until


def epochs(folder: Path) -> list[int]:
    """Numbers of the epochs of a run."""
    return [epoch.epoch for epoch in read_epochs(folder)]


def open_gates(folder: Path, *names: str) -> None:
    """Let trials go on that wait for these files."""
    for name in names:
        (folder / name).touch()


def starts_of(folder: Path, names: Sequence[str]) -> list[dict[str, object]]:
    """The starts of trials so far."""
    return [event for name in names for event in events(folder / name)]


def check_others_go_on(executor: Executor, work: Path, gate: Path) -> None:
    """Two trials go on after their first epoch, whose driver was killed."""
    for name in ("0000", "0001"):
        executor.submit(Trial(name, {"gate": str(gate)}, 3, None))
    open_gates(gate, "2", "3")
    assert [executor.next().trained, executor.next().trained] == [2, 2]
    for name in ("0000", "0001"):
        assert epochs(work / name) == [1, 2, 3]


class ExecutorTests:
    """What holds of every executor."""

    def test_two_at_once_each_in_a_fresh_process_with_its_share(
        self, executor: Executor, work: Path, tmp_path: Path
    ) -> None:
        names = ("a", "b", "c")
        for name in names:
            executor.submit(Trial(name, {"gate": str(tmp_path)}, 1, None))
        wait_until(lambda: len(starts_of(work, names)) == 2)
        open_gates(tmp_path, "1")
        assert {executor.next().trial for _ in names} == set(names)
        with pytest.raises(ValueError, match="no trial"):
            executor.next()
        starts = starts_of(work, names)
        assert len({os.getpid(), *(start["pid"] for start in starts)}) == 4
        assert {start["threads"] for start in starts} == {str(len(os.sched_getaffinity(0)) // 2)}
        assert {start["cache"] for start in starts} == {os.environ["STEELEXP_CACHE"]}
        assert not any(start["tensorflow"] for start in starts)
        assert "OMP_NUM_THREADS" not in os.environ

    def test_a_killed_one_goes_on(
        self, executor: Executor, work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        open_gates(tmp_path, "1")
        executor.submit(Trial("killed", {"gate": str(tmp_path)}, 3, None))
        wait_for_epoch(work / "killed")
        os.kill(int(str(events(work / "killed")[0]["pid"])), signal.SIGKILL)
        open_gates(tmp_path, "2", "3")
        outcome = executor.next()
        assert (outcome.score, outcome.trained) == (3.0, 2)
        assert epochs(work / "killed") == [1, 2, 3]
        out = capsys.readouterr().out
        assert "trial killed: its process was killed" in out
        assert "; it goes on in another (1 of at most 1 times)" in out

    def test_a_bug_is_raised_with_its_traceback(self, executor: Executor) -> None:
        executor.submit(Trial("bug", {"bug": 1}, 1, None))
        with pytest.raises(ZeroDivisionError, match="a bug in a trial") as caught:
            executor.next()
        assert "fake_trials.py" in str(caught.value.__cause__)

    def test_a_held_run_folder_is_waited_for_but_not_for_good(
        self, executor: Executor, work: Path
    ) -> None:
        with RunFolder(work / "kept").hold():
            with RunFolder(work / "held").hold():
                executor.submit(Trial("held", {}, 1, None))
                wait_until(lambda: bool(events(work / "held")))
            assert executor.next().trained == 1
            assert [event["event"] for event in events(work / "held")] == ["refused", "started"]
            executor.submit(Trial("kept", {}, 1, None))
            with pytest.raises(BusyError, match="kept"):
                executor.next()
