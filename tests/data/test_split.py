import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelexp.data.split import SPLITS, random, same
from steelexp.data.strips import DataError

SHARES = st.floats(0, 1, exclude_min=True, exclude_max=True)


@pytest.mark.parametrize(
    ("strips", "share", "judged"),
    [(6666, 0.15, 1000), (12568, 0.15, 1885), (20, 0.15, 3), (10, 0.5, 5), (2, 0.15, 1)],
)
def test_sizes_by_hand(strips, share, judged):
    fold = random(strips, validation=share)
    assert (len(fold.train), len(fold.validation)) == (strips - judged, judged)


@given(st.integers(2, 300), SHARES, st.integers(0, 2**40))
def test_each_strip_is_on_one_side_and_no_side_is_empty(strips, share, seed):
    train, validation = random(strips, validation=share, seed=seed)
    assert sorted([*train, *validation]) == list(range(strips))
    assert len(train) >= 1
    assert len(validation) >= 1
    assert abs(len(validation) - share * strips) <= 1
    for rows in (train, validation):
        assert rows.dtype == np.int64
        assert (np.diff(rows) > 0).all()


@given(st.integers(2, 300), SHARES, st.integers(0, 2**40))
def test_the_seed_decides(strips, share, seed):
    one, other = (random(strips, validation=share, seed=seed) for _ in range(2))
    np.testing.assert_array_equal(one.train, other.train)
    np.testing.assert_array_equal(one.validation, other.validation)


def test_other_seeds_split_otherwise():
    assert len({tuple(random(100, seed=seed).validation) for seed in range(5)}) == 5


def test_every_strip_is_as_likely_to_judge():
    judged = np.zeros(20)
    for seed in range(2000):
        judged[random(20, seed=seed).validation] += 1
    assert judged / 2000 == pytest.approx(np.full(20, 3 / 20), abs=0.035)  # 4 standard errors


def test_the_published_split_is_what_it_was():
    """The run folder's name rests on it: a change here gives other scores under the same name."""
    assert random(20).validation.tolist() == [9, 14, 15]


@pytest.mark.parametrize("strips", [0, 1])
def test_one_strip_cannot_be_split(strips):
    with pytest.raises(DataError) as refused:
        random(strips)
    assert str(refused.value) == (
        f"split.kind: random needs at least 2 strips, the data set has {strips}"
    )


def test_same_trains_and_judges_on_all():
    fold = same(3)
    assert fold.train.tolist() == fold.validation.tolist() == [0, 1, 2]


def test_names_in_a_spec():
    assert {"random": random, "same": same} == SPLITS
