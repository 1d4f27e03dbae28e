from io import StringIO

from rich.console import Console

from steelexp.command_line import python_line
from steelexp.records.search_file import SearchFile, best_line
from steelexp.report.search_table import search_lines, trials_table
from tests.simulated_searches import THREE_TRIALS

SEARCH = SearchFile.model_validate(THREE_TRIALS)


def cells(search):
    console = Console(file=StringIO(), markup=False, width=200)
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
        found = cells(SEARCH.model_copy(update={"objective": "val_loss", "direction": "min"}))
        assert [row[0] for row in found] == ["0000", "0001", "0002"]


def test_lines_say_why_trials_failed_and_what_is_next(tmp_path):
    assert search_lines(SEARCH, tmp_path) == [
        "Trial 0002 failed: out of memory",
        "Unfinished: the command that began the search goes on with it.",
        f"Best: trial 0001; run it: {best_line(tmp_path)}",
        f"Figures: {python_line('-m', 'analysis.search_history', tmp_path)}",
    ]
