import pytest
from pydantic import ValidationError

from steelexp.spec import substitute


def test_values_are_put_in_and_the_search_is_taken_out(spec):
    searched = spec("search: {tuner: {name: grid}, space: {loss.gamma: {float: [1.0, 2.0]}}}")
    result = substitute(searched, {"loss.gamma": 1.5, "training.epochs": 7, "name": "t"})
    assert result.loss.settings == {"gamma": 1.5, "alpha": 0.25}
    assert (result.training.epochs, result.name, result.search) == (7, "t", None)
    assert searched.search is not None


def test_another_component_drops_the_settings_of_the_one_before(spec):
    before = spec("loss: {name: focal, gamma: 3.0, alpha: 0.5}")
    after = substitute(before, {"loss.name": "dice"})
    assert (after.loss.choice, "gamma" in after.loss.settings) == ("dice", False)
    same = substitute(before, {"loss.name": "focal", "loss.gamma": 1.0})
    assert same.loss.settings == {"gamma": 1.0, "alpha": 0.5}


@pytest.mark.parametrize("order", [1, -1])
def test_a_component_and_its_setting_in_either_order(spec, order):
    values = dict([("loss.gamma", 1.0), ("loss.name", "focal")][::order])
    result = substitute(spec("loss: {name: dice, smooth: 2.0}"), values)
    assert result.loss.settings == {"gamma": 1.0, "alpha": 0.25}


def test_a_value_may_be_a_mapping(spec):
    result = substitute(spec(), {"augment": {"flips": {}}, "loss": {"name": "dice", "smooth": 2.0}})
    assert list(result.augment.model_dump()) == ["flips"]
    assert result.loss.settings["smooth"] == 2.0


def test_what_a_component_refuses(spec):
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        substitute(spec(), {"loss.gamma": -1.0})
