import math

import numpy as np
import pytest

from steelexp.lazy import keras, tf
from steelexp.model.losses import bce
from steelexp.model.optimizers import adam
from steelexp.records.store import Epoch
from steelexp.spec.schema import (
    DataSpec,
    ExperimentSpec,
    LossSpec,
    ModelSpec,
    OptimizerSpec,
    ScheduleSpec,
    SplitSpec,
    TilingSpec,
    TrackingSpec,
    TrainingSpec,
)
from steelexp.spec.training_section import PhaseSpec
from steelexp.training.fit import DivergedError, compile_model, fit
from tests.fakes import pixel_model

RATE = 0.5


def spec(epochs, **training):
    return ExperimentSpec(
        name="tiny",
        data=DataSpec(source="fake"),
        split=SplitSpec(kind="fake"),
        tiling=TilingSpec(kind="fake"),
        model=ModelSpec(architecture="fake"),
        loss=LossSpec(name="bce"),
        optimizer=OptimizerSpec(name="adam", learning_rate=RATE),
        training=TrainingSpec(epochs=epochs, batch_size=2, **training),
        tracking=TrackingSpec(name="fake"),
        seed=0,
    )


def tiles(count=3, batch_size=2):
    """Where grey is 1, class 0 is; `count` tiles of one pixel."""
    grey = np.arange(count, dtype=np.uint8).reshape(-1, 1, 1, 1) % 2
    return tf.data.Dataset.from_tensor_slices((grey, grey)).batch(batch_size)


def schedule(settings):
    return ScheduleSpec.model_validate(settings)


def rate_now(model):
    return float(model.optimizer.learning_rate)


def compiled(loss=bce, rate=RATE):
    model = pixel_model((0.0, 0.0))
    compile_model(model, loss=loss, optimizer=adam(learning_rate=rate), classes=1)
    return model


@pytest.fixture(scope="module")
def model():
    return compiled()


class Run:
    """One call of fit, and what it did in which order."""

    def __init__(self, values, metric="val_dice_positive"):
        self.values, self.metric = values, metric
        self.events = []
        self.rates = {}

    def __call__(self, model, spec, history=(), batches=tiles):
        def tiles_of(epoch):
            self.events.append(f"train {epoch}")
            return batches()

        def validate(epoch, is_last):
            self.events.append(f"validate {epoch}")
            self.rates[epoch] = float(model.optimizer.learning_rate)
            return {self.metric: self.values[epoch - 1]}

        def on_epoch_end(epoch, best):
            self.events.append(f"keep {epoch.epoch}" + (", best" if best else ""))

        return fit(
            model, spec, history, batches=tiles_of, validate=validate, on_epoch_end=on_epoch_end
        )


def behind(*values):
    """A history of epochs of two steps."""
    return [
        Epoch(number, 2 * number, 1.0, {"loss": 1.0, "val_dice_positive": value})
        for number, value in enumerate(values, start=1)
    ]


# --- the loop


def test_each_epoch_is_trained_validated_and_kept_before_the_next(model):
    run = Run([0.3, 0.5, 0.4])
    history = run(model, spec(3))
    assert run.events == [
        *("train 1", "validate 1", "keep 1, best"),
        *("train 2", "validate 2", "keep 2, best"),
        *("train 3", "validate 3", "keep 3"),
    ]
    assert [(epoch.epoch, epoch.step) for epoch in history] == [(1, 2), (2, 4), (3, 6)]
    for epoch, value in zip(history, run.values, strict=True):
        assert set(epoch.metrics) == {"loss", "learning_rate", "val_dice_positive"}
        assert epoch.metrics["val_dice_positive"] == value
        assert epoch.seconds > 0


def test_a_tie_is_not_better(model):
    run = Run([0.5, 0.5])
    run(model, spec(2))
    assert run.events[-1] == "keep 2"


