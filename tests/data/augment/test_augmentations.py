import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelexp.data.augment import AUGMENTATIONS, augment
from steelexp.data.augment.donors import Donors
from steelexp.data.augment.geometry import flips, shift
from steelexp.data.dataset import DataError
from steelexp.lazy import tf

NO_DONORS = Donors(("1",), lambda rng, number: None)
SETTINGS = {  # so that every tile is changed
    "copy_paste": {"classes": ("b",), "probability": 1.0},
    "flips": {},
    "rotation": {"probability": 1.0},
    "scale": {"probability": 1.0},
    "elastic": {"probability": 1.0},
    "grid_distortion": {"probability": 1.0},
    "shift": {"pixels": 9, "probability": 1.0},
    "brightness": {"probability": 1.0},
    "contrast": {"probability": 1.0},
    "gamma": {"probability": 1.0},
    "blur": {"probability": 1.0},
    "sheet_edge": {"probability": 1.0},
    "blackout": {"probability": 1.0},
    "cut_out": {"probability": 1.0},
    "noise": {"probability": 1.0},
}
PROBABLE = sorted(SETTINGS.keys() - {"flips"})
NAMES = tuple("abcdefgh")


def tiles(count=16, height=64, width=96, classes=2, seed=0):
    """Grain on steel, a defect of each class in its own place."""
    rng = np.random.default_rng(seed)
    grey = rng.integers(90, 140, (count, height, width), np.uint8)
    bits = np.zeros_like(grey)
    for c in range(classes):
        top, left = rng.integers(2, height - 8), 2 + c * (width - 4) // classes
        grey[:, top : top + 6, left : left + 3] //= 3
        bits[:, top : top + 6, left : left + 3] = 1 << c
    return grey, bits


def donors_like(grey, bits, classes=2):
    """Donors that hold the asked class, as large as the tiles."""

    def tile(rng, number):
        lent, marks = tiles(4, *grey.shape[1:], classes, seed=7)
        index = rng.integers(len(lent))
        return lent[index], marks[index]

    return Donors(NAMES[:classes], tile)


def changed_by(name, grey, bits, seed=0, **settings):
    donors = donors_like(grey, bits)
    rng = np.random.default_rng(seed)
    return AUGMENTATIONS[name](grey, bits, rng, donors, **(SETTINGS[name] | settings))


def chain_of(names):
    return [functools.partial(AUGMENTATIONS[name], **SETTINGS[name]) for name in names]


class Moves:
    """A generator that moves every tile alike."""

    def __init__(self, down, right):
        self.move = (down, right)

    def integers(self, low, high, shape):
        assert (low, high) == (-2, 3)
        return np.full(shape, self.move)

    def random(self, count):
        return np.zeros(count)


GREY = np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"vertical": False}, {"123456", "321654"}),
        ({"horizontal": False}, {"123456", "456123"}),
        ({}, {"123456", "321654", "456123", "654321"}),
        ({"horizontal": False, "vertical": False}, {"123456"}),
    ],
)
def test_flips_by_hand(settings, expected):
    grey = GREY.repeat(400, axis=0)
    turned, bits = flips(grey, grey + 10, np.random.default_rng(0), NO_DONORS, **settings)
    assert (bits == turned + 10).all()
    outcomes = ["".join(map(str, tile.ravel().tolist())) for tile in turned]
    assert set(outcomes) == expected
    for one in expected:  # each as often as the others
        assert outcomes.count(one) == pytest.approx(400 / len(expected), abs=60)


