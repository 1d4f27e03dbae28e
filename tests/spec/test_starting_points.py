import pytest

from steelexp.plan import SpecModel
from steelexp.spec import SpecError, load
from steelexp.spec.starting_points import starting_points

BASE = """\
name: a
data: {source: synthetic, root: drawn}
split: {kind: random}
tiling: {kind: columns}
model: {architecture: unet, backbone: mobilenet, weights: none}
loss: {name: focal, gamma: 1.5}
optimizer: {name: adam, learning_rate: 1.0e-3}
training: {epochs: 2, batch_size: 4}
tracking: {name: none}
seed: 1
search:
  tuner: {name: random}
  trials: 2
  space:
    loss.gamma: {float: [0.5, 4.0], when: {loss.name: [focal]}}
    loss.name: {choice: [dice, focal, tversky]}
    training.batch_size: {int: [4, 16], step: 4}
    optimizer.learning_rate: {log_uniform: [1.0e-4, 1.0e-2]}
"""
OWN = {
    "loss.gamma": 1.5,
    "loss.name": "focal",
    "training.batch_size": 4,
    "optimizer.learning_rate": 1e-3,
}


def read(tmp_path, text):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    return load(path, model=SpecModel)


def points(tmp_path, start, base=BASE):
    return starting_points(read(tmp_path, f"{base}  start: {start}\n"))


def test_what_is_absent_is_the_specs_own(tmp_path):
    assert points(tmp_path, "[{}]") == [OWN]
    assert points(tmp_path, "[{loss.gamma: 0.75}]") == [OWN | {"loss.gamma": 0.75}]


def test_another_component_has_its_own_values(tmp_path):
    (point,) = points(tmp_path, "[{loss.name: dice, training.batch_size: 16}]")
    assert point == {
        "loss.name": "dice",
        "training.batch_size": 16,
        "optimizer.learning_rate": 1e-3,
    }
    focal = points(
        tmp_path, "[{loss.name: focal}]", BASE.replace("{name: focal, gamma: 1.5}", "{name: dice}")
    )
    assert focal == [OWN | {"loss.gamma": 2.0}]


def test_values_are_taken_as_they_are_written(tmp_path):
    (point,) = points(tmp_path, "[{optimizer.learning_rate: 0.00123456789}]")
    assert point["optimizer.learning_rate"] == 0.00123456789


def test_a_section_that_is_chosen_as_a_whole(tmp_path):
    base = BASE.replace(
        "    training.batch_size",
        "    sampling: {choice: [{kind: uniform}, {kind: power, exponent: 0.5}]}\n"
        "    training.batch_size",
    )
    (own, power) = points(tmp_path, "[{}, {sampling: {kind: power, exponent: 0.5}}]", base)
    assert own["sampling"] == {"kind": "uniform"}
    assert power["sampling"] == {"kind": "power", "exponent": 0.5}


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ("[{loss.gama: 1.0}]", "search.start[0]: loss.gama: not in search.space; did you mean"),
        ("[{}, {loss.gamma: 5.0}]", "search.start[1]: loss.gamma: 5.0 is not in the space: 0.5"),
        ("[{loss.name: dice, loss.gamma: 1.0}]", "loss.gamma: used only when loss.name is focal"),
        ("[{training.batch_size: 6}]", "training.batch_size: 6 is not in the space: whole numbers"),
        ("[{training.batch_size: 4.0}]", "training.batch_size: 4.0 is not in the space"),
        ("[{training.batch_size: true}]", "training.batch_size: True is not in the space"),
        ("[{loss.name: bce}]", "loss.name: 'bce' is not in the space: one of dice, focal, tversky"),
        ("[{}, {loss.gamma: 1.5}]", "search.start[1]: the same as start[0]; leave one out"),
        ("[1]", "search.start[0]: 1: a mapping of settings is expected"),
    ],
)
def test_what_the_space_does_not_hold_is_refused_with_its_line(tmp_path, start, said):
    with pytest.raises(SpecError) as caught:
        points(tmp_path, start)
    (line,) = str(caught.value).splitlines()
    assert said in line
    assert "a.yaml:19: " in line


def test_an_own_value_outside_is_named_as_such(tmp_path):
    base = BASE.replace("learning_rate: 1.0e-3", "learning_rate: 0.5")
    with pytest.raises(
        SpecError, match=r"optimizer\.learning_rate: 0\.5, the spec's own value, is"
    ):
        points(tmp_path, "[{}]", base)


def test_more_points_than_trials_are_refused(tmp_path):
    three = "[{}, {loss.name: dice}, {loss.gamma: 0.75}]"
    with pytest.raises(SpecError, match="start: 3 starting points, and at most 2 trials; allow"):
        points(tmp_path, three)
    assert len(points(tmp_path, three, BASE.replace("trials: 2", "trials: 3"))) == 3