def test_a_loss_is_better_when_it_is_smaller(model):
    run = Run([0.5, 0.6, 0.4], metric="val_loss")
    run(model, spec(3, monitor="val_loss"))
    assert [event for event in run.events if "best" in event] == ["keep 1, best", "keep 3, best"]


def test_it_learns():
    model = compiled(rate=0.5)
    history = Run([0.1] * 20)(model, spec(20))
    losses = [epoch.metrics["loss"] for epoch in history]
    assert losses[0] > 0.4
    assert losses[-1] < losses[0] / 3
    logits = model(np.array([0, 1], np.uint8).reshape(2, 1, 1, 1)).numpy().ravel()
    assert logits[0] < 0 < logits[1]


def test_loss_is_the_mean_over_tiles_whatever_their_batches():
    # Logits 0 cost log 2 and logits 3 log(1 + e^3): two tiles in the first batch, one in the last.
    model = pixel_model((3.0, 0.0))
    compile_model(model, loss=bce, optimizer=adam(), classes=1)
    grey = np.array([0, 1, 1], np.uint8).reshape(3, 1, 1, 1)
    rate = OptimizerSpec(name="adam", learning_rate=1e-9)
    history = Run([0.1])(
        model,
        spec(1).model_copy(update={"optimizer": rate}),
        batches=lambda: tf.data.Dataset.from_tensor_slices((grey, 0 * grey)).batch(2),
    )
    expected = (math.log(2) + 2 * math.log(1 + math.e**3)) / 3
    assert history[0].metrics["loss"] == pytest.approx(expected, abs=1e-6)


def test_compile_expands_the_bits_of_every_class():
    # Bits 0b10: class 0 is absent, class 1 there; both logits 0.
    model = pixel_model((0.0, 0.0), (0.0, 0.0))
    seen = []

    def loss(y_true, logits, valid):
        tf.py_function(lambda y: seen.append(y.numpy().tolist()), [y_true], [])
        return bce(y_true, logits)

    compile_model(model, loss=loss, optimizer=adam(), classes=2)
    bits = np.array([0b10, 0b01], np.uint8).reshape(2, 1, 1, 1)
    got = model.train_on_batch(0 * bits, bits)
    assert seen == [[[[[0.0, 1.0]]], [[[1.0, 0.0]]]]]
    assert got == pytest.approx(math.log(2), abs=1e-6)


# --- the schedule


def test_the_rate_is_lowered_on_a_plateau(model):
    run = Run([0.5, 0.4, 0.4, 0.6, 0.6, 0.6])
    history = run(model, spec(6, reduce_lr_patience=2, reduce_lr_factor=0.5))
    expected = [0.5, 0.5, 0.5, 0.25, 0.25, 0.25]
    assert [epoch.metrics["learning_rate"] for epoch in history] == expected
    assert list(run.rates.values()) == pytest.approx(expected)


def test_a_schedule_sets_the_rate_of_every_step(monkeypatch):
    # Two epochs of two steps: half the rate, then a line from 1 down in thirds.
    model = compiled()
    settings = {"name": "polynomial", "warm_up_epochs": 0.5, "power": 1.0}
    rates = []
    step = model.train_step
    model.train_step = lambda data: (rates.append(rate_now(model)), step(data))[1]
    model.run_eagerly = True
    history = Run([0.5, 0.5])(model, spec(2).model_copy(update={"schedule": schedule(settings)}))
    assert rates == pytest.approx([0.5, 0.5, 1 / 3, 1 / 6])
    assert [epoch.metrics["learning_rate"] for epoch in history] == pytest.approx([0.5, 1 / 6])


def test_a_resumed_run_evaluates_the_schedule_again(model):
    settings = spec(4).model_copy(update={"schedule": schedule({"name": "cosine"})})
    whole = Run([0.5] * 4)(model, settings)
    resumed = Run([0.5] * 4)(model, settings, history=whole[:2])
    assert [e.metrics["learning_rate"] for e in resumed] == [
        e.metrics["learning_rate"] for e in whole
    ]


