"""A whole search with two real workers, of Ray or processes, killed in its midst."""

import os
import random
import re
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from steelexp.records.store import read_epochs
from steelexp.search.trials import read_trials
from tests.fake_trials import alive, events, wait_until
from tests.known_search import BASE, SPACE, known_spec, searched, trials_of
from tests.parallel_searches import EPOCHS, search_with_two

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("kind", ["processes", "ray"]),
    pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="two trials need two cores"),
]


@pytest.fixture(autouse=True)
def not_last_in_line(monkeypatch):
    """Ray's workers are at niceness 15 by default, behind everything else on a busy machine."""
    monkeypatch.setenv("RAY_worker_niceness", "0")


@pytest.fixture
def spec_file(tmp_path):
    path = tmp_path / "known.yaml"
    path.write_text(f"{BASE}  space: {SPACE}\n".replace("\n}", "\n  }"))
    return path


def check_the_undisturbed(spec_file, folder):
    """Every trial once, with the values and scores of a search in one process."""
    whole = folder.with_name("whole")
    searched(known_spec(spec_file.parent), whole)
    assert sorted(trials_of(folder)) == sorted(trials_of(whole))
    lines = (folder / "trials.jsonl").read_text().splitlines()
    assert sum('"finished"' in line for line in lines) == len(trials_of(whole)) == 6
    for trial in (folder / "trials").iterdir():
        assert [epoch.epoch for epoch in read_epochs(trial / "x")] == [*range(1, EPOCHS + 1)]


def started(folder):
    """The processes that began a trial, and how many trials have begun."""
    found = [events(trial / "x") for trial in (folder / "trials").glob("*")]
    return [event["pid"] for trial in found for event in trial], sum(map(bool, found))


@contextmanager
def killed_worker(folder, began):
    """A process of a trial is killed meanwhile, once so many trials have begun."""

    def kill():
        wait_until(lambda: started(folder)[1] >= began)
        os.kill(random.choice([pid for pid in started(folder)[0] if alive(pid)]), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    yield
    killer.join()


def kill_driver(kind, spec_file, folder, began):
    """Search with a driver that is killed once so many trials have begun; how many had."""
    command = [sys.executable, "-m", "tests.parallel_searches", kind, str(spec_file), str(folder)]
    driver = subprocess.Popen(
        command,
        cwd=spec_file.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    wait_until(lambda: started(folder)[1] >= began)
    driver.kill()
    driver.wait()
    return started(folder)[1]


def test_a_worker_killed_in_mid_trial(kind, spec_file, tmp_path, capsys):
    folder = tmp_path / "search"
    with killed_worker(folder, 3):
        search_with_two(kind, spec_file, folder)
    check_the_undisturbed(spec_file, folder)
    assert re.search(
        r"its process was killed( by SIGKILL)?; it goes on in another", capsys.readouterr().out
    )
    assert len(started(folder)[0]) == 7


def test_the_driver_killed(kind, spec_file, tmp_path):
    folder = tmp_path / "search"
    assert kill_driver(kind, spec_file, folder, 3) < 6
    search_with_two(kind, spec_file, folder, patience=60.0)
    check_the_undisturbed(spec_file, folder)


def test_asynchronous_halving_after_both(kind, spec_file, tmp_path):
    """The driver is killed, then a worker of the session that goes on."""
    spec_file.write_text(
        spec_file.read_text()
        .replace("{name: random}", "{name: asynchronous_halving, factor: 2}")
        .replace("trials: 6", "epochs: 24")
        .replace("epochs: 9", "epochs: 4")
    )
    folder = tmp_path / "search"
    before = kill_driver(kind, spec_file, folder, 4)
    with killed_worker(folder, before + 1):
        search_with_two(kind, spec_file, folder, patience=60.0)
    check_promotions(folder)


def check_promotions(folder):
    """Every trial ended once with all its epochs, and none was promoted twice or by mistake."""
    trials = read_trials(folder / "trials.jsonl")
    assert 24 - 2 < sum(outcome.trained for outcome in trials.outcomes) <= 24
    assert sorted(number for kind, number in trials.events if kind == "ended") == list(trials.rows)
    continued = [row.trial.continues for row in trials.rows.values() if row.trial.continues]
    assert len(set(continued)) == len(continued) > 3
    for number, row in trials.rows.items():
        run = folder / "trials" / number / "x"
        assert [epoch.epoch for epoch in read_epochs(run)] == [*range(1, row.trial.epochs + 1)]
        if row.trial.continues:
            earlier = trials.rows[row.trial.continues].trial
            assert row.trial.values == earlier.values
            assert row.trial.epochs == 2 * earlier.epochs
