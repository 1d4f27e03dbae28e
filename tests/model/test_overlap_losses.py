import numpy as np
import pytest

from steelexp.lazy import segmentation_models, tf
from steelexp.model.overlap_losses import dice, focal_tversky, generalized_dice, jaccard, tversky
from tests.model.masks import TILES, random_batch, row, sigmoid, tensors

WEIGHTS = np.array([0.4, 1.6, 0.5, 1.5], np.float32)  # mean one
AXES = [
    ("tile_and_class", (1, 2)),
    ("tile", (1, 2, 3)),
    ("batch_and_class", (0, 1, 2)),
    ("batch", (0, 1, 2, 3)),
]


def index_losses(y, logits, axes, a, b, s, weights=1.0):
    """1 - Tversky's index as the paper writes it, dimensions kept."""
    p = sigmoid(logits)
    hit = (weights * p * y).sum(axes, keepdims=True)
    false = (weights * p * (1 - y)).sum(axes, keepdims=True)
    missed = (weights * (1 - p) * y).sum(axes, keepdims=True)
    return 1 - (hit + s) / (hit + a * false + b * missed + s)


def of_tiles(losses, batch=3):
    return np.broadcast_to(losses.mean((1, 2, 3)), batch)


# --- Dice


@pytest.mark.parametrize(
    ("reduce", "expected"),
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
def test_dice_by_hand(reduce, expected):
    assert dice(*tensors(TILES), reduce=reduce).numpy() == pytest.approx(expected, abs=1e-6)


def test_dice_smooth_by_hand():
    # 1 - (2 + s) / (3 + s) with s = 3 is 1 / 6; class 1, empty: 1 / (1 + 3).
    loss = dice(*tensors(TILES[:1]), smooth=3.0)
    assert loss.numpy() == pytest.approx([(1 / 6 + 1 / 4) / 2], abs=1e-6)


def test_a_missed_rare_class_is_seen_per_class_and_hidden_when_pooled():
    full, rare = np.ones((32, 32)), np.zeros((32, 32))
    rare[0, 0] = 1
    missed = tensors([[(full, full), (rare, np.zeros((32, 32)))]])
    assert dice(*missed, reduce="tile_and_class").numpy() == pytest.approx([0.25], abs=1e-6)
    assert dice(*missed, reduce="batch").numpy() == pytest.approx([1 / 2050], abs=1e-6)


@pytest.mark.parametrize(("reduce", "axes"), AXES)
def test_dice_agrees_with_numpy(reduce, axes):
    y, logits = random_batch()
    p = sigmoid(logits)
    ratio = (2 * (p * y).sum(axes, keepdims=True) + 0.7) / ((p + y).sum(axes, keepdims=True) + 0.7)
    loss = dice(y, logits, reduce=reduce, smooth=0.7)
    assert loss.numpy() == pytest.approx(of_tiles(1 - ratio), abs=1e-5)


@pytest.mark.parametrize(
    ("reduce", "per_image"), [("tile_and_class", True), ("batch_and_class", False)]
)
@pytest.mark.parametrize("smooth", [1e-5, 1.0])
@pytest.mark.parametrize(("ours", "theirs"), [(dice, "DiceLoss"), (jaccard, "JaccardLoss")])
def test_agrees_with_segmentation_models(ours, theirs, reduce, per_image, smooth):
    # Its losses always keep the classes apart: `tile` and `batch` have no counterpart there.
    y, logits = random_batch()
    loss = getattr(segmentation_models.losses, theirs)(per_image=per_image, smooth=smooth)
    mean = tf.reduce_mean(ours(y, logits, reduce=reduce, smooth=smooth))
    assert float(mean) == pytest.approx(float(loss(y, tf.sigmoid(logits))), abs=1e-5)


# --- Jaccard, Tversky


def test_jaccard_by_hand():
    # p = 1/2 everywhere, y = 1 1 0 0: overlap 1, union 2 + 2 - 1.
    assert jaccard(row([1, 1, 0, 0]), row([0.0] * 4)).numpy() == pytest.approx([1 - 2 / 4])


def test_tversky_by_hand():
    # The same pixels: hit 1, false 1, missed 1. 1 - 2 / (1 + 0.3 + 0.7 + 1), and with other weights
    # 1 - 2 / (1 + 0.2 + 0.9 + 1).
    y, logits = row([1, 1, 0, 0]), row([0.0] * 4)
    assert tversky(y, logits).numpy() == pytest.approx([1 - 2 / 3])
    loss = tversky(y, logits, false_positives=0.2, false_negatives=0.9)
    assert loss.numpy() == pytest.approx([1 - 2 / 3.1])


def test_tversky_prices_false_and_missed_pixels_apart():
    # Two pixels of four are there. One missed: 1 - 2 / (1 + 0.7 + 1); one false: 1 - 3 / 3.3.
    truth = [[1, 1], [0, 0]]
    missed, false = tensors([[(truth, [[1, 0], [0, 0]])], [(truth, [[1, 1], [1, 0]])]])
    loss = tversky(missed, false)
    assert loss.numpy() == pytest.approx([0.7 / 2.7, 0.3 / 3.3], abs=1e-6)


@pytest.mark.parametrize(("reduce", "axes"), AXES)
@pytest.mark.parametrize(("a", "b"), [(0.3, 0.7), (1.0, 1.0), (0.0, 2.0)])
def test_tversky_agrees_with_numpy(reduce, axes, a, b):
    y, logits = random_batch()
    expected = of_tiles(index_losses(y, logits, axes, a, b, 0.7))
    loss = tversky(y, logits, false_positives=a, false_negatives=b, reduce=reduce, smooth=0.7)
    assert loss.numpy() == pytest.approx(expected, abs=1e-5)


def test_jaccard_is_the_monotone_function_of_dice():
    # J = D / (2 - D) for each index, in terms of the losses: 2 d / (1 + d). smooth: 2 s / 2.
    y, logits = random_batch(shape=(3, 8, 16, 1))
    d = dice(y, logits, smooth=2.0).numpy()
    assert jaccard(y, logits, smooth=1.0).numpy() == pytest.approx(2 * d / (1 + d), abs=1e-6)


# --- focal Tversky


def test_focal_tversky_by_hand():
    # The Tversky losses above, 1/3, and (1/3)^(3/4); with gamma 2 its root.
    y, logits = row([1, 1, 0, 0]), row([0.0] * 4)
    assert focal_tversky(y, logits).numpy() == pytest.approx([3**-0.75])
    assert focal_tversky(y, logits, gamma=2.0).numpy() == pytest.approx([3**-0.5])


@pytest.mark.parametrize(("reduce", "axes"), AXES)
@pytest.mark.parametrize("gamma", [4 / 3, 3.0])
def test_focal_tversky_agrees_with_numpy(reduce, axes, gamma):
    y, logits = random_batch()
    expected = of_tiles(index_losses(y, logits, axes, 0.3, 0.7, 0.7) ** (1 / gamma))
    loss = focal_tversky(y, logits, gamma=gamma, reduce=reduce, smooth=0.7)
    assert loss.numpy() == pytest.approx(expected, abs=1e-5)


def test_focal_tversky_has_a_gradient_where_all_is_right():
    y, logits = row([1.0, 0.0]), row([200.0, -200.0])  # a loss of exactly 0 in float32
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = focal_tversky(y, logits, gamma=3.0)
    assert loss.numpy() == pytest.approx([0], abs=1e-6)
    assert tape.gradient(loss, logits).numpy().ravel().tolist() == [0, 0]


# --- empty classes


@pytest.mark.parametrize("reduce", [reduce for reduce, _ in AXES])
@pytest.mark.parametrize("smooth", [0.5, 10.0])
@pytest.mark.parametrize("m", [0, 1, 4])
def test_m_false_pixels_of_an_empty_class(reduce, smooth, m):
    predicted = np.arange(4).reshape(2, 2) < m
    tile = tensors([[(np.zeros((2, 2)), predicted)]])
    settings = {"reduce": reduce, "smooth": smooth}
    expected = {
        (dice, "smoothed"): m / (m + smooth),
        (dice, "mean_score"): m / 4,
        (dice, "nothing"): 0,
        (jaccard, "smoothed"): m / (m + smooth),
        (tversky, "smoothed"): 0.3 * m / (0.3 * m + smooth),
        (tversky, "mean_score"): m / 4,
        (focal_tversky, "smoothed"): (0.3 * m / (0.3 * m + smooth)) ** 0.75,
        (focal_tversky, "mean_score"): (m / 4) ** 0.75,
    }
    for (loss, empty_class), value in expected.items():
        got = loss(*tile, empty_class=empty_class, **settings).numpy()
        assert got == pytest.approx([value], abs=1e-6), (loss.__name__, empty_class)


@pytest.mark.parametrize("empty_class", ["mean_score", "nothing"])
def test_only_empty_classes_have_another_price(empty_class):
    y, logits = random_batch()  # class 1 is empty in tile 0
    losses = index_losses(y, logits, (1, 2), 0.5, 0.5, 0.5)
    losses[0, ..., 1] = sigmoid(logits)[0, ..., 1].mean() if empty_class == "mean_score" else 0
    got = dice(y, logits, empty_class=empty_class).numpy()
    assert got == pytest.approx(losses.mean((1, 2, 3)), abs=1e-5)


# --- class weights


@pytest.mark.parametrize("loss", [dice, jaccard, tversky, focal_tversky])
@pytest.mark.parametrize("reduce", ["tile_and_class", "batch_and_class"])
def test_class_weights_weigh_the_mean_over_classes(loss, reduce):
    y, logits = random_batch()
    each = [
        loss(y[..., c : c + 1], logits[..., c : c + 1], reduce=reduce).numpy() for c in range(4)
    ]
    expected = sum(w * value for w, value in zip(WEIGHTS, each, strict=True)) / 4
    assert loss(y, logits, WEIGHTS, reduce=reduce).numpy() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("reduce", "axes"), [AXES[1], AXES[3]])
