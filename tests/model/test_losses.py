import inspect
import math

import numpy as np
import pytest

from steelexp.lazy import segmentation_models, tf
from steelexp.model.losses import LOSSES, bce, bce_dice, dice, focal
from steelexp.spec.component import component_model
from steelexp.spec.schema import LossSpec

CERTAIN = 50.0
"""A logit whose sigmoid is 1 in float32; that of its negative is 2e-22."""

# Two tiles of 2 x 2 pixels and two classes; rows of (truth, prediction).
TILES = [
    # class 0: 1 pixel of 2 found; class 1: absent, 1 false pixel
    [([[1, 1], [0, 0]], [[1, 0], [0, 0]]), ([[0, 0], [0, 0]], [[0, 0], [1, 0]])],
    # class 0: all 4 found; class 1: 1 pixel, missed
    [([[1, 1], [1, 1]], [[1, 1], [1, 1]]), ([[1, 0], [0, 0]], [[0, 0], [0, 0]])],
]


def tensors(tiles):
    """(y_true, logits), [B, h, w, C], of a prediction that is certain everywhere."""
    pairs = np.array(tiles, np.float32).transpose(2, 0, 3, 4, 1)
    return tf.constant(pairs[0]), tf.constant((2 * pairs[1] - 1) * CERTAIN)


def random_batch(seed=0, shape=(3, 8, 16, 4), spread=4.0):
    draw = np.random.default_rng(seed)
    y = (draw.random(shape) < 0.2).astype(np.float32)
    y[0, ..., 1] = 0  # a class that a tile does not hold
    return y, draw.normal(0, spread, shape).astype(np.float32)


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits.astype(np.float64)))


# --- Dice


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        # Tile 0: 1 - (2 + 1) / (3 + 1) and 1 - 1 / (1 + 1); tile 1: 1 - 9 / 9 and 1 - 1 / 2.
        ("tile_and_class", [(1 / 4 + 1 / 2) / 2, (0 + 1 / 2) / 2]),
        # Tile 0: 1 - (2 + 1) / (4 + 1); tile 1: 1 - (8 + 1) / (9 + 1).
        ("tile", [2 / 5, 1 / 10]),
        # Class 0: 1 - (10 + 1) / (11 + 1); class 1: 1 - (0 + 1) / (2 + 1); their mean.
        ("batch_and_class", [3 / 8, 3 / 8]),
        # 1 - (10 + 1) / (13 + 1).
        ("batch", [3 / 14, 3 / 14]),
    ],
)
def test_dice_by_hand(over, expected):
    assert dice(*tensors(TILES), over=over).numpy() == pytest.approx(expected, abs=1e-6)


def test_dice_smooth_by_hand():
    # 1 - (2 + s) / (3 + s) with s = 3 is 1 / 6; class 1, absent: 1 / (1 + 3).
    loss = dice(*tensors(TILES[:1]), smooth=3.0)
    assert loss.numpy() == pytest.approx([(1 / 6 + 1 / 4) / 2], abs=1e-6)


@pytest.mark.parametrize("over", ["tile_and_class", "tile", "batch_and_class", "batch"])
@pytest.mark.parametrize("smooth", [0.5, 1.0, 10.0])
@pytest.mark.parametrize("m", [0, 1, 2, 4])
def test_m_false_pixels_of_an_absent_class_cost_m_over_m_plus_smooth(over, smooth, m):
    predicted = np.arange(4).reshape(2, 2) < m
    loss = dice(*tensors([[(np.zeros((2, 2)), predicted)]]), over=over, smooth=smooth)
    assert loss.numpy() == pytest.approx([m / (m + smooth)], abs=1e-6)


def test_a_missed_rare_class_is_seen_per_class_and_hidden_when_pooled():
    full, rare = np.ones((32, 32)), np.zeros((32, 32))
    rare[0, 0] = 1
    missed = tensors([[(full, full), (rare, np.zeros((32, 32)))]])
    assert dice(*missed, over="tile_and_class").numpy() == pytest.approx([0.25], abs=1e-6)
    assert dice(*missed, over="batch").numpy() == pytest.approx([1 / 2050], abs=1e-6)


