"""A Ray cluster of two machines, both of them this one: a machine is lost, and so is the driver."""

import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from steelexp.errors import UserError
from steelexp.records.store import read_epochs
from steelexp.search.executor import Trial
from steelexp.search.ray_executor import RayExecutor
from tests.fake_trials import alive, events, run_trial, wait_for_epoch

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
TRIALS = ("0000", "0001")


@pytest.fixture
def cluster(monkeypatch):
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in TRIALS:
        cluster.add_node(num_cpus=1)
    yield cluster
    cluster.shutdown()


def test_a_lost_machine_costs_no_trial(cluster, tmp_path):
    executor = RayExecutor(partial(run_trial, folder=tmp_path), workers=2, address=cluster.address)
    try:
        (tmp_path / "1").touch()
        for name in TRIALS:
            executor.submit(Trial(name, {"gate": str(tmp_path)}, 3, None))
        for name in TRIALS:
            wait_for_epoch(tmp_path / name)
        cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
        for gate in ("2", "3"):
            (tmp_path / gate).touch()
        assert {executor.next().trial, executor.next().trial} == set(TRIALS)
    finally:
        executor.close()
    assert sorted(len(events(tmp_path / name)) for name in TRIALS) == [1, 2]
    for name in TRIALS:
        assert [epoch.epoch for epoch in read_epochs(tmp_path / name)] == [1, 2, 3]


def test_a_lost_driver_takes_its_workers_along(cluster, tmp_path):
    (tmp_path / "1").touch()
    command = [sys.executable, "-m", "tests.fake_trials", str(tmp_path), cluster.address]
    driver = subprocess.Popen(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)})
    for name in TRIALS:
        wait_for_epoch(tmp_path / name)
    driver.kill()
    driver.wait()
    executor = RayExecutor(partial(run_trial, folder=tmp_path), workers=2, address=cluster.address)
    try:
        for name in TRIALS:
            executor.submit(Trial(name, {"gate": str(tmp_path)}, 3, None))
        orphans = [events(tmp_path / name)[0]["pid"] for name in TRIALS]
        until = time.monotonic() + 60
        while any(map(alive, orphans)):
            assert time.monotonic() < until
            time.sleep(0.1)
        for gate in ("2", "3"):
            (tmp_path / gate).touch()
        assert [executor.next().trained, executor.next().trained] == [2, 2]
    finally:
        executor.close()


def test_too_many_workers_are_refused_with_what_there_is(cluster):
    said = r"workers: 3: there is room for 2 (?=.*0 cores)(?=.*1 cores)"  # in any order
    with pytest.raises(UserError, match=said):
        RayExecutor(run_trial, workers=3, address=cluster.address)
