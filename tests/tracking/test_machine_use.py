"""Samples of the machine: their values by hand, their number, and that they disturb nothing."""

import threading
import time
from pathlib import Path

import pytest

from steelexp.tracking import machine_use
from steelexp.tracking.machine_use import (
    MOST_SAMPLES,
    Sampler,
    Ticks,
    disk_use,
    interval,
    memory_use,
    parse_gpus,
    processor_use,
    read_ticks,
)


def test_processors_by_hand(tmp_path: Path) -> None:
    file = tmp_path / "stat"
    file.write_text("cpu  10 5 15 60 10 0 0 0 7 7\ncpu0 1 1 1 1 1 1 1 1 1 1\n")
    before = read_ticks(file)
    assert before == Ticks(busy=30, total=100)
    assert processor_use(before, Ticks(busy=80, total=200)) == {"sys.cpu.percent.avg": 50.0}
    assert processor_use(before, before) == {}
    assert processor_use(None, before) == {}
    assert read_ticks(tmp_path / "absent") is None


def test_memory_by_hand(tmp_path: Path) -> None:
    file = tmp_path / "meminfo"
    file.write_text("MemTotal:  4 kB\nMemFree:  1 kB\nMemAvailable:  3 kB\n")
    assert memory_use(file) == {
        "sys.ram.total": 4096.0,
        "sys.ram.used": 1024.0,
        "sys.ram.percent.used": 25.0,
    }
    file.write_text("MemTotal: many\n")
    assert memory_use(file) == memory_use(tmp_path / "absent") == {}


def test_a_disk_that_is_gone_has_no_use(tmp_path: Path) -> None:
    assert 0 < disk_use(tmp_path)["sys.disk.root.percent.used"] <= 100
    assert disk_use(tmp_path / "absent") == {}


def test_gpus_by_hand() -> None:
    text = "97, 1024, 81559, 64, 412.50\n0, 3, 81559, 30, [N/A]\n"
    values = parse_gpus(text)
    assert values["sys.gpu.0.gpu_utilization"] == 97
    assert values["sys.gpu.0.used_memory"] == 2**30
    assert values["sys.gpu.0.power_usage"] == 412_500
    assert values["sys.gpu.1.temperature"] == 30
    assert "sys.gpu.1.power_usage" not in values
    assert parse_gpus("No devices were found\n") == {}


def test_the_interval_doubles_so_that_samples_are_few() -> None:
    assert [interval(count, 30.0) for count in (0, 499, 500, 1000)] == [30, 30, 60, 120]
    seconds = sum(interval(count, 30.0) for count in range(MOST_SAMPLES))
    assert seconds > 100 * 24 * 3600


def test_samples_are_numbered_on_and_end(tmp_path: Path) -> None:
    taken: list[int] = []
    done = threading.Event()

    def note(number: int, values: object) -> None:
        taken.append(number)
        if len(taken) == 3:
            done.set()

    sampler = Sampler(tmp_path, 0.01, 7, note)
    assert done.wait(20)
    sampler.stop()
    time.sleep(0.05)
    count = len(taken)
    time.sleep(0.1)
    assert taken == list(range(8, 8 + count))
    assert len(taken) == count


def test_an_error_ends_the_samples_and_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ZeroDivisionError("by design")

    monkeypatch.setattr(machine_use, "read_ticks", fail)
    Sampler(tmp_path, 0.01, 0, lambda number, values: None)
    until = time.monotonic() + 20
    while not caplog.records and time.monotonic() < until:
        time.sleep(0.01)
    assert "No further samples of the machine: by design" in caplog.text
