import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelexp.lazy import keras
from steelexp.training.schedules import SCHEDULES, cosine, one_cycle, plateau, polynomial


def curve(schedule, steps, epochs=1, **settings):
    return [schedule(step, steps, epochs, **settings) for step in range(steps)]


def test_warm_up_by_hand():
    # Two epochs of four steps, one of warm-up: no step of rate 0, and the whole rate in the fourth.
    assert curve(plateau, 8, 2, warm_up_epochs=1.0) == [0.25, 0.5, 0.75, 1, 1, 1, 1, 1]
    assert curve(plateau, 4, 2, warm_up_epochs=0.5) == [1, 1, 1, 1]
    assert curve(plateau, 8, 2, warm_up_epochs=0.5) == [0.5, 1, 1, 1, 1, 1, 1, 1]


def test_a_warm_up_does_not_depend_on_the_number_of_epochs():
    # 2.3 epochs of 5 steps are 11.5, which is rounded to even, in every training.
    for epochs in range(3, 12):
        rates = curve(plateau, 5 * epochs, epochs, warm_up_epochs=2.3)
        assert rates.index(1.0) == 11


def test_cosine_by_hand():
    # One step of warm-up, then t = 0, 1/4, 1/2, 3/4.
    root = math.sqrt(0.5)
    expected = [1, 1, (1 + root) / 2, 1 / 2, (1 - root) / 2]
    assert curve(cosine, 5, 5, warm_up_epochs=1.0) == pytest.approx(expected)
    assert curve(cosine, 2, final_factor=0.5) == pytest.approx([1, 0.75])


def test_polynomial_by_hand():
    assert curve(polynomial, 4, power=1.0) == [1, 0.75, 0.5, 0.25]
    assert curve(polynomial, 4, power=2.0, final_factor=0.2) == pytest.approx([1, 0.65, 0.4, 0.25])


def test_one_cycle_by_hand():
    # Five steps, the peak at 0.6 * 5 - 1 = 2: from 1/2 over 3/4 to 1, then down to 1/20.
    rates = curve(one_cycle, 5, peak_share=0.6, initial_divisor=2.0, final_divisor=10.0)
    assert rates == pytest.approx([0.5, 0.75, 1, 0.525, 0.05])


@pytest.mark.parametrize("final_factor", [0.0, 0.1])
def test_cosine_is_that_of_keras(final_factor):
    keras_cosine = keras.optimizers.schedules.CosineDecay(1.0, 16, alpha=final_factor)
    ours = curve(cosine, 20, 5, warm_up_epochs=1.0, final_factor=final_factor)
    expected = [float(keras_cosine(step)) for step in range(16)]
    assert ours[4:] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("power", [0.9, 1.0, 2.0])
def test_polynomial_is_that_of_keras(power):
    keras_decay = keras.optimizers.schedules.PolynomialDecay(1.0, 12, 0.05, power=power)
    expected = [float(keras_decay(step)) for step in range(12)]
    ours = curve(polynomial, 12, power=power, final_factor=0.05)
    assert ours == pytest.approx(expected, abs=1e-6)


def test_one_cycle_is_that_of_pytorch():
    """What PyTorch 2.13 printed:

    o = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1.0)
    s = torch.optim.lr_scheduler.OneCycleLR(o, max_lr=1.0, total_steps=12)
    for _ in range(12):
        print(round(s.get_last_lr()[0], 7))
        o.step()
        s.step()
    """
    expected = [
        *(0.04, 0.3497897, 0.8792852, 0.9944154, 0.933013, 0.8117457),
        *(0.647379, 0.4626371, 0.283061, 0.1334775, 0.034567, 4e-06),
    ]
    assert curve(one_cycle, 12) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", SCHEDULES)
@given(steps=st.integers(1, 50), epochs=st.integers(1, 8))
def test_every_factor_is_from_0_to_1_and_one_step_has_nearly_all(name, steps, epochs):
    rates = curve(SCHEDULES[name], steps * epochs, epochs)
    assert all(0 <= rate <= 1 for rate in rates)
    assert max(rates) > 0.9 or name == "one_cycle"


@pytest.mark.parametrize("schedule", [cosine, polynomial])
@given(warm_up=st.floats(0, 3), epochs=st.integers(4, 8))
def test_a_rate_grows_to_the_whole_and_falls_from_there(schedule, warm_up, epochs):
    rates = curve(schedule, 5 * epochs, epochs, warm_up_epochs=warm_up)
    peak = rates.index(max(rates))
    assert rates[peak] == 1
    assert all(one < other for one, other in itertools.pairwise(rates[: peak + 1]))
    assert all(one >= other for one, other in itertools.pairwise(rates[peak:]))
