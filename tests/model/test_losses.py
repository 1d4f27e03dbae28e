import functools
import inspect
import math

import numpy as np
import pytest

from steelexp.lazy import segmentation_models, tf
from steelexp.model.losses import (
    LOSSES,
    bce,
    bce_dice,
    bce_lovasz,
    dice,
    focal,
    focal_dice,
    lovasz_hinge,
    unified_focal,
    weighted_bce,
)
from steelexp.spec.component import component_model
from steelexp.spec.schema import LossSpec
from tests.model.masks import CERTAIN, cross_entropy, random_batch, row, sigmoid

# --- two losses at once


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("class_weights", [None, np.array([0.4, 1.6, 0.5, 1.5], np.float32)])
def test_mixtures_are_weighted_sums(weight, class_weights):
    batch = (*random_batch(), class_weights)
    overlap = {"reduce": "tile", "smooth": 0.7, "empty_class": "nothing"}
    sharp = {"gamma": 1.0, "alpha": 0.7}
    sets = {"reduce": "batch_and_class"}
    cases = [
        (bce_dice(*batch, bce_weight=weight, **overlap), bce(*batch), dice(*batch, **overlap)),
        (
            focal_dice(*batch, focal_weight=weight, **sharp, **overlap),
            focal(*batch, **sharp),
            dice(*batch, **overlap),
        ),
        (bce_lovasz(*batch, bce_weight=weight, **sets), bce(*batch), lovasz_hinge(*batch, **sets)),
    ]
    for mixed, first, second in cases:
        expected = weight * first.numpy() + (1 - weight) * second.numpy()
        assert mixed.numpy() == pytest.approx(expected, abs=1e-5)
        assert first.numpy() != pytest.approx(second.numpy(), abs=0.01)


def test_mixtures_hand_on_weights_smoothing_and_symmetry():
    batch = (*random_batch(), np.array([0.4, 1.6, 0.5, 1.5], np.float32))
    positive = {"positive_weights": (2.0, 1.0, 3.0, 1.5)}
    smooth = {"label_smoothing": 0.2}
    cases = [
        (bce_dice(*batch, **positive, **smooth), weighted_bce(*batch, **positive, **smooth), dice),
        (
            focal_dice(*batch, gamma=0.0, alpha=0.5, **positive),
            weighted_bce(*batch, **positive) / 2,
            dice,
        ),
        (
            bce_lovasz(*batch, **positive, **smooth, symmetric=True),
            weighted_bce(*batch, **positive, **smooth),
            functools.partial(lovasz_hinge, symmetric=True),
        ),
    ]
    for mixed, first, second in cases:
        expected = (first.numpy() + second(*batch).numpy()) / 2
        assert mixed.numpy() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("ours", "theirs"), [(bce_dice, "bce_dice_loss"), (focal_dice, "binary_focal_dice_loss")]
)
def test_mixtures_are_half_of_segmentation_models_sums(ours, theirs):
    y, logits = random_batch(spread=2.0)
    both = getattr(segmentation_models.losses, theirs)(y, tf.sigmoid(logits))
    half = tf.reduce_mean(ours(y, logits, reduce="batch_and_class", smooth=1e-5))
    assert float(half) == pytest.approx(float(both) / 2, abs=1e-5)


# --- unified focal


def test_unified_focal_by_hand():
    # p = 3/4 on a defect pixel and on one of background, d = 0.6, g = 1/2.
    y, logits = row([1, 0]), row([math.log(3)] * 2)
    pixels = (0.6 * math.log(4 / 3) + 0.4 * math.sqrt(3 / 4) * math.log(4)) / 2
    # Hit 3/4, false 3/4, missed 1/4; of the background, hit 1/4, false 1/4, missed 3/4. s = 1.
    defect = math.sqrt(0.45 / (0.75 + 0.45 + 1))
    background = 0.55 / (0.25 + 0.55 + 1)
    expected = (pixels + (defect + background) / 2) / 2
    assert unified_focal(y, logits).numpy() == pytest.approx([expected], abs=1e-6)


