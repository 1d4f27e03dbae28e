import resource
import signal

import h5py
import numpy as np
import pytest
import xxhash

from steelexp.lazy import keras
from steelexp.model.losses import bce
from steelexp.model.optimizers import adam
from steelexp.model.step_noise import follow_steps
from steelexp.records.store import Epoch
from steelexp.training import checkpoint
from steelexp.training.checkpoint import CheckpointError
from steelexp.training.fit import compile_model, optimizer_steps
from tests.damages import damages
from tests.fakes import compiled, pixel_model

RUN = "3f9c1a7e"


def epochs(count):
    return [Epoch(n, 4 * n, 1.5, {"loss": 0.1, "val_dice/2": 1 / n}) for n in range(1, count + 1)]


EPOCHS = epochs(3)


def number_of(path):
    """The number of the epoch whose state a file holds."""
    return len(checkpoint.epochs_of(path, RUN))


def train(model, steps, seed=0):
    draw = np.random.default_rng(seed)
    for _ in range(steps):
        grey, bits = (draw.integers(0, top, (2, 8, 8, 1), np.uint8) for top in (256, 4))
        model.train_on_batch(grey, bits)


def state(model):
    """Weights and optimizer state as arrays."""
    return [variable.numpy() for variable in (*model.weights, *model.optimizer.variables)]


