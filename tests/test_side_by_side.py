"""The sides of a comparison take turns, and what is said about them is right."""

import json
import sys
import time

import pytest

from benchmarks.side_by_side import Comparison, Ticks, alternate, print_and_write

SIDE = """
import sys, time
from pathlib import Path
from benchmarks.side_by_side import serve

def work():
    with Path(sys.argv[1]).open("a") as file:
        file.write(sys.argv[2])
    time.sleep(float(sys.argv[3]))

print("a line of a library")
serve(work, packages=("numpy",), parameters=7)
"""


def command(path, name: str, seconds: float) -> list[str]:
    return [sys.executable, "-c", SIDE, str(path), name, str(seconds)]


@pytest.fixture
def comparison() -> Comparison:
    seconds = {"own": [1.0, 2.0, 4.0], "peer": [2.0, 2.0, 12.0]}
    return Comparison(seconds, {"own": {}, "peer": {}}, [0.0, 0.5, 0.1], "peer")


def test_sides_take_turns_and_the_order_is_reversed(tmp_path):
    order = tmp_path / "order"
    commands = {"a": command(order, "a", 0.1), "b": command(order, "b", 0.2)}
    comparison = alternate(commands, rounds=3, reference="b")
    assert order.read_text()[2:] == "abbaab"  # the first two are warm-up
    assert min(comparison.ratios("a")) > 1
    assert comparison.ratios("b") == [1, 1, 1]
    assert comparison.facts["a"]["parameters"] == 7
    assert "numpy" in comparison.facts["a"]["versions"]
    assert len(comparison.foreign_load) == 3


def test_a_ratio_is_taken_within_a_round(comparison):
    assert comparison.ratios("own") == [2, 1, 3]
    assert comparison.rows(amount=10.0)[0] == ("own", 5.0, 2.0, 1.0, 3.0)
    assert "| own | 5 | 2.00 | 1.00 to 3.00 |" in comparison.table("tiles a second", 10.0)


def test_the_file_has_every_round_and_the_machine(comparison, tmp_path, capsys):
    file = tmp_path / "results" / "step.json"
    print_and_write(comparison, title="step", unit="s", amount=1.0, file=file, batch=8)
    document = json.loads(file.read_text())
    assert document["sides"]["own"]["seconds"] == [1.0, 2.0, 4.0]
    assert document["sides"]["own"]["median_ratio"] == 2
    assert document["settings"]["batch"] == 8
    assert document["machine"]["cores"] >= 1
    assert "3 rounds" in capsys.readouterr().out


def test_foreign_load_is_what_neither_driver_nor_sides_used():
    before = Ticks(clock=0.0, all=10.0, own=4.0)
    assert before.foreign_load(Ticks(clock=2.0, all=14.0, own=7.0)) == 0.5
    assert before.foreign_load(Ticks(clock=2.0, all=14.0, own=8.1)) == 0.0


def test_work_of_the_driver_is_not_foreign():
    before = Ticks.now([])
    until = time.process_time() + 0.3
    while time.process_time() < until:
        pass
    after = Ticks.now([])
    assert after.own - before.own >= 0.25
    assert after.all > before.all


def test_a_side_that_fails_ends_the_comparison():
    commands = {"broken": [sys.executable, "-c", "raise SystemExit(3)"]}
    with pytest.raises(SystemExit, match="broken: its process ended with exit code 3"):
        alternate(commands, rounds=1, reference="broken")