@pytest.mark.parametrize(
    ("down", "right", "expected"),
    [
        (0, 0, [[1, 2, 3], [4, 5, 6], [7, 8, 9]]),
        (1, 0, [[4, 5, 6], [1, 2, 3], [4, 5, 6]]),
        (-1, 0, [[4, 5, 6], [7, 8, 9], [4, 5, 6]]),
        (0, 2, [[3, 2, 1], [6, 5, 4], [9, 8, 7]]),
        (0, -1, [[2, 3, 2], [5, 6, 5], [8, 9, 8]]),
        (2, -1, [[8, 9, 8], [5, 6, 5], [2, 3, 2]]),
    ],
)
def test_shift_by_hand(down, right, expected):
    grey = np.arange(1, 10, dtype=np.uint8).reshape(1, 3, 3)
    moved, bits = shift(grey, grey + 10, Moves(down, right), NO_DONORS, pixels=2)
    assert moved[0].tolist() == expected
    assert (bits == moved + 10).all()


def test_shift_moves_equally_often_in_every_direction():
    grey = np.arange(64, dtype=np.uint8).reshape(1, 8, 8).repeat(4000, axis=0)
    moved, _ = shift(grey, grey, np.random.default_rng(0), NO_DONORS, pixels=2, probability=1.0)
    # 3, 3 is 27, and can be moved by 2 without seeing an edge
    down, right = 3 - moved[:, 3, 3] // 8, 3 - moved[:, 3, 3].astype(int) % 8
    for move in (down.astype(np.int8), right):
        assert np.unique(move).tolist() == [-2, -1, 0, 1, 2]
        assert np.bincount(move + 2) == pytest.approx(800, abs=120)


@pytest.mark.parametrize("count", [0, 1])
def test_shift_by_a_whole_tile_is_refused_whatever_is_drawn(count):
    grey = np.zeros((count, 32, 64), np.uint8)
    rng = np.random.default_rng(0)
    shift(grey, grey, rng, NO_DONORS, pixels=31)
    with pytest.raises(DataError, match=r"augment\.shift\.pixels: 32 .* 32 x 64 .* at most 31"):
        shift(grey, grey, rng, NO_DONORS, pixels=32, probability=0.0)


@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    seed=st.integers(0, 2**32),
    pixels=st.integers(0, 39),
)
def test_image_and_labels_move_together(height, width, seed, pixels):
    grey = np.random.default_rng(seed).integers(0, 256, (3, height, width), np.uint8)
    pair = grey, grey ^ 85  # the label of a pixel tells which one it was
    chain = [flips]
    if 0 < pixels < min(height, width):
        chain.append(functools.partial(shift, pixels=pixels))
    turned, labels = augment(*pair, np.random.default_rng(seed), NO_DONORS, chain)
    assert (labels == turned ^ 85).all()


@given(seed=st.integers(0, 2**32))
def test_flips_keep_every_pixel(seed):
    grey = np.arange(35, dtype=np.uint8).reshape(1, 5, 7)
    turned, _ = flips(grey, grey, np.random.default_rng(seed), NO_DONORS)
    assert (np.sort(turned.ravel()) == np.arange(35)).all()
    again, _ = flips(turned, turned, np.random.default_rng(seed), NO_DONORS)
    assert (again == grey).all()


@pytest.mark.parametrize("name", PROBABLE)
def test_probability_0_is_the_identity(name):
    grey, bits = tiles()
    changed, labels = changed_by(name, grey, bits, probability=0.0)
    assert (changed == grey).all()
    assert (labels == bits).all()


@pytest.mark.parametrize("name", PROBABLE)
def test_probability_1_changes_every_tile(name):
    grey, bits = tiles()
    changed, _ = changed_by(name, grey, bits)
    assert (changed != grey).any(axis=(1, 2)).all()


