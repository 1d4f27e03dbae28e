import pytest

from steelexp.commands.preview import doubtful_lines
from steelexp.plan import SpecModel
from steelexp.spec import load

SPEC = """
name: tiny
data: {source: synthetic, root: data, strips: 12}
split: {kind: random, val: 0.2, seed: 1}
tiling: {kind: cover, size: 64, stride: 64}
model: {architecture: unet, backbone: mobilenet, weights: imagenet}
loss: {name: bce}
loss_warm_up: {name: bce, epochs: 2}
optimizer: {name: adam}
schedule: {name: cosine, warm_up_epochs: 2.5}
averaging: {name: swa, start_epoch: 4}
training: {epochs: 3, batch_size: 2, freeze_encoder_epochs: 3}
tracking: {name: none}
seed: 1
"""


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(SPEC)
    return lambda *overrides: load(path, overrides, model=SpecModel)


def test_settings_that_a_short_training_does_not_reach(spec):
    late = "not within training.epochs {}, so that"
    three = late.format(3)
    assert doubtful_lines(spec()) == [
        f"averaging.start_epoch: {three} no weights are averaged",
        f"training.freeze_encoder_epochs: {three} the encoder does not train",
    ]
    one = late.format(1)
    assert doubtful_lines(spec("training.epochs=1"))[:2] == [
        f"loss_warm_up.epochs: {one} the main loss does not train",
        f"schedule.warm_up_epochs: {one} the warm-up of the learning rate does not end",
    ]
    assert doubtful_lines(spec("training.epochs=4")) == []


def test_a_spec_with_defaults_has_no_such_line(spec):
    defaults = [
        "loss_warm_up={name: bce, epochs: 0}",
        "schedule={name: one_cycle}",
        "averaging={name: ema}",
        "training.freeze_encoder_epochs=0",
        "training.epochs=1",
    ]
    assert doubtful_lines(spec(*defaults)) == []


def test_random_weights_that_are_frozen(spec):
    line = (
        "training.freeze_encoder_epochs: with model.weights=none, so that random weights are frozen"
    )
    assert doubtful_lines(spec("training.epochs=4", "model.weights=none")) == [line]
    started = ["training.epochs=4", "model.weights=none", "model.start=runs/a/1"]
    assert doubtful_lines(spec(*started)) == []
