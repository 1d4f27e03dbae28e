from pathlib import Path

import pytest

from steelexp.plan import SpecModel
from steelexp.spec import SpecError, load

# The space below `search:`, and what is said of it; line 5 of spec.yaml is its first.
FOCAL = "loss.name: {choice: [dice, focal]}\n"
WRONG = {
    "a setting that there is not": (
        "optimizer.learning_rat: {float: [0.1, 0.2]}",
        (
            "5: search.space.optimizer.learning_rat: unknown setting; allowed: name, "
            "learning_rate, beta_1, beta_2, epsilon, clip_norm; did you mean learning_rate?"
        ),
    ),
    "a section that there is not": (
        "optimzer.learning_rate: {float: [0.1, 0.2]}",
        "did you mean optimizer?",
    ),
    "a value that the component refuses": (
        "optimizer.learning_rate: {float: [-0.1, 0.2]}",
        "5: search.space.optimizer.learning_rate: -0.1: input should be greater than 0",
    ),
    "a value between the ends": (
        "tiling.size: {int: [32, 64], step: 16}",
        "5: search.space.tiling.size: 48: input should be a multiple of 32",
    ),
    "a choice that there is not": (
        "loss.name: {choice: [dice, focl]}",
        "5: search.space.loss.name: 'focl' is not known; allowed: ",
    ),
    "a component that lacks a setting": (
        "augment.copy_paste.probability: {float: [0.1, 0.5]}",
        "5: search.space.augment.copy_paste.probability: augment.copy_paste.classes: missing",
    ),
    "a value refused under a condition": (
        FOCAL + "loss.gamma: {float: [-1.0, 2.0], when: {loss.name: [focal]}}",
        (
            "6: search.space.loss.gamma: -1.0: input should be greater than or equal to 0 "
            "(with loss.name focal)"
        ),
    ),
    "a condition that is not said": (
        FOCAL + "loss.gamma: {float: [1.0, 2.0]}",
        "(with loss.name dice); write when: {loss.name: [...]}",
    ),
    "a setting of another component than the spec's": (
        "loss.smooth: {float: [1.0, 2.0]}",
        "5: search.space.loss.smooth: unknown setting, it is one of ",
    ),
    "a condition on what is not searched": (
        FOCAL + "loss.gamma: {float: [1.0, 2.0], when: {los.name: [focal]}}",
        (
            "6: search.space.loss.gamma: when: los.name is not in the space; did you mean "
            "loss.name?; it holds: loss.name, loss.gamma"
        ),
    ),
    "a condition that can never hold": (
        FOCAL + "loss.gamma: {float: [1.0, 2.0], when: {loss.name: [tversky]}}",
        (
            "6: search.space.loss.gamma: when: loss.name: it is never 'tversky'; its values: dice, "
            "focal"
        ),
    ),
    "a condition without values": (
        FOCAL + "loss.gamma: {float: [1.0, 2.0], when: {loss.name: []}}",
        "6: search.space.loss.gamma: when: loss.name: no value is given; its values: dice, focal",
    ),
    "conditions that never hold together": (
        FOCAL
        + "loss.gamma: {choice: [1.0, 2.0], when: {loss.name: [focal]}}\n"
        + "training.batch_size: {int: [4, 8], when: {loss.gamma: [1.0], loss.name: [dice]}}",
        "7: search.space.training.batch_size: when: these conditions never hold together",
    ),
    "a condition on a continuous range": (
        "loss.gamma: {float: [1.0, 2.0]}\nloss.alpha: {float: [0.1, 0.2], when: {loss.gamma: [1]}}",
        "6: search.space.loss.alpha: when: loss.gamma: a condition needs a choice or an int",
    ),
    "conditions in a circle": (
        (
            "training.batch_size: {int: [4, 8], when: {training.epochs: [3]}}\n"
            "training.epochs: {int: [3, 8], when: {training.batch_size: [4]}}"
        ),
        "these wait for one another: training.",
    ),
    "two kinds": (
        "training.batch_size: {int: [4, 8], choice: [4]}",
        (
            "5: search.space.training.batch_size: one of choice, int, float, log_uniform is "
            "expected, choice and int is given"
        ),
    ),
    "no kind": ("training.batch_size: {step: 2}", "is expected, none is given"),
    "a range the wrong way round": (
        "training.batch_size: {int: [8, 4]}",
        "int: [8, 4]: the first has to be smaller than the second",
    ),
    "a logarithm of nothing": (
        "optimizer.learning_rate: {log_uniform: [0, 1]}",
        "log_uniform: [0, 1]: both have to be above 0",
    ),
    "a step without int": (
        "optimizer.learning_rate: {float: [0.1, 1.0], step: 2}",
        "step: it goes with int only",
    ),
    "an empty choice": ("loss.name: {choice: []}", "choice: it is empty"),
    "a choice twice": ("loss.name: {choice: [dice, dice]}", "choice: 'dice' is given twice"),
    "a word that there is not": (
        "loss.gamma: {flaot: [1.0, 2.0]}",
        (
            "5: search.space.loss.gamma.flaot: unknown setting; allowed: choice, int, float, "
            "log_uniform, step, when; did you mean float?"
        ),
    ),
    "three ends": ("loss.gamma: {float: [1.0, 2.0, 3.0]}", "search.space.loss.gamma.float: "),
    "part of another": (
        "loss: {choice: [{name: dice}]}\nloss.gamma: {float: [1.0, 2.0]}",
        "6: search.space.loss.gamma: loss is in the space too; keep one",
    ),
    "which images are evaluated": (
        "split.seed: {int: [1, 9]}",
        "5: search.space.split.seed: cannot be searched: trials are compared on the same images",
    ),
    "luck": ("seed: {int: [1, 9]}", "it would pick the luckiest run"),
    "what trials are compared by": (
        "training.monitor: {choice: [val_dice_positive, val_loss]}",
        "cannot be searched: it picks the best epoch of each trial",
    ),
    "nothing": ("{}", "3: search.space: it is empty; name a setting"),
}


