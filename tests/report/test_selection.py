import pytest

from steelexp.report.runs import read_run
from steelexp.report.selection import best_strategies, detailed
from tests.finished_runs import METRICS, finished, unfinished

VALUES = {"a": (0.5, 0.7, 0.6), "b": (0.9, 0.1), "c": (0.3,)}


@pytest.fixture
def strategies(tmp_path):
    """Strategy -> its runs, with these values of dice_positive."""
    return {
        name: [
            read_run(
                finished(
                    tmp_path / name / str(n),
                    name=name,
                    digest=f"{name}{n}",
                    metrics=METRICS | {"val_dice_positive": value},
                )
            )
            for n, value in enumerate(values)
        ]
        for name, values in VALUES.items()
    }


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (1, ["b0"]),
        (2, ["a1", "b0"]),
        (3, ["a1", "b0", "c0"]),
        (4, ["a1", "a2", "b0", "c0"]),
        (99, ["a0", "a1", "a2", "b0", "b1", "c0"]),
    ],
)
def test_the_best_of_each_strategy_come_first(strategies, most, expected):
    runs = [run for each in strategies.values() for run in each]
    assert [run.record.digest for run in detailed(runs, most)] == expected


def test_unfinished_runs_come_last(strategies, tmp_path):
    begun = read_run(unfinished(tmp_path / "d" / "0", name="c"))
    assert detailed([begun, *strategies["c"]], 1) == strategies["c"]


@pytest.mark.parametrize(
    ("always", "most", "expected"),
    [("a", 1, ["a"]), ("c", 2, ["a", "c"]), ("b", 2, ["a", "b"]), ("c", 3, ["a", "b", "c"])],
)
def test_strategies_with_the_highest_means_and_the_baseline(strategies, always, most, expected):
    assert best_strategies(strategies, always, most) == expected  # means 0.6, 0.5, 0.3
