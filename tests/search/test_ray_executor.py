"""Real Ray, two workers, and a function in place of a training."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from steelexp.errors import UserError
from steelexp.records.store import BusyError, RunFolder, read_epochs
from steelexp.search.executor import Trial
from steelexp.search.ray_executor import RayExecutor
from tests.fake_trials import alive, events, run_trial, wait_for_epoch

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("trials")


@pytest.fixture(scope="module")
def executor(work) -> Iterator[RayExecutor]:
    executor = RayExecutor(partial(run_trial, folder=work), workers=2, retries=1, patience=2.0)
    yield executor
    executor.close()


def epochs(folder: Path) -> list[int]:
    return [epoch.epoch for epoch in read_epochs(folder)]


def wait_until(condition, seconds=120.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


class TestTrials:
    def test_two_at_once_each_in_a_process_with_its_share(self, executor, work, tmp_path):
        for name in ("a", "b", "c"):
            executor.submit(Trial(name, {"gate": str(tmp_path)}, 1, None))
        wait_until(lambda: len(events(work / "a") + events(work / "b") + events(work / "c")) == 2)
        (tmp_path / "1").touch()
        assert {executor.next().trial for _ in range(3)} == {"a", "b", "c"}
        with pytest.raises(ValueError, match="no trial"):
            executor.next()
        starts = [event for name in ("a", "b", "c") for event in events(work / name)]
        assert len({os.getpid(), *(start["pid"] for start in starts)}) == 4
        assert {start["threads"] for start in starts} == {str(len(os.sched_getaffinity(0)) // 2)}
        assert {start["cache"] for start in starts} == {os.environ["STEELEXP_CACHE"]}
        assert not any(start["tensorflow"] for start in starts)

    def test_a_killed_one_goes_on(self, executor, work, tmp_path, capsys):
        (tmp_path / "1").touch()
        executor.submit(Trial("killed", {"gate": str(tmp_path)}, 3, None))
        wait_for_epoch(work / "killed")
        os.kill(events(work / "killed")[0]["pid"], signal.SIGKILL)
        for gate in ("2", "3"):
            (tmp_path / gate).touch()
        outcome = executor.next()
        assert (outcome.score, outcome.trained) == (3.0, 2)
        assert epochs(work / "killed") == [1, 2, 3]
        said = capsys.readouterr().out
        assert "trial killed: its process was killed; it goes on in another (1 of at most 1" in said

    def test_one_that_is_killed_every_time_stops_the_search(self, executor, work):
        executor.submit(Trial("doomed", {"suicide": 1}, 1, None))
        with pytest.raises(UserError, match=r"trial doomed \({'suicide': 1}\).* 2 times"):
            executor.next()
        assert len(events(work / "doomed")) == 2

    def test_a_bug_is_raised_with_its_traceback(self, executor):
        executor.submit(Trial("bug", {"bug": 1}, 1, None))
        with pytest.raises(ZeroDivisionError, match="a bug in a trial") as caught:
            executor.next()
        assert "fake_trials.py" in str(caught.value.__cause__)

    def test_a_held_run_folder_is_waited_for_but_not_for_good(self, executor, work):
        with RunFolder(work / "kept").hold():
            with RunFolder(work / "held").hold():
                executor.submit(Trial("held", {}, 1, None))
                wait_until(lambda: events(work / "held"))
            assert executor.next().trained == 1
            assert [event["event"] for event in events(work / "held")] == ["refused", "started"]
            executor.submit(Trial("kept", {}, 1, None))
            with pytest.raises(BusyError, match="kept"):
                executor.next()

    def test_one_that_memory_cannot_hold_fails_and_the_search_goes_on(self, executor, monkeypatch):
        from ray import exceptions

        get = Mock(side_effect=exceptions.OutOfMemoryError("by the memory monitor"))
        ray = SimpleNamespace(get=get, wait=lambda tasks, num_returns: (tasks, []))
        monkeypatch.setattr(executor, "_task", Mock())
        monkeypatch.setattr(executor, "_ray", SimpleNamespace(**vars(ray), exceptions=exceptions))
        executor.submit(Trial("large", {}, 1, None))
        outcome = executor.next()
        assert (outcome.trial, outcome.score, get.call_count) == ("large", None, 2)
        assert outcome.reason.startswith("out of memory")


class TestDriver:
    def test_killed_its_workers_die_and_another_goes_on(self, executor, work):
        (work / "1").touch()
        command = [sys.executable, "-m", "tests.fake_trials", str(work)]
        driver = subprocess.Popen(command, cwd=work, env={**os.environ, "PYTHONPATH": str(ROOT)})
        for name in ("0000", "0001"):
            wait_for_epoch(work / name)
        driver.kill()
        driver.wait()
        for name in ("0000", "0001"):
            executor.submit(Trial(name, {"gate": str(work)}, 3, None))
        orphans = [events(work / name)[0]["pid"] for name in ("0000", "0001")]
        wait_until(lambda: not any(map(alive, orphans)))
        for gate in ("2", "3"):
            (work / gate).touch()
        assert [executor.next().trained, executor.next().trained] == [2, 2]
        for name in ("0000", "0001"):
            assert epochs(work / name) == [1, 2, 3]
