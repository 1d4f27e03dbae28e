"""A network that the next trial uses again trains as a new one of a process of its own."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steelexp import network, network_memory
from steelexp.experiment import network_on_devices
from steelexp.lazy import keras
from steelexp.network_memory import NetworkMemory, graph_of
from steelexp.plan import Plan, SpecModel, prepare
from steelexp.records.store import RunFolder
from steelexp.spec import load
from steelexp.training.checkpoint import weights_hash
from steelexp.training.execution import execution_here
from tests import fakes
from tests.test_trial import spec_file

__all__ = ["spec_file"]  # a fixture

EXECUTION = execution_here()
SAME_GRAPH = (
    "optimizer.learning_rate=0.05",
    "training.batch_size=2",
    "training.epochs=7",
    "training.early_stopping_patience=2",
    "seed=9",
    "name=other",
    "data.train_fraction={'1': 0.5}",
)
OTHER_GRAPH = (
    "model.decoder_filters=[8, 8, 8, 8, 4]",
    "model.batch_norm_momentum=0.8",
    "model.resolution=half",
    "loss.name=focal",
    "loss.smooth=0.5",
    "loss_warm_up={name: focal, epochs: 1}",
    "class_weights.kind=inverse",
    "optimizer.clip_norm=1.0",
    "optimizer.beta_1=0.8",
    "training.threshold=0.4",
    "training.precision=mixed_float16",
    "tiling={kind: columns, size: 32, count: 2}",
)


def plan_of(spec_file: Path, runs: Path, *overrides: str) -> Plan:
    return prepare(load(spec_file, overrides, model=SpecModel), runs)


@pytest.mark.parametrize("override", SAME_GRAPH)
def test_what_is_not_in_the_graph(spec_file: Path, tmp_path: Path, override: str) -> None:
    plan = plan_of(spec_file, tmp_path)
    assert graph_of(plan_of(spec_file, tmp_path, override), EXECUTION) == graph_of(plan, EXECUTION)


@pytest.mark.parametrize("override", OTHER_GRAPH)
def test_what_is_in_the_graph(spec_file: Path, tmp_path: Path, override: str) -> None:
    base = ("loss.name=weighted_bce",) if override.startswith("class_weights") else ()
    plan = plan_of(spec_file, tmp_path, *base)
    other = plan_of(spec_file, tmp_path, *base, override)
    assert graph_of(other, EXECUTION) != graph_of(plan, EXECUTION)


def test_other_initial_weights_are_another_graph(spec_file: Path, tmp_path: Path) -> None:
    plan = plan_of(spec_file, tmp_path)
    other = replace(plan, initial_weights="abc")
    assert graph_of(other, EXECUTION) != graph_of(plan, EXECUTION)


def test_another_execution_is_another_graph(spec_file: Path, tmp_path: Path) -> None:
    plan = plan_of(spec_file, tmp_path)
    other = EXECUTION._replace(remapper=not EXECUTION.remapper)
    assert graph_of(plan, other) != graph_of(plan, EXECUTION)


@pytest.mark.slow
def test_a_network_is_used_again_with_the_weights_of_its_seed(
    spec_file: Path, tmp_path: Path
) -> None:
    memory = NetworkMemory()
    first_plan = plan_of(spec_file, tmp_path)
    first, _ = network_on_devices(first_plan, EXECUTION, memory.network)
    initial = weights_hash(first.model)
    optimizer = [variable.numpy() for variable in first.model.optimizer.variables]
    spoil(first.model)
    again, _ = network_on_devices(first_plan, EXECUTION, memory.network)
    assert again is first
    assert weights_hash(again.model) == initial
    for variable, value in zip(again.model.optimizer.variables, optimizer, strict=True):
        assert (variable.numpy() == value).all()

    for seed in (9, 1):
        plan = plan_of(spec_file, tmp_path, f"seed={seed}")
        new, _ = network_on_devices(plan, EXECUTION)
        again, _ = network_on_devices(plan, EXECUTION, memory.network)
        assert again is first
        assert weights_hash(again.model) == weights_hash(new.model)
        assert (weights_hash(again.model) == initial) == (seed == 1)

    other = plan_of(spec_file, tmp_path, "optimizer.clip_norm=1.0")
    assert network_on_devices(other, EXECUTION, memory.network)[0] is not first


def spoil(model: Any) -> None:
    for variable in (*model.weights, *model.optimizer.variables):
        variable.assign(np.full(variable.shape, 3, variable.dtype.as_numpy_dtype))


def test_a_network_that_draws_noise_is_built_anew(
    spec_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its generators would go on; noise of the steps begins anew."""
    plan = plan_of(spec_file, tmp_path)

    def with_dropout(*settings: Any) -> Any:
        model = fakes.pixel_model((0.1, -1.0), (0.1, -1.0))
        return keras.Model(model.input, keras.layers.Dropout(0.1)(model.output))

    for module in (network, network_memory):
        monkeypatch.setattr(module, "untrained_model", with_dropout)
    for noise in ("kernels", "steps"):
        memory = NetworkMemory()
        execution = EXECUTION._replace(noise=noise)
        first, _ = network_on_devices(plan, execution, memory.network)
        again, _ = network_on_devices(plan, execution, memory.network)
        assert (again is first) == (noise == "steps")
    seed = plan_of(spec_file, tmp_path, "seed=9")
    assert int(again.noise_seed) == 1
    network_on_devices(seed, execution, memory.network)
    assert int(again.noise_seed) == 9


