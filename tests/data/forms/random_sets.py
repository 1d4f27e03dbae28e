"""Small data sets of random masks, for the tests of the label forms."""

from pathlib import Path

import cv2
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from steelexp.checksum import hash_bytes
from steelexp.data.dataset import Dataset


def make_dataset(folder: Path, masks, classes=("a", "b"), has_ignore=False, names=None):
    """A data set in memory, with image files in `folder`; masks are [H, W] of bits."""
    names = names or [f"{row}.png" for row in range(len(masks))]
    for row, (name, mask) in enumerate(zip(names, masks, strict=True)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        grey = np.random.default_rng(row).integers(0, 256, mask.shape, np.uint8)
        cv2.imwrite(str(folder / name), grey)
    ignored = 1 << len(classes)
    counts = [
        [np.count_nonzero((mask >> c & 1) & (mask < ignored)) for c in range(len(classes))]
        for mask in masks
    ]
    return Dataset(
        names=tuple(names),
        paths=tuple(folder / name for name in names),
        sizes=np.array([mask.shape for mask in masks], np.int32),
        classes=classes,
        pixels=np.array(counts, np.int64).reshape(-1, len(classes)),
        read_mask=lambda row: masks[row],
        image_hashes=tuple(hash_bytes((folder / name).read_bytes()) for name in names),
        label_hashes=tuple(hash_bytes(mask.tobytes()) for mask in masks),
        has_ignore=has_ignore,
    )


@st.composite
def random_masks(draw, values=(0, 1, 2, 3), count=2):
    """Masks of up to 12 x 12 pixels; every pixel has one of the values."""
    masks = []
    for _ in range(count):
        shape = (draw(st.integers(1, 12)), draw(st.integers(1, 12)))
        indices = draw(arrays(np.uint8, shape, elements=st.integers(0, len(values) - 1)))
        masks.append(np.array(values, np.uint8)[indices])
    return masks


def assert_same(read: Dataset, source: Dataset):
    """Names, sizes, classes, pixels and every mask are the source's; the images are copies."""
    assert (read.names, read.classes) == (source.names, source.classes)
    assert read.has_ignore == source.has_ignore
    np.testing.assert_array_equal(read.sizes, source.sizes)
    np.testing.assert_array_equal(read.pixels, source.pixels)
    for row in range(len(source)):
        np.testing.assert_array_equal(read.mask(row), source.mask(row))
        assert read.paths[row].read_bytes() == source.paths[row].read_bytes()