@pytest.mark.parametrize(
    ("over", "axes"),
    [
        ("tile_and_class", (1, 2)),
        ("tile", (1, 2, 3)),
        ("batch_and_class", (0, 1, 2)),
        ("batch", (0, 1, 2, 3)),
    ],
)
def test_dice_agrees_with_numpy(over, axes):
    y, logits = random_batch()
    p = sigmoid(logits)
    ratio = (2 * (p * y).sum(axes, keepdims=True) + 0.7) / ((p + y).sum(axes, keepdims=True) + 0.7)
    each = np.broadcast_to((1 - ratio).mean((1, 2, 3)), 3)
    assert dice(y, logits, over=over, smooth=0.7).numpy() == pytest.approx(each, abs=1e-5)


@pytest.mark.parametrize(
    ("over", "per_image"), [("tile_and_class", True), ("batch_and_class", False)]
)
@pytest.mark.parametrize("smooth", [1e-5, 1.0])
def test_dice_agrees_with_segmentation_models(over, per_image, smooth):
    # Its loss always keeps the classes apart: `tile` and `batch` have no counterpart there.
    y, logits = random_batch()
    theirs = segmentation_models.losses.DiceLoss(per_image=per_image, smooth=smooth)
    ours = tf.reduce_mean(dice(y, logits, over=over, smooth=smooth))
    assert float(ours) == pytest.approx(float(theirs(y, tf.sigmoid(logits))), abs=1e-5)


# --- cross-entropy


def test_bce_by_hand():
    # p = 3/4 at log 3: log(4/3) where y is 1, log 4 where it is 0.
    y = tf.constant([[[[1.0]], [[0.0]]], [[[1.0]], [[1.0]]]])  # [2, 2, 1, 1]
    logits = tf.fill((2, 2, 1, 1), math.log(3))
    expected = [(math.log(4 / 3) + math.log(4)) / 2, math.log(4 / 3)]
    assert bce(y, logits).numpy() == pytest.approx(expected, abs=1e-6)


def test_bce_agrees_with_numpy():
    y, logits = random_batch()
    p = sigmoid(logits)
    expected = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean((1, 2, 3))
    assert bce(y, logits).numpy() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_bce_dice_is_the_weighted_sum(weight):
    y, logits = random_batch()
    got = bce_dice(y, logits, bce_weight=weight, over="tile", smooth=0.7).numpy()
    parts = bce(y, logits).numpy(), dice(y, logits, over="tile", smooth=0.7).numpy()
    assert got == pytest.approx(weight * parts[0] + (1 - weight) * parts[1], abs=1e-6)
    assert parts[0] != pytest.approx(parts[1], abs=0.1)


# --- focal


def test_focal_by_hand():
    # p = 3/4. y = 1: 1/4 (1/4)^2 log(4/3). y = 0: 3/4 (3/4)^2 log 4.
    y = tf.constant([[[[1.0]], [[0.0]]]])  # [1, 2, 1, 1]
    logits = tf.fill((1, 2, 1, 1), math.log(3))
    expected = (math.log(4 / 3) / 64 + 27 / 64 * math.log(4)) / 2
    assert focal(y, logits).numpy() == pytest.approx([expected], abs=1e-6)


def test_focal_without_focus_is_half_the_cross_entropy():
    y, logits = random_batch()
    plain = focal(y, logits, gamma=0.0, alpha=0.5).numpy()
    assert plain == pytest.approx(bce(y, logits).numpy() / 2, abs=1e-6)