@pytest.fixture
def searched(spec):
    def write(space, *overrides, tuner="{name: grid}"):
        indented = "\n".join(f"    {line}" for line in space.splitlines())
        return spec(f"search:\n  tuner: {tuner}\n  space:\n{indented}\n", *overrides)

    return write


def messages(searched, *arguments, **named):
    with pytest.raises(SpecError) as caught:
        searched(*arguments, **named)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(("space", "expected"), WRONG.values(), ids=WRONG)
def test_wrong_spaces(searched, space, expected):
    (message,) = messages(searched, space)
    assert expected in message
    assert message.startswith("spec.yaml:")


def test_everything_wrong_is_said_at_once(searched):
    result = messages(
        searched,
        "loss.gamma: {float: [-2.0, -1.0]}\n"
        "training.batch_size: {int: [0, 4]}\n"
        "optimizer.beta_1: {choice: [0.9, 1.5]}",
    )
    assert [line.split(": ")[1] for line in result] == [
        "search.space.loss.gamma",
        "search.space.loss.gamma",
        "search.space.training.batch_size",
        "search.space.optimizer.beta_1",
    ]


@pytest.mark.parametrize(
    "space",
    [
        FOCAL + "loss.gamma: {float: [0.5, 4.0], when: {loss.name: [focal]}}",
        "loss_warm_up.name: {choice: [bce, dice]}\nloss_warm_up.epochs: {int: [0, 3]}",
        "augment.noise.std: {float: [1.0, 9.0]}\naugment.flips: {choice: [false, {}]}",
        "loss: {choice: [{name: dice}, {name: focal, gamma: 3.0}]}",
        "optimizer.clip_norm: {choice: [null, 1.0]}",
        "data.train_fraction: {choice: [{}, {'1': 0.5}]}",
        (
            "sampling.kind: {choice: [uniform, power]}\n"
            "sampling.exponent: {float: [0.1, 1.0], when: {sampling.kind: [power]}}"
        ),
    ],
)
def test_right_spaces(searched, space):
    assert searched(space).search is not None


@pytest.mark.parametrize(
    ("monitor", "space"),
    [
        ("val_loss", FOCAL),
        ("val_loss", "class_weights.kind: {choice: [equal, inverse]}"),
        ("val_dice_batch", "training.batch_size: {int: [4, 8]}"),
        ("val_dice_batch", "tiling.count: {int: [4, 6]}"),
    ],
)
def test_what_changes_the_meaning_of_the_objective(searched, monitor, space):
    (message,) = messages(searched, space, f"training.monitor={monitor}")
    assert f"cannot be searched by {monitor}, which " in message
    assert searched(space).search is not None


