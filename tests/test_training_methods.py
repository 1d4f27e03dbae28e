"""Runs with schedules, accumulation and averages go on after a kill to the same bits."""

import cv2
import numpy as np
import pytest

from steelexp import experiment, network, network_memory
from steelexp.data import rle
from steelexp.evaluation.evaluator import Evaluator
from steelexp.lazy import keras, tf
from steelexp.plan import SpecModel, prepare
from steelexp.run_model import load_model
from steelexp.spec import load
from steelexp.training import checkpoint

pytestmark = pytest.mark.usefixtures("no_comet_settings")


class Killed(BaseException):
    """In place of SIGKILL."""


@pytest.fixture(scope="module")
def tiny_spec(tmp_path_factory):
    """Ten images of 64 x 128, two of them clean, and a network of a few seconds an epoch."""
    root = tmp_path_factory.mktemp("severstal")
    (root / "train_images").mkdir()
    rows, draw = ["ImageId,ClassId,EncodedPixels"], np.random.default_rng(0)
    for number in range(10):
        image = draw.integers(70, 130, (64, 128), np.uint8)
        if number < 8:
            mask = np.zeros((64, 128), bool)
            mask[16:48, 8 * number + 16 : 8 * number + 48] = True
            image[mask] = 180 + 20 * (number % 4)
            rows.append(f"{number}.png,{number % 4 + 1},{rle.encode(mask)}")
        cv2.imwrite(str(root / "train_images" / f"{number}.png"), image)
    (root / "train.csv").write_text("\n".join(rows) + "\n")
    path = root / "tiny.yaml"
    path.write_text(f"""
        name: tiny
        data: {{source: severstal, root: {root}}}
        split: {{kind: random, val: 0.4, seed: 3}}
        tiling: {{kind: columns, size: 64, count: 1}}
        model: {{architecture: unet, backbone: mobilenetv2, weights: none,
                batch_norm_momentum: 0.9, decoder_filters: [8, 8, 8, 8, 8]}}
        loss: {{name: bce_lovasz, symmetric: true, label_smoothing: 0.1}}
        optimizer: {{name: adamw, learning_rate: 1.0e-3, weight_decay: 0.1}}
        training: {{epochs: 4, batch_size: 1, overlays: 0}}
        tracking: {{name: none}}
        seed: 1
    """)
    return path


def run(spec, runs, overrides):
    plan = prepare(load(spec, overrides, model=SpecModel), runs)
    return plan.folder, experiment.run(plan, command="steelexp run tiny.yaml")


WARM_UP = "schedule={name: cosine, warm_up_epochs: 2.5}"
EMA = "averaging={name: ema, decay: 0.9}"
FREEZE = ["training.freeze_encoder_epochs=2", "training.encoder_lr_factor=0.5"]
METHODS = {
    "everything": [WARM_UP, EMA, *FREEZE, "training.accumulate=4"],
    "swa": ["averaging={name: swa, start_epoch: 2, batch_norm_batches: 3}"],
    "one_cycle with sgd": ["schedule={name: one_cycle}", "optimizer={name: sgd}"],
    "accumulation in bfloat16": [EMA, "training.accumulate=2", "training.precision=mixed_bfloat16"],
    "accumulation with xla": [EMA, "training.accumulate=2", "training.xla=true"],
}


def small_network(plan, execution):
    """Two convolutions with batch norm and dropout between them, in place of the U-Net."""
    layers = keras.layers
    keras.backend.clear_session()
    grey = keras.Input((None, None, 1), dtype="uint8")
    image = layers.Lambda(lambda x: tf.cast(x, tf.float32) / 255)(grey)
    scores = layers.BatchNormalization(momentum=0.9)(layers.Conv2D(4, 3, padding="same")(image))
    logits = layers.Conv2D(plan.class_count, 1)(layers.Dropout(0.2)(scores))
    model = keras.Model(grey, layers.Activation("linear", dtype="float32")(logits))
    model.encoder_variable_names = tuple(variable.name for variable in model.layers[2].weights)
    return model


@pytest.mark.parametrize(
    "overrides",
    [
        pytest.param(words, id=name, marks=[] if name == "everything" else pytest.mark.slow)
        for name, words in METHODS.items()
    ],
)
def test_a_killed_run_of_a_small_network_goes_on_to_the_same_bits(
    tiny_spec, tmp_path, monkeypatch, overrides
):
    monkeypatch.setattr(network, "untrained_model", small_network)
    check_kill(tiny_spec, tmp_path, monkeypatch, overrides, after=1)


