import numpy as np
import pytest
from scipy.stats import t

from steelexp.report.differences import difference, strategy
from tests.simulated_runs import Study, draw


def one_class(name, *runs, held=None, groups=None):
    """Runs as lists of one class's Dice on each image."""
    dice = np.array(runs, float)[..., None]
    images = dice.shape[1]
    held = np.ones((images, 1), bool) if held is None else np.array(held)[:, None]
    return strategy(name, dice, held, np.arange(images) if groups is None else np.array(groups))


class TestStrategy:
    def test_mean_is_over_the_images_that_hold_the_class(self):
        found = one_class("a", [0.5, 0.75, 1.0], held=[True, True, False])
        assert found.mean.tolist() == [0.625, 0.625]

    def test_all_classes_are_the_mean_of_those_that_occur(self):
        dice = np.array([[[0.5, 1.0, 0.25], [0.5, 1.0, 0.75]]])  # [R, S, C] = [1, 2, 3]
        held = np.array([[True, False, True], [True, False, True]])
        found = strategy("a", dice, held, np.arange(2)).mean
        assert found[[0, 2, 3]].tolist() == [0.5, 0.5, 0.5]
        assert np.isnan(found[1])


class TestDifference:
    def test_of_single_runs_is_the_paired_t_interval(self):
        a, b = [0.5, 0.7, 0.9, 0.4], [0.4, 0.5, 0.9, 0.5]
        found = difference(one_class("a", a), one_class("b", b))
        paired = np.subtract(a, b)
        half = t.ppf(0.975, 3) * paired.std(ddof=1) / 2
        assert found.value[0] == pytest.approx(0.05)
        assert found.low[0] == pytest.approx(paired.mean() - half)
        assert found.high[0] == pytest.approx(paired.mean() + half)

    def test_a_image_and_its_copy_are_one_draw(self):
        a, b = [0.5, 0.7, 0.9], [0.4, 0.5, 0.9]
        alone = difference(one_class("a", a), one_class("b", b))
        copies = [0, 0, 1, 1, 2, 2]
        doubled = difference(
            one_class("a", np.repeat(a, 2), groups=copies),
            one_class("b", np.repeat(b, 2), groups=copies),
        )
        assert doubled.low[0] == pytest.approx(alone.low[0])

    def test_seeds_alone_give_welchs_interval(self):
        a = one_class("a", [0.6, 0.6], [0.5, 0.5], [0.7, 0.7])
        b = one_class("b", [0.5, 0.5], [0.4, 0.4], [0.6, 0.6])
        found = difference(a, b)
        half = t.ppf(0.975, 4) * np.sqrt(2 * 0.01 / 3)  # both variances 0.01: 4 degrees of freedom
        assert found.high[0] - found.value[0] == pytest.approx(half)

    def test_one_group_gives_no_interval(self):
        found = difference(one_class("a", [0.5]), one_class("b", [0.25]))
        assert found.value[0] == 0.25
        assert np.isnan(found.low[0])

    def test_equal_strategies_rarely_differ_and_others_do(self):
        """200 studies each; 95 % intervals that may be too wide, never too narrow."""
        random = np.random.default_rng(1)

        def alarms(effect):
            study = Study(effects={"a": 0.0, "b": effect}, seeds=3)
            count = 0
            for _ in range(200):
                scores = draw(study, random)
                a, b = (
                    strategy(name, scores.dice[k], scores.held, scores.groups)
                    for k, name in enumerate("ab")
                )
                found = difference(b, a)
                count += not found.low[-1] <= 0.0 <= found.high[-1]
            return count

        assert alarms(0.0) <= 12
        assert alarms(0.15) >= 150