class TestTuner:
    def test_unknown(self, searched):
        (message,) = messages(searched, FOCAL, tuner="{name: bayes}")
        options = "random, bayesian, hyperband, asynchronous_halving, grid"
        assert message == (
            f"spec.yaml:3: search.tuner.name: 'bayes' is not known; allowed: {options}; "
            "did you mean bayesian?"
        )

    def test_missing(self, searched):
        (message,) = messages(searched, FOCAL, tuner="{}")
        assert "search.tuner.name: missing; allowed: random, bayesian" in message

    def test_a_setting_of_another(self, searched):
        (message,) = messages(searched, FOCAL, tuner="{name: grid, beta: 2.0}")
        assert message == (
            "spec.yaml:3: search.tuner.beta: unknown setting, it is one of bayesian; "
            "allowed: name, points"
        )

    def test_without_end(self, searched):
        space = "optimizer.learning_rate: {float: [0.1, 0.2]}"
        (message,) = messages(searched, space, tuner="{name: random}")
        assert message.endswith(
            "search: the tuner random would never end; give a budget: trials, epochs, hours, "
            "patience"
        )
        assert searched(space, "search.hours=1", tuner="{name: random}").search.hours == 1

    def test_hyperband_has_the_epochs(self, searched):
        space = "training.epochs: {int: [3, 9]}"
        (message,) = messages(searched, space, tuner="{name: hyperband}")
        assert "hyperband, which gives each trial its epochs" in message

    @pytest.mark.parametrize("tuner", ["hyperband", "asynchronous_halving"])
    def test_one_that_gives_epochs_takes_a_schedule_without_them(self, searched, tuner):
        rate = "optimizer.learning_rate: {choice: [0.1, 0.2]}"
        both = f"{rate}\nschedule.name: {{choice: [plateau, cosine]}}"
        tuner = f"{{name: {tuner}}}"
        for words in ((rate, "schedule={name: cosine}"), (both,)):
            (message,) = messages(searched, *words, "training.epochs=9", tuner=tuner)
            assert "only schedule.name=plateau does not depend on their number" in message
        warm_up = "schedule={name: plateau, warm_up_epochs: 1}"
        assert searched(rate, warm_up, "training.epochs=9", tuner=tuner).search is not None
        assert searched(both).search is not None

    @pytest.mark.parametrize(
        ("epochs", "settings", "count"),
        [(9, "", 0), (1, "", 1), (9, ", min_epochs: 4", 1), (9, ", min_epochs: 3", 0)],
    )
    def test_asynchronous_halving_has_two_rungs(self, searched, epochs, settings, count):
        space = "optimizer.learning_rate: {choice: [0.1, 0.2]}"
        words = (space, f"training.epochs={epochs}")
        tuner = f"{{name: asynchronous_halving{settings}}}"
        if not count:
            assert searched(*words, tuner=tuner).search.tuner.choice == "asynchronous_halving"
            return
        (message,) = messages(searched, *words, tuner=tuner)
        assert f"search.tuner: training.epochs {epochs} leave a single rung with" in message

    def test_another_one_starts_anew(self, searched):
        result = searched(FOCAL, "search.tuner.name=grid", tuner="{name: bayesian, beta: 2.0}")
        assert result.search.tuner.settings == {"points": 3}


class TestInheritance:
    def test_a_setting_of_the_space_is_replaced_whole(self, folder):
        (folder / "a.yaml").write_text(
            "extends: good.yaml\nsearch:\n  tuner: {name: grid}\n"
            "  space: {loss.gamma: {float: [1.0, 2.0]}, loss.alpha: {choice: [0.1]}}\n"
        )
        (folder / "b.yaml").write_text(
            "extends: a.yaml\nsearch: {space: {loss.gamma: {choice: [2.0]}}}\n"
        )
        space = load(Path("b.yaml"), model=SpecModel).search.space
        assert (space["loss.gamma"].real, space["loss.gamma"].choice) == (None, [2.0])
        assert list(space) == ["loss.gamma", "loss.alpha"]

    def test_from_the_command_line(self, searched):
        result = searched(
            "loss.gamma: {float: [1.0, 2.0]}", "search.space.loss.gamma={choice: [2]}"
        )
        assert result.search.space["loss.gamma"].as_written() == {"choice": [2]}
        assert searched("loss.gamma: {float: [1.0, 2.0]}", "search=null").search is None
