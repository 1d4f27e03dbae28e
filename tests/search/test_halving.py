"""Asynchronous successive halving: promotions by hand, replays, and workers that never wait."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelexp.search.executor import Outcome, Trial
from steelexp.search.halving import AsynchronousHalving, totals
from steelexp.search.search import question, search
from steelexp.search.trials import Trials, read_trials
from steelexp.search.tuners import proposer
from steelexp.spec.rungs import rungs
from tests.known_curves import SimulatedExecutor
from tests.known_search import known_spec

TUNER = "search.tuner={name: asynchronous_halving}"


class Counter:
    """A tuner that proposes 0, 1, 2 and so on, up to a limit."""

    def __init__(self, limit: int = 100) -> None:
        self.limit = limit
        self.asked = 0
        self.outcomes: list[Outcome] = []

    def ask(self, recorded=None):
        if self.asked == self.limit:
            return None
        values = {"x": self.asked} if recorded is None else recorded
        self.asked += 1
        return Trial(f"{self.asked - 1:04d}", values)

    def tell(self, outcome):
        self.outcomes.append(outcome)


def halving(limit=100, direction="max", factor=2):
    sampler = Counter(limit)
    return (
        AsynchronousHalving(sampler, rungs=[1, 2, 4], factor=factor, direction=direction),
        sampler,
    )


def steps(tuner, *scores):
    """Ask and tell these scores in turn; (x, epochs, continues) of each trial."""
    seen = []
    for score in scores:
        trial = tuner.ask()
        seen.append((trial.values["x"], trial.epochs, trial.continues))
        tuner.tell(Outcome(trial.id, score, None if score is not None else "diverged"))
    return seen


class TestPromotion:
    def test_by_hand(self):
        tuner, _ = halving()
        assert steps(tuner, 0.5, 0.7, 0.8, 0.1, 0.6, 0.2, 0.9) == [
            (0, 1, None),
            (1, 1, None),
            (1, 2, "0001"),  # one of two: the better
            (2, 1, None),  # one of three is one, and it was promoted
            (3, 1, None),
            (3, 2, "0004"),  # two of four: 0.7 and 0.6
            (1, 4, "0002"),  # one of the two with two epochs, before anything on the first rung
        ]

    def test_the_smallest_where_small_is_good(self):
        tuner, _ = halving(direction="min")
        assert steps(tuner, 0.5, 0.7, 0.8)[-1] == (0, 2, "0000")

    def test_of_equals_the_first_that_ended(self):
        tuner, _ = halving()
        first, second = tuner.ask(), tuner.ask()
        tuner.tell(Outcome(second.id, 0.5))
        tuner.tell(Outcome(first.id, 0.5))
        assert tuner.ask().continues == second.id

    def test_running_trials_do_not_count(self):
        tuner, _ = halving()
        trials = [tuner.ask() for _ in range(4)]
        tuner.tell(Outcome(trials[2].id, 0.1))
        assert tuner.ask().continues is None
        tuner.tell(Outcome(trials[0].id, 0.05))
        assert tuner.ask().continues == trials[2].id

    def test_a_failed_trial_is_beaten_by_all_and_never_promoted(self):
        tuner, _ = halving()
        assert steps(tuner, None, 0.1, 0.1)[-1] == (1, 2, "0001")
        tuner, _ = halving()
        assert [continues for *_, continues in steps(tuner, *[None] * 6)] == [None] * 6

    def test_a_failed_promotion_does_not_go_on(self):
        tuner, _ = halving()
        steps(tuner, 0.5, 0.7, None)
        assert [continues for *_, continues in steps(tuner, 0.1, 0.2)] == [None, None]

    def test_the_sampler_is_told_of_its_own_trials(self):
        tuner, sampler = halving()
        steps(tuner, 0.5, 0.7, 0.8, 0.1)
        assert [(each.trial, each.score) for each in sampler.outcomes] == [
            ("0000", 0.5),
            ("0001", 0.7),
            ("0002", 0.1),
        ]

    def test_without_new_values_it_promotes_what_it_can_and_ends(self):
        tuner, _ = halving(limit=4)
        assert len(steps(tuner, 0.4, 0.3, 0.4, 0.2, 0.5, 0.5, 0.5)) == 7
        assert tuner.ask() is None

    def test_given_values_begin_at_the_bottom(self):
        tuner, _ = halving()
        steps(tuner, 0.5, 0.7)
        given = tuner.ask({"x": 50})
        assert (given.values, given.epochs, given.continues) == ({"x": 50}, 1, None)
        assert tuner.ask().continues == "0001"


SCORES = st.one_of(st.none(), st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.5]))
ENDS = st.lists(st.tuples(st.integers(0, 3), SCORES), max_size=60)


class TestAnyOrder:
    @settings(max_examples=100, deadline=None)
    @given(ends=ENDS, factor=st.integers(2, 3))
    def test_promotions_are_among_the_best_and_replayed(self, ends, factor):
        """Four workers; each end is that of the n-th running trial, with a score or a failure."""
        tuner, _ = halving(factor=factor)
        events: list[Trial | Outcome] = [tuner.ask() for _ in range(4)]
        running = [trial for trial in events if isinstance(trial, Trial)]
        for place, score in ends:
            outcome = Outcome(running.pop(place).id, score)
            tuner.tell(outcome)
            trial = tuner.ask()
            running.append(trial)
            events += [outcome, trial]
        check_rungs(events, factor)
        again, _ = halving(factor=factor)
        for event in events:
            if isinstance(event, Trial):
                assert again.ask(event.values) == event
            else:
                again.tell(event)


def check_rungs(events, factor):
    """At each promotion, the trial is one of the best of those of its rung that had ended."""
    epochs, scores, promoted = {}, {}, []
    for event in events:
        if isinstance(event, Outcome):
            scores[event.trial] = -1.0 if event.score is None else event.score
            continue
        epochs[event.id] = event.epochs
        if event.continues is None:
            continue
        promoted.append(event.continues)
        assert event.epochs == 2 * epochs[event.continues]
        rung = [scores[trial] for trial in scores if epochs[trial] == epochs[event.continues]]
        better = sum(score > scores[event.continues] for score in rung)
        assert better < len(rung) // factor
        assert scores[event.continues] >= 0
    assert len(set(promoted)) == len(promoted)


class TestRungs:
    @pytest.mark.parametrize(
        ("epochs", "least", "factor", "wanted"),
        [
            (27, 1, 3, [1, 3, 9, 27]),
            (27, 3, 3, [3, 9, 27]),
            (27, 4, 3, [9, 27]),
            (100, 5, 4, [7, 25, 100]),
            (2, 1, 3, [1, 2]),
            (5, 6, 3, [5]),
        ],
    )
    def test_by_hand(self, epochs, least, factor, wanted):
        assert rungs(epochs, least, factor) == wanted

    def test_totals_of_a_finite_space(self):
        assert totals(8, [1, 3, 9], 3) == (8 + 2, 8 * 1 + 2 * 2)
        assert totals(9, [1, 3, 9], 3) == (9 + 3 + 1, 9 * 1 + 3 * 2 + 1 * 6)

    def test_a_finite_space_ends_by_itself(self, tmp_path):
        space = "{training.batch_size: {int: [1, 9]}}"
        spec = known_spec(tmp_path, TUNER, "search.trials=null", space=space)
        executor = SimulatedExecutor(spec, 1)
        search(spec, tmp_path / "s", executor, digest="data")
        found = proposer(spec.search, question(spec))
        assert (found.trials, found.epochs) == (13, 21)
        assert (executor.trials, executor.epochs) == (13, 21)


class Killed(BaseException):
    """In place of SIGKILL."""


class Script:
    """Two workers whose trials end in a given order: (trial, score, trained epochs)."""

    slots = 2

    def __init__(self, *ends: tuple[str, float, int]) -> None:
        self.ends = list(ends)
        self.trials: dict[str, Trial] = {}

    def submit(self, trial):
        self.trials[trial.id] = trial

    def next(self):
        name, score, trained = self.ends.pop(0)
        epochs = self.trials[name].epochs
        return Outcome(name, score, None, 1, epochs, trained, 1.0, name)

    def close(self):
        pass


def two_workers(spec, folder: Path) -> SimulatedExecutor:
    rows = read_trials(folder / "trials.jsonl").rows if folder.exists() else {}
    executor = SimulatedExecutor(spec, 2, {number: row.trial for number, row in rows.items()})
    search(spec, folder, executor, digest="data")
    return executor


class TestTwoWorkers:
    def test_none_waits_while_there_is_budget(self, tmp_path):
        spec = known_spec(
            tmp_path, TUNER, "search.trials=null", "search.epochs=200", "training.epochs=27"
        )
        executor = two_workers(spec, tmp_path / "s")
        assert executor.idle_share_before_last_start == pytest.approx(0.0, abs=1e-9)
        assert 200 - 18 < executor.epochs <= 200

    def test_a_promotion_that_waited_for_its_epochs_replays(self, tmp_path):
        """0001 was promoted before 0002 ended, which was better and left an epoch of its own."""
        halves = "search.tuner={name: asynchronous_halving, factor: 2}"
        given = (halves, "search.trials=null")
        ends = [("0000", 0.5, 1), ("0001", 0.7, 1), ("0002", 0.9, 0), ("0003", 0.8, 1)]
        spec = known_spec(tmp_path, *given, "search.epochs=3")
        search(spec, tmp_path / "s", Script(*ends), digest="data")
        trials = read_trials(tmp_path / "s" / "trials.jsonl")
        order = [("ended", "0001"), ("ended", "0002"), ("proposed", "0003")]
        assert trials.events[4:7] == order
        promoted = trials.rows["0003"].trial
        assert (promoted.continues, promoted.outcomes) == ("0001", 2)
        two_workers(known_spec(tmp_path, *given, "search.epochs=9"), tmp_path / "s")
        continued = read_trials(tmp_path / "s" / "trials.jsonl").rows["0004"].trial.continues
        assert continued == "0002"

    @pytest.mark.parametrize("seed", range(5))
    def test_killed_anywhere_its_journal_replays(self, tmp_path, seed, monkeypatch):
        spec = known_spec(tmp_path, TUNER, "search.trials=30", f"search.seed={seed}")
        draw = random.Random(seed)
        append = Trials._append
        for _ in range(4):
            left = [draw.randint(1, 15)]

            def dying(trials, event, left=left):
                left[0] -= 1
                if left[0] == 0:
                    raise Killed
                append(trials, event)

            with monkeypatch.context() as patch:
                patch.setattr(Trials, "_append", dying)
                with pytest.raises(Killed):
                    two_workers(spec, tmp_path / "s")
        two_workers(spec, tmp_path / "s")
        rows = read_trials(tmp_path / "s" / "trials.jsonl").rows
        assert len(rows) == 30
        continued = [row.trial.continues for row in rows.values() if row.trial.continues]
        assert len(continued) == len(set(continued)) > 3
        for row in rows.values():
            if row.trial.continues:
                assert row.trial.values == rows[row.trial.continues].trial.values