@pytest.mark.slow
@pytest.mark.parametrize("head", ["none", "linear"])
def test_a_killed_run_goes_on_to_the_same_bits(tiny_spec, tmp_path, monkeypatch, head):
    overrides = [*METHODS["everything"], f"head={{name: {head}}}"]
    check_kill(tiny_spec, tmp_path, monkeypatch, overrides, after=2)


PHASES = (
    "training.phases=[{epochs: 1, tiling: {kind: random_crops, size: 64, count: 2}}, {epochs: 1, "
    "tiling: {kind: random_crops, size: [32, 64], count: 3}, batch_size: 2, "
    "learning_rate_factor: 0.5}, {epochs: 2, tiling: {kind: whole}, batch_size: 2}]"
)
DEFORMED = "augment={rotation: {}, scale: {}, elastic: {pixels: 4.0, spacing: 32}, cut_out: {}}"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_in_phases_that_is_killed_after_each_epoch_goes_on_to_the_same_bits(
    tiny_spec, tmp_path, monkeypatch
):
    monkeypatch.setattr(network, "untrained_model", small_network)
    words = [PHASES, EMA, WARM_UP, DEFORMED, "training.accumulate=3", FREEZE[0]]
    check_kill(tiny_spec, tmp_path, monkeypatch, words, after=1, kills=3)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "words",
    [
        [EMA, *FREEZE, "training.accumulate=3", "schedule={name: plateau, warm_up_epochs: 2.3}"],
        [METHODS["swa"][0], PHASES],
    ],
)
def test_more_epochs_with_training_methods_are_those_of_one_run(
    tiny_spec, tmp_path, monkeypatch, words
):
    monkeypatch.setattr(network, "untrained_model", small_network)
    whole, record = run(tiny_spec, tmp_path, [*words, "training.epochs=3"])
    short, _ = run(tiny_spec, tmp_path, [*words, "training.epochs=2"])
    start = [f"model.start={short.path}", "model.start_at=continue"]
    longer, again = run(tiny_spec, tmp_path, [*words, "training.epochs=3", *start])
    assert [e.metrics for e in longer.epochs] == [e.metrics for e in whole.epochs]
    assert again.weights == record.weights


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_network_that_a_search_uses_again_trains_as_a_new_one(tiny_spec, tmp_path, monkeypatch):
    for module in (network, network_memory):
        monkeypatch.setattr(module, "untrained_model", small_network)
    memory = network_memory.NetworkMemory()

    def trained(folder, rate, build):
        words = [EMA, *FREEZE, "training.accumulate=3", f"optimizer.learning_rate={rate}"]
        plan = prepare(load(tiny_spec, words, model=SpecModel), tmp_path / folder)
        return experiment.run(plan, command="steelexp run tiny.yaml", build=build).weights

    trained("trials", 0.01, memory.network)
    again = trained("trials", 0.001, memory.network)
    assert again == trained("alone", 0.001, network.compiled_network)


def check_kill(tiny_spec, tmp_path, monkeypatch, overrides, *, after, kills=1):
    """Compare a run with one that is killed after some epochs, and again after as many more."""
    whole, record = run(tiny_spec, tmp_path / "whole", overrides)
    for _ in range(kills):
        with monkeypatch.context() as patch:
            patch.setattr(checkpoint, "save", killed_after(checkpoint.save, after))
            with pytest.raises(Killed):
                run(tiny_spec, tmp_path / "killed", overrides)
    resumed, again = run(tiny_spec, tmp_path / "killed", overrides)
    assert resumed.path.name == whole.path.name
    assert [(e.step, e.metrics) for e in resumed.epochs] == [
        (e.step, e.metrics) for e in whole.epochs
    ]
    assert (again.metrics, again.weights) == (record.metrics, record.weights)


def killed_after(function, call):
    calls = iter(range(1, 100))

    def wrapper(*args, **settings):
        function(*args, **settings)
        if next(calls) == call:
            raise Killed

    return wrapper


@pytest.mark.slow
def test_the_averages_are_evaluated_kept_and_read(tiny_spec, tmp_path, monkeypatch):
    validated = []
    after_epoch = Evaluator.after_epoch

    def spied(evaluator, *args):
        validated.append(checkpoint.weights_hash(evaluator._functions._model))
        return after_epoch(evaluator, *args)

    monkeypatch.setattr(Evaluator, "after_epoch", spied)
    plain, _ = run(tiny_spec, tmp_path / "plain", ["training.epochs=2"])
    folder, record = run(tiny_spec, tmp_path / "ema", ["training.epochs=2", EMA])
    assert [e.metrics["loss"] for e in folder.epochs] == [e.metrics["loss"] for e in plain.epochs]
    assert len(set(validated)) == 4
    assert record.weights == validated[2:][record.best_epoch - 1]
    model = load_model(folder)
    assert checkpoint.weights_hash(model) == record.weights
