import pytest

from steelexp.report.seed_spread import Spread, other_seeds, spread_lines, spreads
from tests.finished_runs import METRICS, finished, record


def seeded(tmp_path, seed, dice=0.5, **fields):
    metrics = METRICS | {"val_dice_positive": dice}
    return finished(tmp_path / f"{seed:08d}", seed=seed, metrics=metrics, **fields)


def with_dice(dice):
    return record(metrics=METRICS | {"val_dice_positive": dice})


def test_runs_that_differ_in_the_seed_alone(tmp_path):
    folder = seeded(tmp_path, 42)
    seeded(tmp_path, 7, dice=0.25)
    seeded(tmp_path, 3)
    seeded(tmp_path, 4, data="other")
    seeded(tmp_path, 5, threshold=0.25)
    seeded(tmp_path, 6, name="b4_focal")
    (tmp_path / "00000003" / "spec.yaml").rename(tmp_path / "00000003" / "spec.bak")
    (finished(tmp_path / "00000008.old-1", seed=8))
    seeds = [each.seed for each in other_seeds(folder, folder.finished_record())]
    assert seeds == [6, 7]


@pytest.mark.parametrize(("again", "within"), [(0.75, True), (0.25, True), (0.8125, False)])
def test_the_spread_is_the_largest_difference_between_two_seeds(again, within):
    """Seeds of 0.5, 0.625 and 0.375: 0.25 apart; the repetition is held against 0.5."""
    others = [with_dice(0.625), with_dice(0.375)]
    first = spreads(with_dice(0.5), with_dice(again), others)[0]
    assert first == Spread("val_dice_positive", abs(again - 0.5), 0.25)
    assert first.is_within is within
    (line,) = spread_lines(with_dice(0.5), with_dice(again), others)
    words = "Within" if within else "NOT within"
    assert line.startswith(
        f"{words} the spread of its 3 seeds (the largest difference between two of them): "
        f"val_dice_positive differs by {abs(again - 0.5):.2g}, seeds by 0.25"
    )


def test_without_other_seeds():
    assert spread_lines(with_dice(0.5), with_dice(0.25), []) == [
        "No finished run beside it differs in the seed alone, so no spread is known."
    ]
