import threading
import time

import numpy as np
import pytest

from steelexp.errors import UserError
from steelexp.records.probe_file import Speed, read_probe_file, write_probe_file
from steelexp.training import probe
from steelexp.training.execution import Execution
from steelexp.training.probe import (
    BFLOAT16,
    FOLDED,
    FORMS,
    PLAIN,
    REMAPPER,
    SYSTEM,
    best_allocator,
    measure_once,
    probe_path,
    sides,
    this_machine,
)


def speed(median, lowest=None, highest=None):
    return Speed(median=median, lowest=lowest or median - 0.01, highest=highest or median + 0.01)


SPEEDS = {REMAPPER: speed(1.01), FOLDED: speed(1.2), SYSTEM: speed(0.9)}


@pytest.fixture(autouse=True)
def caches(tmp_path, monkeypatch):
    """A folder of the caches with no probe in it; no GPU."""
    monkeypatch.setenv("STEELEXP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("STEELEXP_PROBE", "on")
    monkeypatch.setattr(probe, "features_here", lambda: frozenset(["avx2"]))
    monkeypatch.setattr(probe, "execution_here", lambda: Execution(2, decoder="folded"))
    return tmp_path / "cache"


@pytest.fixture
def speeds(monkeypatch):
    """Speeds that a measurement finds; how often it was made is in `count`."""

    class Speeds(dict):
        count = 0

    given = Speeds(SPEEDS)

    def measure(every):
        given.count += 1
        time.sleep(0.05)  # long enough for another process to come
        return dict(given)

    monkeypatch.setattr(probe, "_speeds", measure)
    return given


def path():
    return probe_path(this_machine())


def test_a_machine_is_measured_once(speeds, capsys):
    measure_once()
    measure_once()
    assert speeds.count == 1
    assert read_probe_file(path()).speeds == SPEEDS
    assert capsys.readouterr().out == (
        f"Measured once, {path()}: speed of a training step over that of the plain form: "
        f"{REMAPPER} 1.01, {FOLDED} 1.20, {SYSTEM} 0.90\n"
    )


def test_another_number_of_cores_is_another_machine(speeds, monkeypatch):
    measure_once()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    measure_once()
    assert speeds.count == 2


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"schema_version": 1}', b"\xff"])
def test_a_damaged_file_is_measured_again(speeds, capsys, damage):
    measure_once()
    whole = path().read_bytes()
    path().write_bytes(damage or whole[:-30])
    assert best_allocator() == "kept"
    measure_once()
    assert speeds.count == 2
    assert f"{path()}: damaged; this machine is measured again" in capsys.readouterr().out
    assert path().read_bytes() == whole


def test_a_changed_value_is_damage(speeds):
    measure_once()
    path().write_text(path().read_text().replace('"kept"', '"system"'))
    assert best_allocator() == "kept"


def test_the_file_of_another_machine_does_not_count(speeds):
    measure_once()
    other = read_probe_file(path())
    machine = other.machine.model_copy(update={"cores": 1000})
    write_probe_file(path(), other.model_copy(update={"machine": machine, "allocator": "system"}))
    assert best_allocator() == "kept"


def test_two_at_once_measure_once(speeds):
    threads = [threading.Thread(target=measure_once) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert speeds.count == 1
    assert read_probe_file(path()).speeds == SPEEDS


def test_it_can_be_switched_off(speeds, monkeypatch, caches):
    speeds[SYSTEM] = speed(1.5)
    measure_once()
    assert best_allocator() == "system"
    monkeypatch.setenv("STEELEXP_PROBE", "off")
    assert best_allocator() == "kept"
    path().unlink()
    measure_once()
    assert not path().exists()
    monkeypatch.setenv("STEELEXP_PROBE", "no")
    with pytest.raises(UserError, match="STEELEXP_PROBE=no: set it to on or off"):
        measure_once()


def test_a_machine_with_a_gpu_is_not_measured(speeds, monkeypatch):
    monkeypatch.setattr(probe, "features_here", lambda: frozenset(["avx2", "gpu"]))
    measure_once()
    assert speeds.count == 0


@pytest.mark.parametrize(
    ("rounds", "expected"),
    [
        (speed(1.04), "kept"),
        (speed(1.06), "system"),
        (speed(1.2, lowest=0.99), "kept"),  # a busy machine
        (speed(0.5), "kept"),
    ],
)
def test_memory_is_treated_as_it_was_faster_in_every_round(speeds, rounds, expected):
    speeds[SYSTEM] = rounds
    measure_once()
    assert best_allocator() == expected


def test_a_choice_that_is_not_the_fastest_is_reported_and_kept(speeds, capsys):
    speeds |= {REMAPPER: speed(1.07), FOLDED: speed(0.8), BFLOAT16: speed(2)}
    speeds |= {"1 threads": speed(1.04), "2 threads": speed(1.3, lowest=0.9)}
    measure_once()
    _, *slow = capsys.readouterr().out.splitlines()
    why = "as on every machine with avx2, so that their runs have the same bits"
    assert slow == [
        f"{REMAPPER}: not used, {why}; the other choice is 1.07 times as fast on this one",
        f"{FOLDED}: used, {why}; the other choice is 1.25 times as fast on this one",
    ]
    assert probe.execution_here() == Execution(2, decoder="folded")


def test_a_folder_that_cannot_be_written_is_named(speeds, caches, capsys):
    caches.write_text("a file")
    measure_once()
    assert capsys.readouterr().out.endswith("or STEELEXP_PROBE=off\n")


def test_a_failed_measurement_is_reported_and_not_repeated(monkeypatch, capsys):
    monkeypatch.setattr(probe.sys, "executable", "false")
    measure_once()
    line = f"{path()}: this machine could not be measured: the process that times {PLAIN} ended"
    assert capsys.readouterr().out.startswith(line)
    measure_once()
    assert capsys.readouterr().out == ""
    assert best_allocator() == "kept"


def test_bfloat16_is_timed_where_the_processor_has_it(monkeypatch):
    machine = this_machine()
    assert [form for side in sides(machine) for form in side.names][:4] == [
        PLAIN,
        REMAPPER,
        FOLDED,
        PLAIN,
    ]
    machine = machine.model_copy(update={"features": ["avx512_bf16"]})
    assert list(sides(machine)[0].names) == list(FORMS)


def test_fewer_threads_are_timed_where_cores_are_shared(monkeypatch):
    machine = this_machine().model_copy(update={"cores": 8})
    monkeypatch.setattr(probe, "_shares_cores", lambda: True)
    assert sides(machine)[-1] == ("kept", 4, {PLAIN: "4 threads"})
    monkeypatch.setattr(probe, "_shares_cores", lambda: False)
    assert {side.threads for side in sides(machine)} == {8}


def test_all_forms_compute_the_same():
    from steelexp.training import probe_sides

    scores = {name: probe_sides.scores(form).numpy() for name, form in FORMS.items()}
    for name in (REMAPPER, FOLDED):
        np.testing.assert_allclose(scores[name], scores[PLAIN], atol=1e-4)
    np.testing.assert_allclose(scores[BFLOAT16], scores[PLAIN], atol=0.1)
    assert scores[PLAIN].std() > 0.5


@pytest.mark.slow
def test_this_machine_is_measured(capsys, monkeypatch):
    began = time.monotonic()
    measure_once()
    assert time.monotonic() - began < 60
    probe_file = read_probe_file(path())
    assert probe_file.problem == ""
    assert {REMAPPER, FOLDED, SYSTEM} <= set(probe_file.speeds)
    assert all(0.05 < each.median < 20 for each in probe_file.speeds.values())
