"""Real Ray, two workers, and a function in place of a training."""

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from steelexp.errors import UserError
from steelexp.search.executor import Trial
from steelexp.search.ray_executor import RayExecutor
from tests.executor_tests import ExecutorTests, check_others_go_on
from tests.fake_trials import alive, events, run_trial, wait_for_epoch, wait_until

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("trials")


@pytest.fixture(scope="module")
def executor(work) -> Iterator[RayExecutor]:
    executor = RayExecutor(partial(run_trial, folder=work), workers=2, retries=1, patience=2.0)
    yield executor
    executor.close()


class TestTrials(ExecutorTests):
    def test_one_that_is_killed_every_time_stops_the_search(self, executor, work):
        executor.submit(Trial("doomed", {"suicide": 1}, 1, None))
        with pytest.raises(UserError, match=r"trial doomed \({'suicide': 1}\).* 2 times"):
            executor.next()
        assert len(events(work / "doomed")) == 2

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
        orphans = [events(work / name)[0]["pid"] for name in ("0000", "0001")]
        wait_until(lambda: not any(map(alive, orphans)))
        check_others_go_on(executor, work, work)