TRIALS = [
    {"optimizer.learning_rate": 1.0e-3, "training.batch_size": 3},
    {"optimizer.learning_rate": 1.0e-2, "training.batch_size": 2},
    {"optimizer.learning_rate": 1.0e-2, "loss.name": "focal"},
]
PROCESS = """
import json, resource, sys
from pathlib import Path
from steelexp.search.executor import Trial
from steelexp.trial import TrialRunner

spec, folder, trials = json.loads(sys.argv[1])
for trial in trials:
    TrialRunner(spec, Path(folder))(Trial(*trial))
    print(Path("/proc/self/statm").read_text().split()[1], flush=True)
"""


def train(
    spec: dict[str, Any], folder: Path, trials: list[tuple[str, dict[str, Any]]]
) -> list[int]:
    """Run trials in one process; return its resident memory in MiB after each."""
    words = json.dumps([spec, str(folder), trials])
    done = subprocess.run(
        [sys.executable, "-c", PROCESS, words], stdout=subprocess.PIPE, text=True, check=True
    )
    return [int(line) * 4096 >> 20 for line in done.stdout.splitlines() if line.isdecimal()]


def outcome(folder: Path, trial: str) -> Any:
    (path,) = (folder / "trials" / trial).iterdir()
    run = RunFolder(path)
    assert run.record is not None
    epochs = [(epoch.step, epoch.metrics) for epoch in run.epochs]
    return run.record.weights, run.record.metrics, epochs


@pytest.mark.slow  # three processes with TensorFlow
def test_trials_of_one_process_are_those_of_processes_of_their_own(
    spec_file: Path, tmp_path: Path
) -> None:
    spec = load(spec_file, model=SpecModel).model_dump(mode="json")
    trials = [(f"{number:04d}", values) for number, values in enumerate(TRIALS)]
    train(spec, tmp_path / "a" / "search", trials)
    for trial in trials[1:]:
        train(spec, tmp_path / "b" / "search", [trial])
        together = outcome(tmp_path / "a" / "search", trial[0])
        assert together == outcome(tmp_path / "b" / "search", trial[0])


@pytest.mark.slow  # 12 trainings
def test_memory_does_not_grow_with_trials(spec_file: Path, tmp_path: Path) -> None:
    spec = load(spec_file, ("training.epochs=1",), model=SpecModel).model_dump(mode="json")
    rates = [10.0**-exponent for exponent in np.linspace(2, 4, 12)]
    trials = [
        (f"{number:04d}", {"optimizer.learning_rate": rate}) for number, rate in enumerate(rates)
    ]
    resident = train(spec, tmp_path / "search", trials)
    assert len(resident) == len(trials)
    assert resident[-1] < resident[3] + 60
