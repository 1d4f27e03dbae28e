from types import SimpleNamespace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from steelexp.lazy import keras, tf
from steelexp.training.plateau import MIN_DELTA, best_epoch, reduced_rate, should_stop

# Ties, steps below, at and above MIN_DELTA, and numbers that are none of these.
values = st.one_of(
    st.sampled_from([0.0, 0.5, 1.0]),
    st.integers(-4, 4).map(lambda k: 0.5 + k * MIN_DELTA / 2),
    st.floats(-10, 10),
)
histories = st.lists(values, min_size=1, max_size=25)
patiences = st.integers(1, 5)
modes = st.booleans()


class FakeModel:
    """What Keras' callbacks touch of a model."""

    def __init__(self, rate: float = 1.0) -> None:
        self.optimizer = SimpleNamespace(lr=tf.Variable(rate, dtype=tf.float64))
        self.distribute_strategy = None
        self.stop_training = False
        self.saves = 0

    def save_weights(self, *_, **__) -> None:
        self.saves += 1


def mode(lower):
    return "min" if lower else "max"


def follow(callback, history):
    """The model and whether it was told to stop, epoch by epoch."""
    model = FakeModel()
    callback.set_model(model)
    callback.on_train_begin()
    for number, value in enumerate(history):
        callback.on_epoch_begin(number)
        callback.on_epoch_end(number, {"metric": value})
        yield model


# --- as Keras decides


@given(histories, patiences, st.sampled_from([0.1, 0.5, 0.9]), modes)
def test_learning_rate_is_that_of_reduce_lr_on_plateau(history, patience, factor, lower):
    callback = keras.callbacks.ReduceLROnPlateau(
        "metric", factor=factor, patience=patience, mode=mode(lower)
    )
    theirs = [float(model.optimizer.lr.numpy()) for model in follow(callback, history)]
    ours = [
        reduced_rate(
            history[:epochs],
            initial=1.0,
            patience=patience,
            factor=factor,
            lower_is_better=lower,
        )
        for epochs in range(1, len(history) + 1)
    ]
    assert ours == pytest.approx(theirs, rel=1e-5)


@given(histories, patiences, modes)
@example([0.5, 0.5, 0.5], 2, False)
def test_should_stop_is_that_of_early_stopping(history, patience, lower):
    callback = keras.callbacks.EarlyStopping("metric", patience=patience, mode=mode(lower))
    theirs = [model.stop_training for model in follow(callback, history)]
    ours = [
        should_stop(history[:epochs], patience=patience, lower_is_better=lower)
        for epochs in range(1, len(history) + 1)
    ]
    stopped = theirs.index(True) + 1 if True in theirs else len(history)
    assert ours[:stopped] == theirs[:stopped]


@given(histories, modes)
def test_best_epoch_is_the_last_that_model_checkpoint_saves(history, lower):
    callback = keras.callbacks.ModelCheckpoint(
        "unused", "metric", save_best_only=True, save_weights_only=True, mode=mode(lower)
    )
    saves = [model.saves for model in follow(callback, history)]
    saved = [now > before for now, before in zip(saves, [0, *saves[:-1]], strict=True)]
    ours = [
        best_epoch(history[:epochs], lower_is_better=lower) == epochs
        for epochs in range(1, len(history) + 1)
    ]
    assert ours == saved


# --- by hand


def test_best_epoch_by_hand():
    assert best_epoch([0.2, 0.7, 0.3, 0.7]) == 2
    assert best_epoch([0.2, 0.7, 0.1, 0.1], lower_is_better=True) == 3
    assert best_epoch([-1.0]) == 1


@pytest.mark.parametrize(
    ("history", "patience", "expected"),
    [
        ([], 1, False),
        ([0.5], 1, False),
        ([0.5, 0.5], 1, True),
        ([0.5, 0.5], 2, False),
        ([0.5, 0.4, 0.4], 2, True),
        ([0.5, 0.4, 0.6], 2, False),
        ([0.5, 0.4, 0.3, 0.2], None, False),
    ],
)
def test_should_stop_by_hand(history, patience, expected):
    assert should_stop(history, patience=patience) is expected
    losses = [-value for value in history]
    assert should_stop(losses, patience=patience, lower_is_better=True) is expected


@pytest.mark.parametrize(
    ("history", "patience", "expected"),
    [
        ([], 1, 1.0),
        ([0.5], 1, 1.0),
        ([0.5, 0.4], 1, 0.5),
        ([0.5, 0.4], 2, 1.0),
        ([0.5, 0.4, 0.4], 2, 0.5),
        ([0.5, 0.4, 0.4, 0.4], 2, 0.5),  # the count starts anew
        ([0.5, 0.4, 0.4, 0.4, 0.4], 2, 0.25),
        ([0.5, 0.4, 0.6, 0.4], 2, 1.0),
        ([0.5, 0.50005, 0.50009], 2, 0.5),  # better, by less than MIN_DELTA
        ([0.5, 0.5 + MIN_DELTA], 1, 0.5),  # and by no more
        ([0.5, 0.4, 0.3, 0.2], None, 1.0),
    ],
)
def test_learning_rate_by_hand(history, patience, expected):
    assert reduced_rate(history, initial=1.0, patience=patience, factor=0.5) == expected
    losses = [-value for value in history]
    rate = reduced_rate(losses, initial=1.0, patience=patience, factor=0.5, lower_is_better=True)
    assert rate == expected
