import numpy as np
import pytest

from steelexp.errors import UserError
from steelexp.lazy import keras
from steelexp.model.architectures import ARCHITECTURES
from steelexp.model.finiteness import NotFiniteError
from steelexp.model.losses import bce
from steelexp.model.optimizers import adam
from steelexp.plan import SpecModel
from steelexp.records.machine import instruction_sets
from steelexp.records.postprocessing import ClassRules, Postprocessing
from steelexp.records.store import Epoch
from steelexp.run_model import load_model, load_predictor
from steelexp.spec import load
from steelexp.training import checkpoint
from steelexp.training.checkpoint import weights_hash
from steelexp.training.execution import Execution
from steelexp.training.fit import compile_model
from tests.finished_runs import record, unfinished

RULES = {"1": ClassRules(threshold=0.6), "2": ClassRules(threshold=0.3, min_area=9)}


def save(folder, network, digest="3f9c1a7e"):
    """Write the weights of the best epoch as a run does."""
    compile_model(
        network,
        loss=lambda y, logits, valid: bce(y, logits),
        optimizer=adam(learning_rate=0.01),
        classes=network.output_shape[-1],
    )
    checkpoint.save(folder.best_weights, network, [Epoch(1, 4, 1.0, {"loss": 0.1})], digest)


def test_a_network_is_rebuilt_without_its_data_and_its_imagenet_weights(tmp_path):
    model = {
        "architecture": "unet",
        "backbone": "mobilenet",
        "weights": "moved/encoder.h5",
        "decoder_filters": [2, 2, 2, 2, 2],
        "resolution": "half",
    }
    folder = unfinished(tmp_path, model=model)
    keras.utils.set_random_seed(0)
    spec = load(folder.path / "spec.yaml", model=SpecModel)
    network = spec.model.model_copy(update={"weights": "none"}).bind(ARCHITECTURES)(2)
    save(folder, network)
    folder.finish(
        record(
            weights=weights_hash(network),
            postprocessing=Postprocessing(metric="dice_kaggle", classes=RULES),
        )
    )

    grey = np.random.default_rng(0).integers(0, 256, (64, 96), np.uint8)
    wanted = 1 / (1 + np.exp(-network(grey[None, ..., None]).numpy()[0].astype(np.float64)))
    predictor = load_predictor(folder)
    assert (predictor.runtime, predictor.card.classes) == ("tensorflow", RULES)
    assert np.abs(predictor.scores(grey).pixels - wanted).max() < 1e-5
    assert predictor.scores(grey[:50, :70]).pixels.shape == (50, 70, 2)
    assert predictor.network == weights_hash(network)


@pytest.mark.parametrize(("decoder", "is_folded"), [(None, True), ("plain", False)])
def test_exports_get_the_plain_decoder_of_a_run_with_a_folded_one(tmp_path, decoder, is_folded):
    model = {"architecture": "unet", "backbone": "mobilenet", "weights": "none"}
    folder = unfinished(tmp_path, model=model | {"decoder_filters": [2, 2, 2, 2, 2]})
    spec = load(folder.path / "spec.yaml", model=SpecModel)
    network = spec.model.bind(ARCHITECTURES)(2, "folded")
    save(folder, network)
    provenance = {
        "instruction_sets": instruction_sets(),
        "execution": Execution(1, decoder="folded")._asdict(),
    }
    folder.finish(record(weights=weights_hash(network), provenance=provenance))
    names = [layer.name for layer in load_model(folder, decoder=decoder)._flatten_layers()]
    assert ("decoder_stage0_upsampling" not in names) is is_folded


def test_other_weights_than_the_records_are_refused(tmp_path):
    model = {"architecture": "unet", "backbone": "mobilenet", "weights": "none"}
    folder = unfinished(tmp_path, model=model | {"decoder_filters": [2, 2, 2, 2, 2]})
    spec = load(folder.path / "spec.yaml", model=SpecModel)
    hashes = []
    for seed in (0, 0, 1):
        keras.utils.set_random_seed(seed)
        network = spec.model.bind(ARCHITECTURES)(2)
        save(folder, network)
        hashes.append(weights_hash(network))
    assert hashes[0] == hashes[1] != hashes[2]
    folder.finish(record(weights=hashes[2]))
    assert load_predictor(folder).card.weights == hashes[2]
    folder.finish(record(weights=hashes[0]))
    with pytest.raises(UserError, match=r"best\.h5: not the weights that record\.json was written"):
        load_predictor(folder)


def test_what_a_run_lacks_is_said(tmp_path):
    with pytest.raises(UserError, match="unfinished; go on with: "):
        load_predictor(unfinished(tmp_path / "a"))
    model = {"architecture": "unet", "backbone": "mobilenet", "decoder_filters": [2, 2, 2, 2, 2]}
    folder = unfinished(tmp_path / "b", model=model | {"weights": "none"})
    folder.finish(record())
    with pytest.raises(UserError, match="no such file; the run's weights were moved"):
        load_predictor(folder)
    folder.best_weights.parent.mkdir()
    folder.best_weights.write_bytes(b"none")
    with pytest.raises(UserError, match=r"best\.h5: not a checkpoint .*, or damaged; restore it"):
        load_predictor(folder)


def test_weights_of_another_network_or_run_are_refused(tmp_path):
    model = {"architecture": "unet", "backbone": "mobilenet", "decoder_filters": [2, 2, 2, 2, 2]}
    folder = unfinished(tmp_path, model=model | {"weights": "none"})
    folder.finish(record())
    spec = load(folder.path / "spec.yaml", model=SpecModel)
    save(folder, spec.model.bind(ARCHITECTURES)(2), digest="0b5e77d2")
    with pytest.raises(UserError, match=r"best\.h5: of another run \(0b5e77d2, and .* 3f9c1a7e\)"):
        load_predictor(folder)
    save(folder, spec.model.bind(ARCHITECTURES)(3))
    with pytest.raises(UserError, match="not the weights of this run's network"):
        load_predictor(folder)


def test_damaged_weights_are_refused(tmp_path):
    model = {"architecture": "unet", "backbone": "mobilenet", "decoder_filters": [2, 2, 2, 2, 2]}
    folder = unfinished(tmp_path, model=model | {"weights": "none"})
    network = load(folder.path / "spec.yaml", model=SpecModel).model.bind(ARCHITECTURES)(2)
    save(folder, network)
    folder.finish(record(weights=weights_hash(network)))
    load_predictor(folder)
    content = bytearray(folder.best_weights.read_bytes())
    content[len(content) // 2] ^= 1
    folder.best_weights.write_bytes(content)
    with pytest.raises(UserError, match=r"best\.h5: damaged: .*; restore it, or begin anew"):
        load_predictor(folder)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(tmp_path, value):
    model = {"architecture": "unet", "backbone": "mobilenet", "weights": "none"}
    folder = unfinished(tmp_path, model=model | {"decoder_filters": [2, 2, 2, 2, 2]})
    spec = load(folder.path / "spec.yaml", model=SpecModel)
    network = spec.model.bind(ARCHITECTURES)(2)
    weights = network.weights[-1]
    weights.assign(np.full(weights.shape, value))
    save(folder, network)
    folder.finish(record(weights=weights_hash(network)))
    with pytest.raises(NotFiniteError, match=r"best\.h5: the weights \S+ hold NaN or infinity"):
        load_predictor(folder)