@pytest.mark.parametrize("name", PROBABLE)
def test_as_many_tiles_are_changed_as_is_probable(name):
    grey, bits = tiles(600, 32, 32)
    changed, _ = changed_by(name, grey, bits, seed=3, probability=0.3)
    share = (changed != grey).any(axis=(1, 2)).mean()
    assert share == pytest.approx(0.3, abs=0.06)  # three standard deviations


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_what_is_given_stays_and_may_be_read_only(name):
    grey, bits = tiles()
    copies = grey.copy(), bits.copy()
    grey.flags.writeable = bits.flags.writeable = False
    changed_by(name, grey, bits)
    assert (grey == copies[0]).all()
    assert (bits == copies[1]).all()


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_a_generator_in_one_state_gives_one_result(name):
    grey, bits = tiles()
    first, again, other = (changed_by(name, grey, bits, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("shape", [(0, 64, 64), (1, 32, 32), (2, 32, 96), (2, 256, 256)])
def test_shape_and_type_are_kept(name, shape):
    grey, bits = tiles(*shape)
    for given_, got in zip((grey, bits), changed_by(name, grey, bits), strict=True):
        assert got.shape == given_.shape
        assert got.dtype == np.uint8


@pytest.mark.parametrize("name", ["brightness", "contrast", "gamma", "blur", "noise"])
def test_light_and_noise_leave_the_labels(name):
    grey, bits = tiles()
    _, labels = changed_by(name, grey, bits)
    assert (labels == bits).all()


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_parts_of_larger_arrays_are_taken(name):
    grey, bits = tiles(4, 80, 120)
    part = grey[:, 8:72, 10:106], bits[:, 8:72, 10:106]
    views = changed_by(name, *part)
    copies = changed_by(name, *(plane.copy() for plane in part))
    assert all(np.array_equal(a, b) for a, b in zip(views, copies, strict=True))


@pytest.mark.parametrize("classes", range(1, 9))
def test_labels_stay_within_the_classes_and_a_pixel_has_one(classes):
    grey, bits = tiles(8, classes=classes)
    settings = SETTINGS | {"copy_paste": {"classes": NAMES[:classes], "probability": 1.0}}
    chain = [functools.partial(AUGMENTATIONS[name], **settings[name]) for name in AUGMENTATIONS]
    rng = np.random.default_rng(0)
    _, labels = augment(grey, bits, rng, donors_like(grey, bits, classes), chain)
    assert set(np.unique(labels)) <= {0, *(1 << c for c in range(classes))}
    assert labels.any()


def test_a_chain_is_applied_in_its_order():
    grey = np.array([[[1]]], np.uint8)
    chain = [
        lambda grey, bits, rng, donors: (grey + 1, bits),
        lambda grey, bits, rng, donors: (grey * 10, bits + 1),
    ]
    changed, labels = augment(grey, grey, np.random.default_rng(0), NO_DONORS, chain)
    assert (changed.item(), labels.item()) == (20, 2)
    assert augment(grey, grey, np.random.default_rng(0), NO_DONORS, []) == (grey, grey)


def test_black_stays_black_below_noise():
    """Edge and blackout come after the light, noise over both."""
    grey, bits = tiles(4)
    order = list(AUGMENTATIONS)
    assert order[0] == "copy_paste"
    assert order[-1] == "noise"
    changed, labels = augment(
        grey, bits, np.random.default_rng(0), donors_like(grey, bits), chain_of(order[:-1])
    )
    assert (changed == 0).any(axis=(1, 2)).all()
    assert not labels[changed == 0].any()


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_bytes_inside_tf_data(threads):
    grey, bits = tiles(24, 32, 64)
    donors = donors_like(grey, bits)
    chain = chain_of(AUGMENTATIONS)

    def batch(number):
        rows = slice(4 * number, 4 * number + 4)
        rng = np.random.default_rng([5, number])
        return augment(grey[rows], bits[rows], rng, donors, chain)

    data = tf.data.Dataset.range(6).map(
        lambda number: tf.numpy_function(batch, [number], (tf.uint8, tf.uint8)),
        num_parallel_calls=threads,
    )
    options = tf.data.Options()
    options.threading.private_threadpool_size = threads
    for number, (image, labels) in enumerate(data.with_options(options)):
        eager = batch(number)
        assert image.numpy().tobytes() == eager[0].tobytes()
        assert labels.numpy().tobytes() == eager[1].tobytes()
    assert number == 5
