"""The profile of the epochs: shares add up, and waiting is told apart from work."""

from types import SimpleNamespace

import pytest

from steelexp import epoch_profile
from steelexp.epoch_profile import (
    ACTIVITIES,
    CHECKPOINTS,
    INPUT,
    REST,
    STEP,
    TRACKING,
    EpochProfile,
    _waiting,
)
from steelexp.report.profile_table import profile_csv, profile_table


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def work(self, seconds: float) -> None:
        self.seconds += seconds

    def perf_counter(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(epoch_profile, "time", SimpleNamespace(perf_counter=clock.perf_counter))
    return clock


def epoch(profile: EpochProfile, clock: Clock, number: int, checkpoints: int = 1) -> None:
    with profile.epoch(number):
        with profile.training():
            with profile.reading(0):
                pass
            profile.step_begins(0)
            clock.work(8)
        for _ in range(checkpoints):
            with profile.measure(CHECKPOINTS):
                clock.work(2)
        clock.work(1)


def test_each_second_is_of_one_activity(clock: Clock) -> None:
    profile = EpochProfile()
    epoch(profile, clock, 1, checkpoints=2)
    assert profile.epochs == {
        1: dict.fromkeys(ACTIVITIES, 0.0) | {STEP: 8, CHECKPOINTS: 4, REST: 1}
    }
    assert tuple(profile.epochs[1]) == ACTIVITIES


def test_an_epoch_begins_anew(clock: Clock) -> None:
    profile = EpochProfile()
    epoch(profile, clock, 3, checkpoints=2)
    epoch(profile, clock, 4, checkpoints=0)
    assert list(profile.epochs) == [3, 4]
    assert profile.epochs[4][CHECKPOINTS] == 0


def test_an_epoch_that_fails_is_left_out() -> None:
    profile = EpochProfile()
    with pytest.raises(ZeroDivisionError), profile.epoch(1), profile.measure(TRACKING):
        raise ZeroDivisionError
    assert profile.epochs == {}


@pytest.mark.parametrize(
    ("begins", "reads", "seconds"),
    [
        ([10, 20], [(8, 9), (9, 19)], 0),  # each batch is there
        ([10, 20], [(8, 12), (9, 15)], 2),  # the first is late
        (
            [10, 20],
            [(8, 25), (9, 11)],
            20,
        ),  # the second is read before the first, but not handed on
        ([10], [(8, 11), (9, 12), (9, 13)], 1),  # batches that no step asked for
        ([10, 20, 30], [(8, 11)], 1),  # read in another process
        ([10, 40], [(30, 33), (30, 34)], 3),  # the first step is traced for 20 seconds
        ([10, 20], [], 0),
    ],
)
def test_waiting_by_hand(
    begins: list[float], reads: list[tuple[float, float]], seconds: float
) -> None:
    assert _waiting(dict(enumerate(begins)), dict(enumerate(reads))) == seconds


def test_waiting_is_taken_from_the_steps(clock: Clock) -> None:
    profile = EpochProfile()
    with profile.epoch(1), profile.training():
        profile.step_begins(0)
        with profile.reading(0):
            clock.work(3)
        clock.work(5)
    assert (profile.epochs[1][INPUT], profile.epochs[1][STEP]) == (3, 5)


EPOCHS = {
    number: dict.fromkeys(ACTIVITIES, 0.0) | {STEP: step, REST: 1.0}
    for number, step in ((4, 13.0), (5, 3.0), (6, 1.0))
}


def cells(epochs: dict[int, dict[str, float]]) -> list[list[str]]:
    table = profile_table(epochs)
    return [
        [str(cell) for cell in row] for row in zip(*(c.cells for c in table.columns), strict=True)
    ]


def test_the_table_by_hand() -> None:
    rows = {row[0]: row[1:] for row in cells(EPOCHS)}
    assert rows[STEP] == ["17.00", "85.0%", "13.00", "2.00"]
    assert rows["all"] == ["20.00", "100.0%", "14.00", "3.00"]
    assert profile_table(EPOCHS).title == "Seconds of epochs 4 to 6"


def test_the_table_of_one_epoch_has_no_later_ones() -> None:
    assert {len(row) for row in cells({4: EPOCHS[4]})} == {4}
    assert profile_table({4: EPOCHS[4]}).title == "Seconds of epoch 4"


def test_the_file_has_a_line_for_each_epoch() -> None:
    header, *lines = profile_csv(EPOCHS).splitlines()
    assert header.split(",") == ["epoch", *ACTIVITIES]
    assert [line.split(",")[0] for line in lines] == ["4", "5", "6"]
    assert lines[1].split(",")[1 + ACTIVITIES.index(STEP)] == "3.000"
