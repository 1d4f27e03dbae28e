import json
from io import StringIO

import pytest
from rich.console import Console

from steelexp.records.store import DamagedError
from steelexp.report.search_table import read_search, search_lines, trials_table
from tests.simulated_searches import THREE_TRIALS as SEARCH


def cells(search):
    console = Console(file=StringIO(), width=200)
    console.print(trials_table(search))
    lines = [line for line in console.file.getvalue().splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines]


class TestTrialsTable:
    def test_the_best_first_and_failures_last(self):
        assert cells(SEARCH) == [
            ["0001", "0.5000", "4 of 5", "1.7", "0.001235", "focal", "2", "-"],
            ["0000", "0.2500", "4 of 5", "1.7", "-", "dice", "-", "4"],
            ["0002", "failed", "", "1.7", "-", "dice", "-", "-"],
        ]

    def test_a_loss_is_to_be_small(self):
        found = cells(SEARCH | {"objective": "val_loss", "direction": "min"})
        assert [row[0] for row in found] == ["0000", "0001", "0002"]


def test_lines_say_why_trials_failed_and_what_is_next(tmp_path):
    assert search_lines(SEARCH, tmp_path) == [
        "Trial 0002 failed: out of memory",
        "Unfinished: the command that began the search goes on with it.",
        f"Best: trial 0001; run it: python -m steelexp run {tmp_path / 'best.yaml'}",
        f"Figures: python -m analysis.search_history {tmp_path}",
    ]


class TestReadSearch:
    def test_what_a_search_leaves(self, tmp_path):
        (tmp_path / "search.json").write_text(json.dumps(SEARCH))
        assert read_search(tmp_path / "search.json") == SEARCH

    @pytest.mark.parametrize("text", ["{}", "[]", "no JSON", '{"schema_version": 2}'])
    def test_anything_else_is_refused(self, tmp_path, text):
        (tmp_path / "search.json").write_text(text)
        with pytest.raises(DamagedError, match=r"search\.json: "):
            read_search(tmp_path / "search.json")
