import json

import pytest

from steelexp.errors import UserError
from steelexp.search.executor import LocalExecutor, Outcome, Trial
from steelexp.search.trials import read_trials

FIRST = Trial("0000", {"loss.name": "focal", "loss.gamma": 2.0})
SECOND = Trial("0001", {"loss.name": "dice"}, epochs=3, continues="0000", outcomes=1)
ENDED = Outcome("0000", 0.5, None, 2, 3, 3, 9.5, "trials/0000/ab")


@pytest.fixture
def path(tmp_path):
    trials = read_trials(tmp_path / "search" / "trials.jsonl")
    trials.open({"search.seed": 0})
    trials.propose(FIRST, 1.0)
    trials.end(ENDED, 10.5)
    trials.propose(SECOND, 11.0)
    return trials.path


def test_is_read_as_it_was_written(path):
    found = read_trials(path)
    assert found.identity == {"search.seed": 0}
    assert [row.trial for row in found.rows.values()] == [FIRST, SECOND]
    assert (found.outcomes, found.running) == ([ENDED], [SECOND])
    assert found.events == [("proposed", "0000"), ("ended", "0000"), ("proposed", "0001")]
    assert found.elapsed == 11.0


def test_lines_by_hand(path):
    events = [json.loads(line) for line in path.read_text().splitlines()]
    assert all(event.pop("check") for event in events)
    assert events[1] == {
        "event": "proposed",
        "trial": "0000",
        "values": {"loss.name": "focal", "loss.gamma": 2.0},
        "epochs": None,
        "continues": None,
        "source": "tuner",
        "outcomes": 0,
        "elapsed": 1.0,
    }
    assert events[2] == {
        "event": "finished",
        "trial": "0000",
        "score": 0.5,
        "reason": None,
        "best_epoch": 2,
        "epochs": 3,
        "trained": 3,
        "seconds": 9.5,
        "folder": "trials/0000/ab",
        "scores": {},
        "elapsed": 10.5,
    }


def test_a_torn_last_line_did_not_happen(path):
    whole = path.read_text().splitlines(keepends=True)
    path.write_text("".join(whole) + '{"event": "finished", "tri')
    assert read_trials(path).running == [SECOND]
    path.write_text("".join(whole)[:-1])  # only the line's end is missing
    found = read_trials(path)
    assert found.running == []
    found.propose(SECOND, 11.0)
    assert path.read_text() == "".join(whole)


@pytest.mark.parametrize("line", ["{", "[]", '{"event": "finished", "trial": "9"}', '{"event": 1}'])
def test_a_whole_line_that_is_no_event(path, line):
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], line, *lines[2:]]) + "\n")
    with pytest.raises(UserError, match=r"trials\.jsonl:3: not an event"):
        read_trials(path)


@pytest.mark.parametrize(
    ("direction", "minimum", "counts"),
    [
        ("max", 0.0, [0, 1, 2, 0, 1, 2]),
        ("max", 0.1, [0, 1, 2, 3, 4, 0]),  # 0.55 is no gain, so 0.65 is held against 0.5
        ("min", 0.0, [0, 1, 0, 1, 2, 3]),
    ],
)
def test_trials_since_the_last_gain(tmp_path, direction, minimum, counts):
    trials = read_trials(tmp_path / "search" / "trials.jsonl")
    trials.open({})
    scores = (0.5, None, 0.4, 0.55, 0.55, 0.65)
    if minimum == 0.0 and direction == "max":
        scores = (0.5, None, 0.4, 0.55, 0.55, 0.51)
    for number, score in enumerate(scores):
        trials.propose(Trial(str(number), {}), 0.0)
        trials.end(Outcome(str(number), score), 0.0)
        assert trials.since_gain(direction, minimum) == counts[number]
    assert read_trials(trials.path).since_gain(direction, minimum) == counts[-1]


def test_the_local_executor_runs_in_order():
    executor = LocalExecutor(lambda trial: Outcome(trial.id, float(trial.values["x"])))
    executor.submit(Trial("0", {"x": 1}))
    executor.submit(Trial("1", {"x": 2}))
    assert [executor.next().score, executor.next().score] == [1.0, 2.0]
    assert executor.slots == 1
