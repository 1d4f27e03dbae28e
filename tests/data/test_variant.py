import numpy as np
import pytest

from steelexp.data.dataset import DataError
from steelexp.data.splits.split import Split
from steelexp.data.variant import first_of_each_group, long_tailed, select
from tests.fakes import dataset_of, labelled

GROUPS = np.array([0, 0, 1, 2, 2, 3, 4, 5])
#                  classes 1 and 2 on eight images of six surfaces
STRIPS = labelled([[1, 0], [1, 0], [1, 0], [0, 1], [0, 1], [0, 1], [0, 0], [1, 1]])


NONE = np.empty(0, np.int64)


def rows(keep=None, seed=0, train=range(8)):
    split = Split(np.array(train), NONE, NONE)
    return long_tailed(STRIPS, GROUPS, split, keep or {}, seed=seed).train.tolist()


def test_everything_by_default():
    assert rows() == list(range(8))


def test_one_copy_of_each_surface_is_its_first():
    assert first_of_each_group(GROUPS).tolist() == [0, 2, 3, 5, 6, 7]
    assert first_of_each_group(np.array([0, 1, 0, 2, 1])).tolist() == [0, 1, 3]


def test_only_training_is_thinned():
    split = Split(np.array([0, 1, 2, 6]), np.array([3, 4]), np.array([5, 7]))
    left = long_tailed(STRIPS, GROUPS, split, {"1": 0.0, "2": 0.0}, seed=0)
    assert left.train.tolist() == [6]
    assert left.val.tolist() == [3, 4]
    assert left.test.tolist() == [5, 7]


def test_a_share_is_of_the_training_images():
    # Of class 1 surfaces 0 and 1 train, surface 5 does not: half of two, not of three, is left.
    left = rows(keep={"1": 0.5}, train=[0, 1, 2, 6])
    assert len({GROUPS[row] for row in left if STRIPS.pixels[row, 0]}) == 1


@pytest.mark.parametrize("seed", range(10))
def test_a_share_is_of_the_groups_that_hold_the_class(seed):
    left = rows(keep={"1": 0.34}, seed=seed)  # surfaces 0, 1 and 5 hold it: one is left
    assert len({GROUPS[row] for row in left if STRIPS.pixels[row, 0]}) == 1
    assert {3, 4, 5, 6} <= set(left)  # what does not hold it stays
    assert (0 in left) == (1 in left)  # copies go together


@pytest.mark.parametrize("seed", range(10))
def test_no_class_ends_above_its_share(seed):
    left = rows(keep={"1": 0.67, "2": 0.34}, seed=seed)
    assert len({GROUPS[row] for row in left if STRIPS.pixels[row, 0]}) <= 2
    assert len({GROUPS[row] for row in left if STRIPS.pixels[row, 1]}) <= 1


def test_depends_on_the_seed_only():
    assert len({tuple(rows(keep={"1": 0.34}, seed=seed)) for seed in [*range(20), 0]}) == 3


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        ({"3": 0.5, "x": 1.0}, r"data\.train_fraction: there is no class 3, x; classes: 1, 2"),
        ({"1": 0.0, "2": 0.0}, None),
    ],
)
def test_what_cannot_be_kept(keep, message):
    if message is None:
        assert rows(keep=keep) == [6]  # the clean image
        with pytest.raises(DataError, match="no image is left to train on"):
            rows(keep=keep, train=[0])
    else:
        with pytest.raises(DataError, match=message):
            rows(keep=keep)


def test_a_selection_reads_its_images(tmp_path):
    images = [np.full((2, 3), 10 * i, np.uint8) for i in range(4)]
    masks = [np.full((2, 3), i % 2, np.uint8) for i in range(4)]
    whole = dataset_of(tmp_path, images, masks, ["1"])
    some = select(whole, np.array([1, 3]))
    assert some.names == ("1.png", "3.png")
    assert [some.image(i)[0, 0] for i in range(2)] == [10, 30]
    assert some.mask(1).tolist() == masks[3].tolist()
    assert some.read_mask(0).tolist() == masks[1].tolist()
    assert some.pixels.tolist() == [[6], [6]]
    assert some.labelled == [True, True]
    assert some.manifest != whole.manifest
    assert some.manifest == select(whole, np.array([1, 3])).manifest
    assert select(whole, np.arange(4)) is whole
