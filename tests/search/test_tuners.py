import pytest

from steelexp.errors import UserError
from steelexp.search.executor import Outcome
from steelexp.search.search import question
from steelexp.search.tuner import make_tuner
from steelexp.search.tuners import TUNERS, proposer
from tests.known_search import SPACE, known_spec, score, trial_spec

FINITE = (
    "{loss.name: {choice: [dice, focal]}, training.batch_size: {int: [4, 8], step: 4},"
    " loss.gamma: {float: [1.0, 3.0], when: {loss.name: [focal]}}}"
)


def made(tmp_path, *overrides, space=SPACE, seed=0):
    spec = known_spec(tmp_path, *overrides, space=space)
    found = proposer(spec.search, question(spec))
    return spec, found, make_tuner(found, seed)


def outcome(trial, value):
    return Outcome(trial.id, value, best_epoch=1)


def asked(spec, tuner, count):
    """So many trials in turn, each told its score."""
    trials = []
    for _ in range(count):
        trial = tuner.ask()
        if trial is None:
            break
        trials.append(trial)
        tuner.tell(outcome(trial, score(trial_spec(spec, trial))))
    return trials


@pytest.mark.parametrize("name", TUNERS)
def test_proposes_what_the_space_holds(tmp_path, name):
    spec, _, tuner = made(tmp_path, f"search.tuner.name={name}")
    trials = asked(spec, tuner, 12)
    assert [trial.id for trial in trials] == [f"{number:04d}" for number in range(12)]
    for trial in trials:
        values = dict(trial.values)
        assert (values["loss.name"] == "focal") == ("loss.gamma" in values)
        assert 1e-4 <= values["optimizer.learning_rate"] <= 1e-1
        assert 0.5 <= values.get("loss.gamma", 1) <= 4.0
        assert values["training.batch_size"] in {4, 8, 12, 16}
        assert len(values) == 3 + ("loss.gamma" in values)
    assert len({str(dict(trial.values)) + str(trial.epochs) for trial in trials}) == 12


@pytest.mark.parametrize("name", ["random", "bayesian"])
def test_nothing_is_tried_twice(tmp_path, name):
    """The best lies in a corner, where an inactive setting must not pass for a difference."""
    space = (
        "{optimizer.learning_rate: {log_uniform: [3.0e-3, 3.1e-3]},"
        " loss.name: {choice: [dice, focal]}, loss.gamma: {float: [3.0, 4.0],"
        " when: {loss.name: [focal]}}}"
    )
    _, _, tuner = made(tmp_path, f"search.tuner.name={name}", space=space)
    seen = []
    for _ in range(25):
        trial = tuner.ask()
        seen.append(str(dict(trial.values)))
        rate = trial.values["optimizer.learning_rate"]
        tuner.tell(outcome(trial, 1 - rate + (trial.values["loss.name"] == "dice")))
    assert len(set(seen)) == 25


@pytest.mark.parametrize("name", TUNERS)
def test_the_seed_decides(tmp_path, name):
    def values(seed):
        spec, _, tuner = made(tmp_path, f"search.tuner.name={name}", seed=seed)
        return [trial.values for trial in asked(spec, tuner, 7)]

    first = values(0)
    assert values(0) == first
    assert (values(1) == first) == (name == "grid")


@pytest.mark.parametrize("name", TUNERS)
def test_recorded_values_are_taken_and_what_follows_is_the_same(tmp_path, name):
    spec, _, tuner = made(tmp_path, f"search.tuner.name={name}")
    recorded = asked(spec, tuner, 8)
    again = made(tmp_path, f"search.tuner.name={name}")[2]
    for trial in recorded:
        assert again.ask(trial.values) == trial
        again.tell(outcome(trial, score(trial_spec(spec, trial))))
    assert asked(spec, again, 4) == asked(spec, tuner, 4)


def test_recorded_values_that_the_tuner_would_not_propose(tmp_path):
    _, _, tuner = made(tmp_path)
    values = {"optimizer.learning_rate": 0.01, "loss.name": "dice", "training.batch_size": 4}
    assert tuner.ask(values).values == values
    assert tuner.ask().values != values


def test_the_tuner_knows_the_values_as_they_are_written_and_run(tmp_path):
    spec, _, tuner = made(tmp_path)
    for trial in asked(spec, tuner, 3):
        known = tuner._oracle.trials[trial.id].hyperparameters.values
        assert known["optimizer.learning_rate"] == trial.values["optimizer.learning_rate"]


def test_a_grid_has_every_combination_once(tmp_path):
    spec, found, tuner = made(tmp_path, "search.tuner={name: grid, points: 3}", space=FINITE)
    trials = asked(spec, tuner, 99)
    assert found.trials == len(trials) == 2 * (1 + 3)
    seen = {tuple(sorted(trial.values.items())) for trial in trials}
    wanted = {(("loss.name", "dice"), ("training.batch_size", b)) for b in (4, 8)} | {
        (("loss.gamma", g), ("loss.name", "focal"), ("training.batch_size", b))
        for g in (1.0, 2.0, 3.0)
        for b in (4, 8)
    }
    assert seen == wanted


@pytest.mark.parametrize("name", ["random", "bayesian"])
def test_a_finite_space_ends_by_itself_without_a_trial_twice(tmp_path, name):
    space = "{training.batch_size: {int: [1, 5]}}"
    spec, found, tuner = made(tmp_path, f"search.tuner.name={name}", space=space)
    trials = asked(spec, tuner, 20)
    assert found.trials == 5
    assert sorted(trial.values["training.batch_size"] for trial in trials) == [1, 2, 3, 4, 5]


