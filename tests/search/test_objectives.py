import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from steelexp.errors import UserError
from steelexp.search.executor import Outcome, Trial
from steelexp.search.objectives import check_objectives, pareto_front, ranked, scalarise
from steelexp.search.trials import Row
from steelexp.spec.objective import Objective, objectives
from tests.known_search import known_spec, known_trial, searched, trials_of

DICE = Objective("val_dice_positive", "max")
SECONDS = Objective("seconds", "min")


def rows(*pairs):
    """A finished trial for each (dice, seconds); None is a failed one."""
    outcomes = [
        Outcome(f"{n}", None)
        if pair is None
        else Outcome(f"{n}", pair[0], scores={"val_dice_positive": pair[0], "seconds": pair[1]})
        for n, pair in enumerate(pairs)
    ]
    return [Row(Trial(outcome.trial, {}), outcome) for outcome in outcomes]


class TestPareto:
    def test_by_hand(self):
        found = rows((0.9, 9), (0.8, 5), (0.8, 6), None, (0.7, 7), (0.5, 1))
        assert pareto_front(found, [DICE, SECONDS]) == ["0", "1", "5"]

    def test_equal_trials_are_both_in_it(self):
        assert pareto_front(rows((0.9, 9), (0.9, 9)), [DICE, SECONDS]) == ["0", "1"]

    def test_without_a_finished_trial(self):
        assert pareto_front(rows(None), [DICE, SECONDS]) == []

    @given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12))
    def test_every_other_trial_is_beaten_by_one_of_the_set(self, pairs):
        front = set(pareto_front(rows(*pairs), [DICE, SECONDS]))
        for number, (dice, seconds) in enumerate(pairs):
            beaten = any(
                other_dice >= dice
                and other_seconds <= seconds
                and (other_dice, other_seconds) != (dice, seconds)
                for other_dice, other_seconds in (pairs[int(name)] for name in front)
            )
            assert beaten == (str(number) not in front)


class TestRanked:
    def names(self, *pairs, wanted=(DICE, SECONDS)):
        return [row.trial.id for row in ranked(rows(*pairs), wanted)]

    def test_by_the_first_objective_of_the_finished(self):
        assert self.names((0.7, 1), None, (0.9, 9), (0.8, 5)) == ["2", "3", "0"]

    def test_of_equals_the_next_decides_and_then_the_order(self):
        assert self.names((0.9, 9), (0.9, 5), (0.9, 5)) == ["1", "2", "0"]
        assert self.names((0.9, 9), (0.9, 5), wanted=(DICE,)) == ["0", "1"]

    @given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=12))
    def test_the_best_is_in_the_pareto_set(self, pairs):
        found = rows(*pairs)
        assert ranked(found, [DICE, SECONDS])[0].trial.id in pareto_front(found, [DICE, SECONDS])


class TestScalarise:
    def test_by_hand(self):
        class Weights:
            def dirichlet(self, alpha):
                assert alpha.tolist() == [1, 1]
                return np.array([0.25, 0.75])

        # Scaled: (0, 1), (1, 0), (0.5, 0.5). Weighted: (0, .75), (.25, 0), (.125, .375).
        table = np.array([[-0.9, 30.0], [-0.5, 10.0], [-0.7, 20.0]])
        wanted = [0.75 + 0.05 * 0.75, 0.25 + 0.05 * 0.25, 0.375 + 0.05 * 0.5]
        assert scalarise(table, Weights()) == pytest.approx(wanted)

    @given(
        arrays.arrays(float, (5, 2), elements=st.floats(-1e3, 1e3)),
        st.integers(0, 2**32 - 1),
    )
    def test_a_beaten_trial_has_no_smaller_loss(self, table, seed):
        losses = scalarise(table, np.random.default_rng(seed))
        for one in range(5):
            for other in range(5):
                if (table[one] <= table[other]).all():
                    assert losses[one] <= losses[other] + 1e-12

    def test_one_objective_that_is_the_same_everywhere(self):
        losses = scalarise(np.array([[1.0, 2.0], [1.0, 3.0]]), np.random.default_rng(0))
        assert losses[0] < losses[1]