@pytest.mark.parametrize(("weight", "delta", "gamma"), [(0.5, 0.6, 0.5), (0.2, 0.9, 0.0)])
def test_unified_focal_agrees_with_numpy(weight, delta, gamma):
    # As its authors compute it, on the two channels background and defect of each class.
    y, logits = random_batch()
    p = sigmoid(logits)
    discount = np.where(y == 1, delta, (1 - delta) * p**gamma)
    pixels = (discount * cross_entropy(y, logits)).mean((1, 2, 3))

    def tversky_loss(y, p):
        tp, fn, fp = ((a * b).sum((1, 2)) for a, b in [(y, p), (y, 1 - p), (1 - y, p)])
        return 1 - (tp + 1) / (tp + delta * fn + (1 - delta) * fp + 1)

    defect, background = tversky_loss(y, p) ** (1 - gamma), tversky_loss(1 - y, 1 - p)
    expected = weight * pixels + (1 - weight) * ((defect + background) / 2).mean(1)
    loss = unified_focal(y, logits, focal_weight=weight, delta=delta, gamma=gamma)
    assert loss.numpy() == pytest.approx(expected, abs=1e-5)


def test_unified_focal_without_focus_is_cross_entropy_and_dice():
    y, logits = random_batch()
    plain = unified_focal(y, logits, delta=0.5, gamma=0.0).numpy()
    both_sides = (dice(y, logits, smooth=2.0) + dice(1 - y, -logits, smooth=2.0)).numpy() / 2
    assert plain == pytest.approx((bce(y, logits).numpy() / 2 + both_sides) / 2, abs=1e-5)


# --- every loss


@pytest.fixture(params=sorted(LOSSES))
def name(request):
    return request.param


@pytest.fixture
def loss(name):
    return LOSSES[name]


WEIGHTED = [n for n in sorted(LOSSES) if "class_weights" in inspect.signature(LOSSES[n]).parameters]


@pytest.fixture(params=WEIGHTED)
def weighted(request):
    return LOSSES[request.param]


def with_gradient(loss, y, logits):
    """The loss and its gradient, both as arrays."""
    logits = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        values = loss(tf.constant(y), logits)
    return values.numpy(), tape.gradient(values, logits).numpy()


def test_is_a_component(loss, name):
    parameters = inspect.signature(loss).parameters.values()
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert [name for name in positional if name != "class_weights"] == ["y_true", "logits", "valid"]
    model = component_model(LossSpec, name, loss)
    fields = {key: field for key, field in model.model_fields.items() if key != "name"}
    assert [key for key, field in fields.items() if not field.description] == []
    model.model_validate({"name": name})
    assert "empty class" in " ".join(loss.__doc__.split()).lower()


def test_gives_one_float32_a_tile(loss):
    y, logits = random_batch()
    values = loss(y, logits)
    assert values.shape == (3,)
    assert values.dtype == tf.float32


def test_rises_with_errors(loss):
    y, _ = random_batch()
    right = (2 * y - 1) * 10
    costs = [loss(y, logits).numpy() for logits in (right, 0 * right, -right)]
    assert (costs[0] >= 0).all()
    assert (costs[0] < costs[1]).all()
    assert (costs[1] < costs[2]).all()