def tried(tuner, most):
    """Values of so many trials in turn, each with the same score."""
    values = []
    while len(values) < most and (trial := tuner.ask()) is not None:
        values.append(str(trial.values))
        tuner.tell(outcome(trial, 0.5))
    return values


def test_random_tries_every_combination(tmp_path):
    """keras-tuner ended after 77 to 96 of these 100, and after 14 to 18 of 18 (20 seeds)."""
    space = "{loss.name: {choice: [dice, bce_dice]}, training.batch_size: {int: [4, 53]}}"
    for seed in range(20):
        values = tried(made(tmp_path, space=space, seed=seed)[2], 101)
        assert len(set(values)) == len(values) == 100


def test_random_goes_on_where_most_draws_were_tried(tmp_path):
    """Two of three draws are dice or bce_dice, which are tried once: keras-tuner ended at 23."""
    space = (
        "{loss.name: {choice: [dice, bce_dice, focal]},"
        " loss.gamma: {float: [0.5, 3.0], when: {loss.name: [focal]}}}"
    )
    for seed in range(20):
        assert len(tried(made(tmp_path, space=space, seed=seed)[2], 120)) == 120


class TestHyperband:
    def test_rungs_by_hand(self, tmp_path):
        # Nine epochs, factor 3: brackets that begin with 1, 3 and 9 epochs. keras-tuner gives each
        # bracket ceil(3 / (bracket + 1) * 3^bracket) trials: 9, 5 and 3 (its sizes per rung are
        # 9, 3, 1; 5, 2; 3).
        _, found, _ = made(tmp_path, "search.tuner.name=hyperband")
        assert found.trials == (9 + 3 + 1) + (5 + 2) + 3
        assert found.epochs == 9 * 1 + 3 * 2 + 1 * 6 + 5 * 3 + 2 * 6 + 3 * 9

    def test_a_space_with_too_few_combinations_is_refused(self, tmp_path):
        """The brackets by hand, above, begin 9, 5 and 3 trials."""
        space = "{{loss.name: {{choice: [dice, bce_dice]}}, training.batch_size: {{int: [1, {}]}}}}"
        assert made(tmp_path, "search.tuner.name=hyperband", space=space.format(9))[1].trials == 23
        with pytest.raises(UserError, match=r"begins 17 trials .* the space has 16 combinations"):
            made(tmp_path, "search.tuner.name=hyperband", space=space.format(8))

    def test_what_is_declared_is_proposed(self, tmp_path):
        spec, found, tuner = made(tmp_path, "search.tuner={name: hyperband, iterations: 2}")
        trials = {trial.id: trial for trial in asked(spec, tuner, 999)}
        earlier = [trials[t.continues].epochs if t.continues else 0 for t in trials.values()]
        own = [trial.epochs for trial in trials.values()]
        assert len(trials) == found.trials == 46
        assert sum(own) - sum(earlier) == found.epochs

    def test_the_best_of_a_rung_go_on_with_their_values(self, tmp_path):
        spec, _, tuner = made(tmp_path, "search.tuner.name=hyperband")
        trials = {trial.id: trial for trial in asked(spec, tuner, 23)}
        first = [t for t in trials.values() if t.epochs == 1]
        second = [t for t in trials.values() if t.epochs == 3 and t.continues]
        scores = sorted((score(trial_spec(spec, t)) for t in first), reverse=True)
        assert [score(trial_spec(spec, t)) for t in second] == pytest.approx(scores[:3])
        for trial in second:
            assert trial.values == trials[trial.continues].values

    def test_a_failed_trial_does_not_go_on(self, tmp_path):
        spec, _, tuner = made(tmp_path, "search.tuner.name=hyperband")
        trials = []
        while (trial := tuner.ask()) is not None:
            trials.append(trial)
            failed = len(trials) <= 7  # of the nine that begin with one epoch
            value = None if failed else score(trial_spec(spec, trial))
            tuner.tell(outcome(trial, value))
        assert {trial.continues for trial in trials} & {t.id for t in trials[:7]} == set()
        assert trials[-1].epochs == 9


def test_failures_in_a_row_end_nothing(tmp_path):
    spec, _, tuner = made(tmp_path, "search.tuner={name: bayesian, initial: 3}")
    for _ in range(12):
        trial = tuner.ask()
        tuner.tell(outcome(trial, None))
    assert len(asked(spec, tuner, 6)) == 6


@pytest.mark.parametrize("name", TUNERS)
def test_several_at_once_are_different(tmp_path, name):
    spec, _, tuner = made(tmp_path, f"search.tuner.name={name}")
    asked(spec, tuner, 6)
    waiting = [trial for trial in (tuner.ask() for _ in range(3)) if trial is not None]
    assert len({str(trial.values) for trial in waiting}) == len(waiting) >= 1
    for trial in waiting[::-1]:
        tuner.tell(outcome(trial, 0.5))
    assert tuner.ask() is not None


def test_bayesian_looks_where_it_is_good(tmp_path):
    space = "{optimizer.learning_rate: {log_uniform: [1.0e-4, 1.0e-1]}}"
    tuner = "search.tuner={name: bayesian, initial: 4, beta: 0}"
    spec, _, tuner = made(tmp_path, tuner, space=space)
    rates = [trial.values["optimizer.learning_rate"] for trial in asked(spec, tuner, 12)]
    assert rates[-1] == pytest.approx(0.003, rel=0.3)