def test_it_stops_early(model):
    run = Run([0.5, 0.4, 0.3, 0.9])
    assert len(run(model, spec(4, early_stopping_patience=2))) == 3
    assert run.events[-1] == "keep 3"


def test_without_patience_it_goes_on_at_the_same_rate(model):
    run = Run([0.5, 0.4, 0.3, 0.2])
    assert len(run(model, spec(4))) == 4
    assert set(run.rates.values()) == {RATE}


# --- resuming


def test_the_validation_knows_the_last_epoch(model):
    values = [0.5, 0.4, 0.6, 0.5, 0.5]
    answers = []

    def validate(number, is_last):
        answers.append(is_last(values[number - 1]))
        return {"val_dice_positive": values[number - 1]}

    def train(epochs, history=(), **training):
        answers.clear()
        settings = spec(epochs, **training)
        fit(
            model,
            settings,
            history,
            batches=lambda number: tiles(),
            validate=validate,
            on_epoch_end=lambda epoch, best: None,
        )
        return answers

    assert train(3) == [False, False, True]
    assert train(9, early_stopping_patience=2) == [False, False, False, False, True]
    assert train(9, behind(*values[:4]), early_stopping_patience=2) == [True]


def test_goes_on_where_the_history_ends(model):
    run = Run([0.5, 0.4, 0.45, 0.6])
    before = behind(0.5, 0.4)
    history = run(model, spec(4, reduce_lr_patience=1, reduce_lr_factor=0.5), before)
    assert run.events == [
        *("train 3", "validate 3", "keep 3"),  # 0.45 is the best of this session only
        *("train 4", "validate 4", "keep 4, best"),
    ]
    assert history[:2] == before
    assert [epoch.step for epoch in history] == [2, 4, 6, 8]
    assert list(run.rates.values()) == [0.25, 0.125]
    assert len(before) == 2


@pytest.mark.parametrize(
    ("epochs", "patience", "values"), [(2, None, (0.4, 0.5)), (9, 2, (0.5, 0.4, 0.3))]
)
def test_a_history_that_is_at_its_end_is_given_back(model, epochs, patience, values):
    run, before = Run([]), behind(*values)
    assert run(model, spec(epochs, early_stopping_patience=patience), before) == before
    assert run.events == []


def test_the_rate_of_a_resumed_run_is_that_of_an_undisturbed_one(model):
    values = [0.5, 0.4, 0.4, 0.6, 0.5, 0.5, 0.5]
    settings = spec(7, reduce_lr_patience=2, reduce_lr_factor=0.1)
    whole = Run(values)
    whole(model, settings)
    for epochs in range(1, 7):
        rest = Run(values)
        rest(model, settings, behind(*values[:epochs]))
        assert rest.rates == {n: rate for n, rate in whole.rates.items() if n > epochs}


# --- what goes wrong


def test_a_loss_that_is_no_number_ends_the_run_with_the_way_out():
    model = compiled(loss=lambda y, logits, valid: bce(y, logits) * math.nan)
    run = Run([0.5])
    with pytest.raises(DivergedError) as error:
        run(model, spec(3), batches=lambda: tiles(60, 1))
    assert str(error.value) == (
        "tiny: loss is nan after epoch 1; lower optimizer.learning_rate (now 0.5) "
        "or set optimizer.clip_norm"
    )
    assert run.events == ["train 1"]
    assert int(model.optimizer.iterations) < 60  # it does not train on to the end of the epoch


def test_the_epochs_before_are_kept(model):
    run = Run([0.5, math.inf])
    with pytest.raises(DivergedError, match="val_dice_positive is inf after epoch 2"):
        run(model, spec(3))
    assert run.events == ["train 1", "validate 1", "keep 1, best", "train 2", "validate 2"]