def test_next_to_nothing_is_paid_for_a_perfect_prediction(loss):
    y, _ = random_batch()
    assert loss(y, (2 * y - 1) * 40).numpy() == pytest.approx([0, 0, 0], abs=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("logit", [-CERTAIN, 0.0, CERTAIN])
@pytest.mark.parametrize("truth", [0, 1])
def test_is_finite_with_its_gradient_on_empty_and_full_masks(loss, truth, logit, dtype):
    shape = (2, 4, 4, 3)
    values, gradient = with_gradient(
        loss, np.full(shape, truth, dtype), np.full(shape, logit, dtype)
    )
    assert np.isfinite(values).all()
    assert np.isfinite(gradient).all()
    assert (gradient * (1 if truth == 0 else -1) >= 0).all()  # downhill is towards the truth


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_is_finite_with_its_gradient_where_certain_pixels_are_right_and_wrong(loss, dtype):
    y, _ = random_batch()
    signs = np.sign(np.random.default_rng(1).normal(size=y.shape))
    values, gradient = with_gradient(loss, y.astype(dtype), (CERTAIN * signs).astype(dtype))
    assert np.isfinite(values).all()
    assert np.isfinite(gradient).all()


def test_wrong_pixels_pull(loss):
    # At a score of 1/2 everywhere, some pixel of each tile pulls its logit the right way.
    y, _ = random_batch()
    _, gradient = with_gradient(loss, y, np.zeros_like(y))
    towards = gradient * (1 - 2 * y)
    assert (towards.sum((1, 2, 3)) > 0).all()


@pytest.mark.parametrize("truth", [0, 1])
def test_takes_more_pixels_in_float16_than_float16_can_count(loss, truth):
    # 256 x 260 pixels of one class; the largest float16 is 65,504.
    y, logits = np.full((1, 256, 260, 1), truth, np.float32), np.full((1, 256, 260, 1), 2.0)
    half = loss(y.astype(np.float16), logits.astype(np.float16)).numpy()
    full = loss(y, logits.astype(np.float32)).numpy()
    assert np.isfinite(half).all()
    assert half == pytest.approx(full, rel=1e-6)


def test_a_tile_does_not_depend_on_the_others(loss):
    y, logits = random_batch()
    together = loss(y, logits).numpy()
    alone = [loss(y[i : i + 1], logits[i : i + 1]).numpy()[0] for i in range(3)]
    assert together == pytest.approx(alone, abs=1e-5)


def test_class_weights_of_one_change_nothing(weighted):
    y, logits = random_batch()
    ones = weighted(y, logits, np.ones(4)).numpy()
    assert ones == pytest.approx(weighted(y, logits).numpy(), abs=1e-6)


def test_a_heavier_class_makes_its_errors_dearer(weighted):
    y, _ = random_batch(seed=2)
    right = (2 * y - 1) * 10
    wrong = right.copy()
    wrong[..., 2] *= -1  # class 2 alone
    costs = [weighted(y, wrong, np.array([1, 1, w, 2 - w])).numpy() for w in (0.5, 1.0, 1.5)]
    assert (costs[0] < costs[1]).all()
    assert (costs[1] < costs[2]).all()


def test_takes_tiles_of_any_number_and_size_in_a_graph(loss):
    shape = tf.TensorSpec((None, None, None, None), tf.float32)
    graph = tf.function(loss, input_signature=[shape, shape])
    for size in ((1, 4, 8, 2), (3, 8, 4, 4)):
        y, logits = random_batch(shape=size)
        eager = loss(y, logits).numpy()
        assert graph(y, logits).numpy() == pytest.approx(eager, abs=1e-6)


def test_xla_compiles_it_with_its_gradient(loss):
    y, logits = random_batch()
    values, slopes = with_gradient(loss, y, logits)

    @tf.function(jit_compile=True)
    def compiled(y, logits):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            values = loss(y, logits)
        return values, tape.gradient(values, logits)

    values_of_xla, slopes_of_xla = compiled(tf.constant(y), tf.constant(logits))
    assert values_of_xla.numpy() == pytest.approx(values, abs=1e-5)
    assert slopes_of_xla.numpy() == pytest.approx(slopes, abs=1e-5)


def test_positive_weights_are_read_from_a_list():
    model = component_model(LossSpec, "weighted_bce", LOSSES["weighted_bce"])
    given = {"name": "weighted_bce", "positive_weights": [2, 2, 1, 1.5]}
    assert model.model_validate(given).settings["positive_weights"] == (2, 2, 1, 1.5)