class TestSpec:
    def test_the_default_is_the_monitor(self, tmp_path):
        assert objectives(known_spec(tmp_path)) == [DICE]
        loss = known_spec(tmp_path, "training.monitor=val_loss", space=RATES)
        assert objectives(loss) == [Objective("val_loss", "min")]

    @pytest.mark.parametrize(
        ("objective", "said"),
        [
            ("test_dice_positive", "test images are for the report"),
            ("val_dice_positiv", "not known; .*; did you mean val_dice_positive?"),
            ("dice_positive", "not known"),
            ("minutes", "not known; allowed: seconds, seconds_per_image, parameters"),
            ("val_empty_accuracy", "a network without any prediction may win by it"),
            ("val_post_loss", "it is measured on tiles"),
            ("val_loss/1", "it is measured on tiles"),
            ("[seconds, seconds]", "'seconds' is given twice"),
            ("[]", "it is empty"),
            ("val_loss", "search.space.loss.name: cannot be searched by val_loss"),
        ],
    )
    def test_what_cannot_be_one(self, tmp_path, objective, said):
        with pytest.raises(UserError, match=said):
            known_spec(tmp_path, f"search.objective={objective}")

    def test_a_metric_of_tiles_needs_them_in_every_epoch(self, tmp_path):
        settings = ("search.objective=val_loss", "training.tile_validation_interval=3")
        with pytest.raises(UserError, match="'val_loss' is measured on tiles, and "):
            known_spec(tmp_path, *settings, space=RATES)
        assert objectives(known_spec(tmp_path, settings[0], space=RATES))

    def test_a_monitor_that_the_space_changes_is_free_beside_another_objective(self, tmp_path):
        spec = known_spec(tmp_path, "training.monitor=val_loss", "search.objective=seconds")
        assert objectives(spec) == [SECONDS]

    def test_what_the_data_do_not_have(self, tmp_path):
        def check(objective, val=9, test=9):
            spec = known_spec(tmp_path, f"search.objective={objective}")
            check_objectives(spec, ["1", "2"], val_images=val, test_images=test)

        check("val_dice_positive/2")
        with pytest.raises(UserError, match="the data set has no class 7; it has: 1, 2"):
            check("val_dice_positive/7")
        check("val_post_dice_positive")
        with pytest.raises(UserError, match="only where there are test images"):
            check("val_post_dice_positive", test=0)
        with pytest.raises(UserError, match="needs 2 validation images"):
            check("seconds_per_image", val=1)


RATES = "{optimizer.learning_rate: {log_uniform: [1.0e-4, 1.0e-1]}}"


def costly(spec):
    """Larger learning rates are quicker, and best at 0.003."""

    def run(trial):
        outcome = known_trial(spec)(trial)
        seconds = 1.0 - math.log10(trial.values["optimizer.learning_rate"])  # 2 to 5
        scores = {"val_dice_positive": outcome.score, "seconds": seconds}
        return outcome._replace(scores=scores)

    return run


class TestSearch:
    @pytest.mark.parametrize("tuner", ["random", "bayesian", "hyperband"])
    def test_several(self, tmp_path, tuner, capsys):
        spec = known_spec(
            tmp_path,
            "search.objective=[val_dice_positive, seconds]",
            "search.trials=9",
            f"search.tuner={{name: {tuner}}}",
            space=RATES,
        )
        folder = tmp_path / "search"
        best = searched(spec, folder, costly(spec))
        summary = json.loads((folder / "search.json").read_text())
        scores = {trial["id"]: trial["scores"] for trial in summary["trials"]}
        assert (summary["objective"], summary["direction"]) == ("val_dice_positive", "max")
        assert summary["objectives"] == {
            "val_dice_positive": DICE.definition,
            "seconds": "seconds of all epochs of the run, training and validation",
        }
        assert best.trial.id == max(scores, key=lambda each: scores[each]["val_dice_positive"])
        assert best.trial.id in summary["pareto"]
        assert min(scores, key=lambda each: scores[each]["seconds"]) in summary["pareto"]
        assert ", seconds " in capsys.readouterr().out

    def test_one_that_is_a_cost(self, tmp_path):
        spec = known_spec(tmp_path, "search.objective=seconds", space=RATES)

        def run(trial):
            outcome = costly(spec)(trial)
            return outcome._replace(score=outcome.scores["seconds"])

        best = searched(spec, tmp_path / "search", run)
        assert best.outcome.score == min(score for *_, score in trials_of(tmp_path / "search"))
        summary = json.loads((tmp_path / "search" / "search.json").read_text())
        assert summary["direction"] == "min"
        assert summary["pareto"] is None

    def test_bayesian_spreads_along_the_set(self, tmp_path):
        """Told the first alone, it stays near 0.003; told both, it visits the quick end too."""
        rates = {}
        for objective in ("val_dice_positive", "[val_dice_positive, seconds]"):
            tuner = "search.tuner={name: bayesian, initial: 4}"
            wanted = [f"search.objective={objective}", tuner, "search.trials=16"]
            spec = known_spec(tmp_path, *wanted, space=RATES)
            searched(spec, tmp_path / objective, costly(spec))
            values = [
                values["optimizer.learning_rate"]
                for _, values, _ in trials_of(tmp_path / objective)
            ]
            rates[objective] = sum(rate > 0.012 for rate in values[4:])
        first, both = rates.values()
        assert both > first