@pytest.mark.parametrize(("gamma", "alpha"), [(2.0, 0.25), (0.5, 0.9), (5.0, 0.0), (1.0, 1.0)])
def test_focal_agrees_with_numpy(gamma, alpha):
    y, logits = random_batch()
    p = sigmoid(logits)
    p_t, alpha_t = np.where(y == 1, p, 1 - p), np.where(y == 1, alpha, 1 - alpha)
    expected = -(alpha_t * (1 - p_t) ** gamma * np.log(p_t)).mean((1, 2, 3))
    assert focal(y, logits, gamma=gamma, alpha=alpha).numpy() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("gamma", "alpha"), [(2.0, 0.25), (3.0, 0.75)])
def test_focal_agrees_with_segmentation_models_where_it_does_not_clip(gamma, alpha):
    # Its scores are clipped to 1e-7 from 0 and 1: no logit here is beyond 16.
    y, logits = random_batch(spread=3.0)
    assert np.abs(logits).max() < 16
    theirs = segmentation_models.losses.BinaryFocalLoss(gamma=gamma, alpha=alpha)
    ours = tf.reduce_mean(focal(y, logits, gamma=gamma, alpha=alpha))
    assert float(ours) == pytest.approx(float(theirs(y, tf.sigmoid(logits))), abs=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_focal_has_a_gradient_where_a_pixel_is_certain(gamma):
    logits = tf.constant([-200.0, -CERTAIN, 0.0, CERTAIN, 200.0], shape=(1, 5, 1, 1))
    for truth in (0.0, 1.0):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = focal(tf.fill((1, 5, 1, 1), truth), logits, gamma=gamma)
        assert np.isfinite(tape.gradient(loss, logits).numpy()).all()


# --- every loss


@pytest.fixture(params=sorted(LOSSES))
def loss(request):
    return LOSSES[request.param]


@pytest.fixture
def settings(loss):
    """Every setting of the loss at its default."""
    return inspect.getfullargspec(loss).kwonlydefaults or {}


def test_is_a_component(loss):
    signature = inspect.signature(loss).parameters.values()
    positional = [p.name for p in signature if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional == ["y_true", "logits"]
    name = next(name for name, function in LOSSES.items() if function is loss)
    model = component_model(LossSpec, name, loss)
    fields = {key: field for key, field in model.model_fields.items() if key != "name"}
    undescribed = [key for key, field in fields.items() if not field.description]
    assert undescribed == []


def test_gives_one_float32_a_tile(loss, settings):
    y, logits = random_batch()
    values = loss(y, logits, **settings)
    assert values.shape == (3,)
    assert values.dtype == tf.float32


def test_rises_with_errors(loss, settings):
    y, _ = random_batch()
    right = (2 * y - 1) * 10
    costs = [loss(y, logits, **settings).numpy() for logits in (right, 0 * right, -right)]
    assert (costs[0] >= 0).all()
    assert (costs[0] < costs[1]).all()
    assert (costs[1] < costs[2]).all()


@pytest.mark.parametrize("logit", [-CERTAIN, CERTAIN])
@pytest.mark.parametrize("truth", [0.0, 1.0])
def test_is_finite_with_its_gradient_on_empty_and_full_masks(loss, settings, truth, logit):
    y, logits = tf.fill((2, 4, 4, 3), truth), tf.fill((2, 4, 4, 3), logit)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        values = loss(y, logits, **settings)
    gradient = tape.gradient(values, logits).numpy()
    assert np.isfinite(values.numpy()).all()
    assert np.isfinite(gradient).all()
    assert (gradient * (1 if truth == 0 else -1) >= 0).all()  # downhill is towards the truth


def test_takes_tiles_of_any_number_and_size_in_a_graph(loss, settings):
    shape = tf.TensorSpec((None, None, None, None), tf.float32)
    graph = tf.function(lambda y, x: loss(y, x, **settings), input_signature=[shape, shape])
    for size in ((1, 4, 8, 2), (3, 8, 4, 4)):
        y, logits = random_batch(shape=size)
        eager = loss(y, logits, **settings).numpy()
        assert graph(y, logits).numpy() == pytest.approx(eager, abs=1e-6)