def assert_equal(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights" / "last.h5"


@pytest.fixture
def mixed_float16():
    keras.mixed_precision.set_global_policy("mixed_float16")
    yield
    keras.mixed_precision.set_global_policy("float32")


@pytest.fixture
def mixed_bfloat16():
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    yield
    keras.mixed_precision.set_global_policy("float32")


def test_a_restored_model_goes_on_as_if_it_had_not_been_stopped(path):
    model = compiled()
    train(model, 3)
    checkpoint.save(path, model, EPOCHS, RUN)
    stopped = state(model)

    fresh = compiled(slope=0.02)
    assert all((v == 0).all() for v in (w.numpy() for w in fresh.optimizer.variables[2:]))
    checkpoint.restore(path, fresh, RUN)
    assert_equal(state(fresh), stopped)
    train(model, 1, seed=1)
    train(fresh, 1, seed=1)
    assert_equal(state(fresh), state(model))
    assert np.abs(state(fresh)[0] - stopped[0]).max() > 1e-4


def noisy(*, follows_steps):
    """A network with dropout, compiled."""
    plain = pixel_model((0.01, -1.0), (0.02, -1.0))
    model = keras.Model(plain.input, keras.layers.Dropout(0.5)(plain.output))
    compile_model(model, loss=bce, optimizer=adam(learning_rate=0.01), classes=2)
    if follows_steps:
        follow_steps(model, 5, optimizer_steps(model))
    return model


@pytest.mark.parametrize("follows_steps", [False, True])
def test_dropout_goes_on_where_it_was_if_it_follows_the_steps(path, follows_steps):
    keras.utils.set_random_seed(0)  # once: it sets the kernels' generators back to their beginning
    model = noisy(follows_steps=follows_steps)
    fresh = noisy(follows_steps=follows_steps)
    train(model, 3)
    checkpoint.save(path, model, EPOCHS, RUN)
    checkpoint.restore(path, fresh, RUN)
    train(model, 1, seed=1)
    train(fresh, 1, seed=1)
    pairs = zip(state(fresh), state(model), strict=True)
    assert all((one == other).all() for one, other in pairs) == follows_steps


def test_adams_moments_are_in_the_file(path):
    # Without them the next step would be another one.
    model = compiled()
    train(model, 3)
    checkpoint.save(path, model, EPOCHS, RUN)
    fresh = compiled()
    fresh.load_weights(path)
    train(model, 1, seed=1)
    train(fresh, 1, seed=1)
    assert np.abs(state(fresh)[0] - state(model)[0]).max() > 1e-4


@pytest.mark.usefixtures("mixed_float16")
def test_the_loss_scale_of_mixed_precision_is_kept(path):
    # Gradients overflow float16 at first: Keras halves its loss scale and skips the step.
    model = compiled(factor=50.0)
    assert isinstance(model.optimizer, keras.mixed_precision.LossScaleOptimizer)
    initial = float(model.optimizer.loss_scale)
    train(model, 12)
    assert 1 < float(model.optimizer.loss_scale) < initial
    checkpoint.save(path, model, EPOCHS, RUN)

    fresh = compiled(slope=0.02, factor=50.0)
    checkpoint.restore(path, fresh, RUN)
    assert float(fresh.optimizer.loss_scale) == float(model.optimizer.loss_scale)
    assert int(fresh.optimizer.dynamic_counter) == int(model.optimizer.dynamic_counter) > 0
    train(model, 2, seed=1)
    train(fresh, 2, seed=1)
    assert_equal(state(fresh), state(model))


@pytest.mark.usefixtures("mixed_bfloat16")
def test_all_of_the_state_of_bfloat16_is_float32_and_kept(path):
    model = compiled()
    assert not isinstance(model.optimizer, keras.mixed_precision.LossScaleOptimizer)
    assert {layer.compute_dtype for layer in model.layers} >= {"bfloat16"}
    train(model, 3)
    assert {values.dtype.name for values in state(model)} == {"float32", "int64"}
    checkpoint.save(path, model, EPOCHS, RUN)
    fresh = compiled(slope=0.02)
    checkpoint.restore(path, fresh, RUN)
    train(model, 2, seed=1)
    train(fresh, 2, seed=1)
    assert_equal(state(fresh), state(model))


def test_the_rate_is_not_kept_because_it_follows_from_the_history(path):
    model = compiled()
    checkpoint.save(path, model, EPOCHS, RUN)
    model.optimizer.learning_rate.assign(0.25)
    checkpoint.restore(path, model, RUN)
    assert float(model.optimizer.learning_rate) == 0.25


def test_keras_reads_the_weights_by_itself(path):
    model = compiled()
    checkpoint.save(path, model, EPOCHS, RUN)
    fresh = pixel_model((0.5, 0.5), (0.5, 0.5))
    fresh.load_weights(path)
    assert_equal(fresh.get_weights(), model.get_weights())


def test_the_weights_of_another_model_are_refused(path):
    checkpoint.save(path, compiled(classes=2), EPOCHS, RUN)
    with pytest.raises(ValueError, match="pixel/kernel"):
        checkpoint.restore(path, compiled(classes=3), RUN)


def test_the_epochs_come_back(path):
    checkpoint.save(path, compiled(), EPOCHS, RUN)
    assert checkpoint.epochs_of(path, RUN) == EPOCHS


def test_the_epochs_of_a_missing_file_are_none(path):
    assert checkpoint.epochs_of(path, RUN) is None


def test_the_file_before_gets_another_name(path):
    previous = path.with_name("previous.h5")
    model = compiled()
    for count in (1, 2, 3):
        checkpoint.save(path, model, epochs(count), RUN, previous=previous)
    assert (number_of(path), number_of(previous)) == (3, 2)
    assert sorted(file.name for file in path.parent.iterdir()) == ["last.h5", "previous.h5"]


def test_the_header_says_the_run_and_the_hash(path):
    checkpoint.save(path, compiled(), EPOCHS, RUN)
    content = path.read_bytes()
    checksum = xxhash.xxh3_128_hexdigest(content[512:])
    header = f"steelexp checkpoint 1\nrun 3f9c1a7e\nxxh3 {checksum}\n"
    assert content[:512] == header.encode().ljust(512, b"\0")


def test_a_checkpoint_of_another_run_is_refused(path):
    checkpoint.save(path, compiled(), EPOCHS, "00000000")
    said = r"last\.h5: of another run \(00000000, and this one is 3f9c1a7e\)"
    with pytest.raises(CheckpointError, match=said):
        checkpoint.epochs_of(path, RUN)
    taken = path.with_name("best.h5")
    with pytest.raises(CheckpointError, match=said):
        checkpoint.copy_to_run(path, taken, digest=RUN, new_digest=RUN)
    checkpoint.copy_to_run(path, taken, digest="00000000", new_digest=RUN)
    assert checkpoint.epochs_of(taken, RUN) == EPOCHS


@pytest.mark.parametrize("seed", range(4))
def test_damages_are_noticed(path, tmp_path, seed):
    model = compiled()
    checkpoint.save(path, model, EPOCHS, RUN)
    other = tmp_path / "other.h5"
    checkpoint.save(other, model, EPOCHS, "00000000")
    whole = path.read_bytes()
    for damage in damages(path, np.random.default_rng(seed), other=other, bits=40):
        damage.apply(path)
        if path.exists():
            with pytest.raises(CheckpointError):
                checkpoint.restore(path, compiled(), RUN)
        path.write_bytes(whole)


def test_a_later_epoch_replaces_an_earlier_one(path):
    model = compiled()
    checkpoint.save(path, model, EPOCHS, RUN)
    train(model, 1)
    checkpoint.save(path, model, epochs(4), RUN)
    assert number_of(path) == 4
    assert [file.name for file in path.parent.iterdir()] == ["last.h5"]
    fresh = compiled()
    checkpoint.restore(path, fresh, RUN)
    assert_equal(state(fresh), state(model))


@pytest.mark.parametrize("fault", ["create_dataset", "replace"])
def test_killed_while_writing_leaves_the_old_file(path, monkeypatch, fault):
    model = compiled()
    checkpoint.save(path, model, EPOCHS, RUN)
    before = path.read_bytes()

    def killed(*_, **__):
        raise KeyboardInterrupt

    holder = {"create_dataset": h5py.Group, "replace": type(path)}[fault]
    with monkeypatch.context() as patch:
        patch.setattr(holder, fault, killed)
        with pytest.raises(KeyboardInterrupt):
            checkpoint.save(path, model, epochs(4), RUN)
    assert path.read_bytes() == before
    assert number_of(path) == 3

    checkpoint.save(path, model, epochs(5), RUN)
    assert number_of(path) == 5


def test_a_full_disk_leaves_the_old_file(path):
    model = compiled()
    checkpoint.save(path, model, EPOCHS, RUN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            checkpoint.save(path, model, epochs(4), RUN)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.filename == str(path)
    assert number_of(path) == 3
    assert [file.name for file in path.parent.iterdir()] == ["last.h5"]


@pytest.mark.parametrize("content", [b"", b"no HDF5", None])
def test_a_file_that_is_no_checkpoint_is_named(path, content):
    path.parent.mkdir()
    if content is None:
        h5py.File(path, "w").close()  # HDF5, and nothing of ours in it
    else:
        path.write_bytes(content)
    said = r"last\.h5: not a checkpoint of this version of steelexp, or damaged"
    with pytest.raises(CheckpointError, match=said):
        checkpoint.epochs_of(path, RUN)
    with pytest.raises(CheckpointError, match=said):
        checkpoint.restore(path, compiled(), RUN)


def test_killed_while_copying_leaves_the_old_file(path, monkeypatch):
    best = path.with_name("best.h5")
    checkpoint.save(path, compiled(), EPOCHS, RUN)
    checkpoint.copy(path, best)
    assert best.read_bytes() == path.read_bytes()
    checkpoint.save(path, compiled(), epochs(4), RUN)

    def killed(source, target):
        target.write_bytes(source.read_bytes()[:100])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.shutil, "copyfile", killed)
        with pytest.raises(KeyboardInterrupt):
            checkpoint.copy(path, best)
    assert number_of(best) == 3
    checkpoint.copy(path, best)
    assert number_of(best) == 4