def test_class_weights_go_inside_where_classes_are_pooled(reduce, axes):
    y, logits = random_batch()
    expected = of_tiles(index_losses(y, logits, axes, 0.5, 0.5, 0.5, WEIGHTS))
    assert dice(y, logits, WEIGHTS, reduce=reduce).numpy() == pytest.approx(expected, abs=1e-5)


# --- generalized Dice


def test_generalized_dice_by_hand():
    # Class 0 has 4 pixels, 3 found; class 1 has 2, one found: weights (2 / 4)^2 and 1.
    # Wrong: 1/4 + 1. Twice the hits and the wrong: 1/4 (6 + 1) + (2 + 1). s = 1.
    found = [[1, 1, 1, 0, 0, 0, 0, 0]], [[1, 0, 0, 0, 0, 0, 0, 0]]
    truth = [[1, 1, 1, 1, 0, 0, 0, 0]], [[1, 1, 0, 0, 0, 0, 0, 0]]
    tile = tensors([list(zip(truth, found, strict=True))])
    assert generalized_dice(*tile).numpy() == pytest.approx([1.25 / (1.75 + 3 + 1)], abs=1e-6)


def test_generalized_dice_of_an_empty_class_by_hand():
    # Class 0 has 2 pixels, found; class 1 none, one false: both weigh 1. 1 / (4 + 1 + 1).
    tile = tensors([[([[1, 1]], [[1, 1]]), ([[0, 0]], [[1, 0]])]])
    assert generalized_dice(*tile).numpy() == pytest.approx([1 / 6], abs=1e-6)
    # None is there: 1 / (1 + 1).
    clean = tensors([[([[0, 0]], [[0, 0]]), ([[0, 0]], [[1, 0]])]])
    assert generalized_dice(*clean).numpy() == pytest.approx([1 / 2], abs=1e-6)


@pytest.mark.parametrize(("reduce", "axes"), [("tile", (1, 2)), ("batch", (0, 1, 2))])
def test_generalized_dice_agrees_with_the_paper_where_all_classes_occur(reduce, axes):
    y, logits = random_batch(seed=1)
    y[0, 0, :2, 1] = 1
    p, size = sigmoid(logits), y.sum(axes)  # [3, C] or [C]
    weights = 1 / size**2
    overlap = (weights * (p * y).sum(axes)).sum(-1)
    total = (weights * (p + y).sum(axes)).sum(-1)
    loss = generalized_dice(y, logits, reduce=reduce, smooth=1e-7)
    assert loss.numpy() == pytest.approx(np.broadcast_to(1 - 2 * overlap / total, 3), abs=1e-5)


def test_generalized_dice_of_equal_classes_is_dice_of_the_tile():
    y, logits = random_batch(shape=(3, 8, 16, 1))
    y, logits = np.repeat(y, 2, -1), np.repeat(logits, 2, -1)
    expected = dice(y, logits, reduce="tile").numpy()
    assert generalized_dice(y, logits).numpy() == pytest.approx(expected, abs=1e-6)
