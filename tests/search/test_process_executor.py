"""Real processes, two at once, and a function in place of a training."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from steelexp.errors import UserError
from steelexp.search.executor import Outcome, Trial
from steelexp.search.process_executor import ProcessExecutor
from steelexp.search.shares import shares, visible_gpus
from tests.executor_tests import ExecutorTests, check_others_go_on, open_gates
from tests.fake_trials import alive, events, run_trial, wait_for_epoch, wait_until

ROOT = Path(__file__).parents[2]
CORES = len(os.sched_getaffinity(0))

pytestmark = pytest.mark.skipif(CORES < 2, reason="two trials at once need two cores")


class OddError(Exception):
    """An exception that no other process can read."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} {second}")


def odd_trial(trial: Trial) -> Outcome:
    """A trial with such an exception."""
    raise OddError("two", "words")


def exiting_trial(trial: Trial) -> Outcome:
    """A trial that ends its process by itself."""
    os._exit(5)


@pytest.fixture
def work(tmp_path) -> Path:
    return tmp_path


@pytest.fixture
def executor(work) -> Iterator[ProcessExecutor]:
    run = partial(run_trial, folder=work)
    executor = ProcessExecutor(run, workers=2, folder=work, retries=1, patience=2.0)
    yield executor
    executor.close()


class TestTrials(ExecutorTests):
    def test_one_that_is_killed_every_time_fails_and_the_others_go_on(self, executor, tmp_path):
        executor.submit(Trial("doomed", {"suicide": 1}, 1, None))
        executor.submit(Trial("sound", {}, 1, None))
        outcomes = {outcome.trial: outcome for outcome in (executor.next(), executor.next())}
        assert outcomes["sound"].score == 1.0
        assert outcomes["doomed"].score is None
        assert outcomes["doomed"].reason == (
            "its process was killed by SIGKILL, each of the 2 times it was run; too little "
            "memory, or see output.txt of the trial"
        )
        assert len(events(tmp_path / "doomed")) == 2

    def test_one_that_ends_its_process_by_itself(self, tmp_path):
        executor = ProcessExecutor(exiting_trial, workers=1, folder=tmp_path, retries=0)
        executor.submit(Trial("0000", {}))
        with pytest.raises(UserError, match=r"exit code 5 .*trials/0000/output\.txt has what"):
            executor.next()

    def test_an_output_that_cannot_be_written_is_raised(self, executor, tmp_path):
        (tmp_path / "trials" / "0000" / "output.txt").mkdir(parents=True)
        executor.submit(Trial("0000", {}))
        with pytest.raises(IsADirectoryError):
            executor.next()

    def test_an_exception_that_cannot_be_sent_is_named(self, tmp_path):
        executor = ProcessExecutor(odd_trial, workers=1, folder=tmp_path)
        executor.submit(Trial("0000", {}))
        with pytest.raises(RuntimeError, match="OddError: two words") as caught:
            executor.next()
        assert "odd_trial" in str(caught.value.__cause__)

    def test_what_it_prints_is_in_a_file_of_the_trial(self, executor, tmp_path, capfd):
        executor.submit(Trial("loud", {"prints": "epoch 1 \x1b[31m"}, 1, None))
        executor.submit(Trial("quiet", {}, 1, None))
        assert {executor.next().trial, executor.next().trial} == {"loud", "quiet"}
        text = (tmp_path / "trials" / "loud" / "output.txt").read_text()
        assert text == "from a library\nepoch 1 \\x1b[31m\n"
        assert (tmp_path / "trials" / "quiet" / "output.txt").read_text() == ""
        assert capfd.readouterr() == ("", "")

    def test_what_it_prints_is_filtered_once_it_has_ended(self, executor, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path / "zoe"))
        monkeypatch.setenv("MY_SERVICE_TOKEN", "a8f5f167f44f4964e6c998dee827110c")
        text = f"{tmp_path}/zoe/runs, a8f5f167f44f4964e6c998dee827110c"
        executor.submit(Trial("loud", {"prints": text}, 1, None))
        executor.next()
        output = (tmp_path / "trials" / "loud" / "output.txt").read_text()
        assert output == "from a library\n${HOME}/runs, ***\n"

    def test_close_ends_what_runs(self, executor, tmp_path):
        for name in ("a", "b", "c"):
            executor.submit(Trial(name, {"gate": str(tmp_path)}, 1, None))
        wait_until(lambda: events(tmp_path / "a") and events(tmp_path / "b"))
        executor.close()
        pids = [events(tmp_path / name)[0]["pid"] for name in ("a", "b")]
        assert not any(map(alive, pids))
        assert not events(tmp_path / "c")

    def test_ctrl_c_of_the_terminal_is_the_drivers(self, executor, tmp_path):
        executor.submit(Trial("a", {"gate": str(tmp_path)}, 1, None))
        wait_until(lambda: events(tmp_path / "a"))
        os.kill(events(tmp_path / "a")[0]["pid"], signal.SIGINT)
        open_gates(tmp_path, "1")
        assert executor.next().score == 1.0
        assert len(events(tmp_path / "a")) == 1


class TestShares:
    def test_more_workers_than_cores_are_refused(self, tmp_path):
        with pytest.raises(UserError, match=rf"workers: {CORES + 1}: there are {CORES} cores here"):
            ProcessExecutor(run_trial, workers=CORES + 1, folder=tmp_path)

    def test_by_hand(self):
        threads = {"OMP_NUM_THREADS": "2"}
        assert shares(2, 5, []) == [threads, threads]
        assert shares(2, 4, ["0", "1", "2"]) == [
            threads | {"CUDA_VISIBLE_DEVICES": "0,2"},
            threads | {"CUDA_VISIBLE_DEVICES": "1"},
        ]
        gpus = [share["CUDA_VISIBLE_DEVICES"] for share in shares(3, 6, ["4", "7"])]
        assert gpus == ["4", "7", "4"]

    def test_gpus_that_the_environment_hides(self, monkeypatch):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-ab")
        assert visible_gpus() == ["3", "GPU-ab"]
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
        assert visible_gpus() == []


class TestDriver:
    def test_killed_its_workers_die_and_another_goes_on(self, executor, tmp_path):
        open_gates(tmp_path, "1")
        command = [sys.executable, "-m", "tests.fake_trials", str(tmp_path), "processes"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        driver = subprocess.Popen(command, cwd=tmp_path, env=environment)
        for name in ("0000", "0001"):
            wait_for_epoch(tmp_path / name)
        driver.kill()
        driver.wait()
        orphans = [events(tmp_path / name)[0]["pid"] for name in ("0000", "0001")]
        wait_until(lambda: not any(map(alive, orphans)), seconds=10.0)
        check_others_go_on(executor, tmp_path, tmp_path)
