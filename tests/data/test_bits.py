import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from steelexp.data.bits import for_opencv, pack_bits, word_of


@pytest.mark.parametrize(
    ("bits", "word"),
    [
        (1, np.uint8),
        (8, np.uint8),
        (9, np.uint16),
        (16, np.uint16),
        (17, np.uint32),
        (32, np.uint32),
    ],
)
def test_a_mask_takes_the_narrowest_word(bits, word):
    assert word_of(bits) is word


def test_more_bits_are_a_mistake():
    with pytest.raises(ValueError, match="33 bits: a mask has at most 32"):
        word_of(33)


@given(data=st.data(), classes=st.integers(1, 32))
def test_masks_are_packed_into_bits(data, classes):
    masks = data.draw(arrays(bool, (2, 3, classes)))
    bits = pack_bits(masks)
    assert bits.dtype == word_of(classes)
    assert bits.shape == (2, 3)
    for c in range(classes):
        assert (bits >> c & 1 == 1).tolist() == masks[..., c].tolist()


def test_opencv_moves_the_same_memory():
    bits = np.array([[1 << 31, 5]], np.uint32)
    assert np.shares_memory(for_opencv(bits), bits)
    assert for_opencv(bits).astype(np.uint32).tolist() == bits.tolist()
