"""Weights of one network in another."""

import numpy as np
import pytest

from steelexp.errors import UserError
from steelexp.lazy import keras
from steelexp.model.architectures import ARCHITECTURES
from steelexp.model.assembly import encoder_variables
from steelexp.model.transfer import take_all, take_encoder

FILTERS = (4, 4, 4, 4, 4)


def network(classes=2, decoder="plain", *, seed, backbone="mobilenet", **settings):
    keras.utils.set_random_seed(seed)
    head = settings.pop("head", None)
    values = {"weights": "none", "decoder_filters": FILTERS, "backbone": backbone} | settings
    return ARCHITECTURES["unet"](classes, decoder, head, **values)


def by_name(model):
    return {variable.name: variable.numpy() for variable in model.weights}


@pytest.fixture(scope="module")
def source():
    """The weights of another network by name."""
    weights = by_name(network(seed=1))
    draw = np.random.default_rng(0)
    return {name: draw.random(value.shape, np.float32) for name, value in weights.items()}


def taken(model, source):
    """The names of the variables that have the value of the source."""
    return {
        name
        for name, value in by_name(model).items()
        if name in source and np.array_equal(value, source[name])
    }


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("decoder", "resolution"),
    [
        pytest.param("plain", "full", marks=SLOW),
        pytest.param("plain", "half", marks=SLOW),
        pytest.param("folded", "full", marks=SLOW),
        ("folded", "half"),
    ],
)
def test_all_weights(source, decoder, resolution):
    model = network(decoder=decoder, seed=2, resolution=resolution)
    take_all(model, source, source="run", new_classes=False)
    assert taken(model, source) == set(source)


@pytest.mark.parametrize("classes", [pytest.param(2, marks=SLOW), 3])
def test_the_last_layer_begins_anew_with_other_classes(source, classes):
    model = network(classes, seed=2)
    before = by_name(model)
    take_all(model, source, source="run", new_classes=True)
    last = {"final_conv/kernel:0", "final_conv/bias:0"}
    assert set(source) - taken(model, source) == last
    after = by_name(model)
    for name in last:
        np.testing.assert_array_equal(after[name], before[name])


@pytest.mark.parametrize("decoder", [pytest.param("plain", marks=SLOW), "folded"])
def test_the_encoder_alone_in_a_network_with_another_decoder(source, decoder):
    model = network(3, decoder, seed=2, decoder_filters=(8, 8, 8, 8, 8))
    before = by_name(model)
    take_encoder(model, source, source="run")
    names = {variable.name for variable in encoder_variables(model)}
    assert taken(model, source) == names
    assert {name.partition("_")[0] for name in set(before) - names} == {"decoder", "final"}
    after = by_name(model)
    for name in set(before) - names:
        np.testing.assert_array_equal(after[name], before[name])


@pytest.mark.slow
def test_a_vgg_has_its_centre_in_the_decoder():
    weights = by_name(network(seed=1, backbone="vgg16"))
    model = network(seed=2, backbone="vgg16")
    take_encoder(model, weights, source="run")
    anew = {name.partition("_")[0] for name in set(weights) - taken(model, weights)}
    assert anew == {"center", "decoder", "final"}


def test_a_head_that_the_other_network_lacks_begins_anew(source, capsys):
    layers = keras.layers

    def head(end, cell):
        return layers.Dense(2, name="head_logits")(layers.GlobalAveragePooling2D()(end))

    model = network(seed=2, head=head)
    take_all(model, source, source="run", new_classes=False)
    assert taken(model, source) == set(source)
    assert "run: it has no head, so that of this run begins anew" in capsys.readouterr().out
    with_head = {
        variable.name: np.full(variable.shape, 0.5, np.float32) for variable in model.weights
    }
    take_all(model, with_head, source="run", new_classes=True)
    anew = set(with_head) - taken(model, with_head)
    assert anew == {
        f"{layer}/{each}:0"
        for layer in ("final_conv", "head_logits")
        for each in ("kernel", "bias")
    }


def test_another_network_is_refused_and_nothing_is_changed(source):
    model = network(seed=2, decoder_filters=(8, 4, 4, 4, 4))
    before = by_name(model)
    with pytest.raises(UserError) as refused:
        take_all(model, source, source="runs/a/1", new_classes=False)
    assert "runs/a/1: it has no weight decoder_stage0a_conv/kernel:0 of 3 x 3 x 1536 x 8, but" in (
        str(refused.value)
    )
    for name, value in by_name(model).items():
        np.testing.assert_array_equal(value, before[name])