def test_weights_that_are_no_numbers_are_not_kept(model):
    # They predict nothing: dice_positive is 0, and only val_loss tells.
    def validate(number, is_last):
        return {"val_dice_positive": 0.0, "val_loss": math.nan}

    with pytest.raises(DivergedError, match="val_loss is nan after epoch 1"):
        fit(
            model,
            spec(2),
            [],
            batches=lambda _: tiles(),
            validate=validate,
            on_epoch_end=lambda *_: pytest.fail("kept"),
        )


def test_a_loss_that_explodes_and_stays_finite_ends_the_run():
    model = compiled(loss=lambda y, logits, valid: bce(y, logits) * 0 + 1e19)
    run = Run([0.5])
    with pytest.raises(DivergedError, match=r"loss is 1e\+19 after epoch 1; lower optimizer\.lear"):
        run(model, spec(3))
    assert "keep" not in "".join(run.events)


@pytest.mark.parametrize(("loss", "stops"), [(2.0**24, False), (2.0**24 + 2, True)])
def test_a_loss_may_grow_until_float32_no_longer_adds_1(model, loss, stops):
    run = Run([loss], metric="val_loss")
    if stops:
        with pytest.raises(DivergedError, match=r"val_loss is 1\.67772e\+07 after epoch 1"):
            run(model, spec(1, monitor="val_loss"))
    else:
        assert len(run(model, spec(1, monitor="val_loss"))) == 1


def test_weights_that_no_metric_shows_to_be_infinite_end_the_run():
    model = compiled()
    model.add_weight(name="moving_variance", shape=(1,), trainable=False).assign([np.inf])
    with pytest.raises(DivergedError, match=r"weights .*moving_variance.* hold NaN or"):
        Run([0.5])(model, spec(1))


def test_all_workers_look_at_the_loss_at_the_same_steps():
    """However fast they are: one that stopped alone would leave the others waiting."""
    losses = iter([1.0] * 17 + [math.nan] * 60)
    model = compiled(
        loss=lambda y, logits, valid: (
            bce(y, logits) * tf.py_function(lambda: next(losses), [], tf.float32)
        )
    )
    with pytest.raises(DivergedError):
        Run([0.5])(model, spec(1), batches=lambda: tiles(60, 1))
    assert int(model.optimizer.iterations) == 33  # looked at after 1, 17, 33


def test_a_monitored_metric_that_is_missing_is_named(model):
    run = Run([0.5], metric="val_loss")
    with pytest.raises(DivergedError, match="val_dice_positive is nan after epoch 1"):
        run(model, spec(2))


# --- what it says


def test_says_a_line_an_epoch(model, capsys):
    Run([0.3, 0.25])(model, spec(2, reduce_lr_patience=1, reduce_lr_factor=0.5))
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("epoch 1/2  loss 0.")
    assert "  val_dice_positive 0.3000  lr 5.0e-01  " in first
    assert first.endswith("  best so far")
    assert second.startswith("epoch 2/2  loss 0.")
    assert "  val_dice_positive 0.2500  lr 5.0e-01  " in second
    assert second.endswith("  the last")


def test_mixed_precision_is_trained_with_a_scaled_loss():
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = compiled()
        run = Run([0.5, 0.4, 0.3])
        history = run(model, spec(3, reduce_lr_patience=1, reduce_lr_factor=0.5))
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert isinstance(model.optimizer, keras.mixed_precision.LossScaleOptimizer)
    assert list(run.rates.values()) == [0.5, 0.5, 0.25]
    assert history[-1].metrics["loss"] < history[0].metrics["loss"]


def test_the_rate_of_a_phase_is_multiplied_by_its_factor(model):
    tiling = TilingSpec(kind="fake")
    phases = [
        PhaseSpec(epochs=1, tiling=tiling),
        PhaseSpec(epochs=3, tiling=tiling, learning_rate_factor=0.1),
    ]
    history = Run([0.5, 0.5, 0.5])(model, spec(3, phases=phases))
    rates = [epoch.metrics["learning_rate"] for epoch in history]
    assert rates == pytest.approx([RATE, 0.1 * RATE, 0.1 * RATE])
