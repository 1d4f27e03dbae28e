"""From a fold and a tiling to batches on the device.

Grey uint8 and one bit per class travel: 2 bytes a pixel, not 28. The model expands them.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from steelexp.data.sampling import Sampler
from steelexp.data.strips import Bits, DataError, Strips
from steelexp.data.tiling import Tiles, up_to_32
from steelexp.lazy import tf

Tiling = Callable[[int, int, np.random.Generator], Tiles]
Table = npt.NDArray[np.int64]

_raised: list[Exception] = []  # by readers inside tf.data, which hands on an exception's text only


def tile_table(
    strips: Strips, rows: npt.NDArray[np.int64], tiling: Tiling, *, seed: int, epoch: int = 0
) -> tuple[Table, tuple[int, int]]:
    """All tiles of some strips.

    Args:
        strips: the data set.
        rows: [R] strip numbers.
        tiling: where to cut.
        seed: seed of the run; with the epoch and the strip it seeds random tilings.
        epoch: counted from 1; 0 for validation.

    Returns:
        [N, 3] strip, top, left; and the tiles' height and width.

    Raises:
        DataError: the strips' sizes lead to tiles of several sizes.
    """
    corners, sizes = [], {}
    for row in rows.tolist():
        height, width = strips.sizes[row].tolist()
        size, cut = tiling(height, width, tile_draw(seed, epoch, row))
        sizes[size] = strips.names[row]
        corners.append(np.insert(cut, 0, row, axis=1))
    if len(sizes) > 1:
        raise DataError(
            "tiling: strips of several sizes give tiles of several sizes, which cannot share a "
            f"batch: {sizes}; take tiling.kind=random_crops or cover with a fixed size"
        )
    return np.concatenate(corners), next(iter(sizes))


def tile_draw(seed: int, epoch: int, strip: int) -> np.random.Generator:
    """What a random tiling draws from: one generator for each run, epoch and strip."""
    return np.random.default_rng([seed, epoch, strip])


def tile_pixels(strips: Strips, table: Table, size: tuple[int, int]) -> Table:
    """Labelled pixels of each tile and class: [N, C]. Each strip is read once.

    Args:
        strips: the data set.
        table: [N, 3] strip, top, left; the tiles of a strip lie together.
        size: the tiles' height and width.
    """
    pixels = np.zeros((len(table), len(strips.classes)), np.int64)
    read, mask = -1, strips.mask(int(table[0, 0]))
    for i, (strip, top, left) in enumerate(table.tolist()):
        if strip != read:
            read, mask = strip, strips.mask(strip)
        tile = mask[top : top + size[0], left : left + size[1]]
        pixels[i] = [np.count_nonzero(tile & (1 << c)) for c in range(len(strips.classes))]
    return pixels


def training_batches(
    strips: Strips,
    rows: npt.NDArray[np.int64],
    tiling: Tiling,
    sampler: Sampler,
    *,
    batch_size: int,
    seed: int,
    epoch: int,
) -> Any:
    """One epoch: as many tiles as there are, drawn from the seed and the epoch.

    Returns:
        tf.data.Dataset of (grey [B, h, w, 1] uint8, bits [B, h, w, 1] uint8); the last batch may
        be smaller.
    """
    table, size = tile_table(strips, rows, tiling, seed=seed, epoch=epoch)
    draw = np.random.default_rng([seed, epoch])
    chances = sampler(lambda: tile_pixels(strips, table, size))
    if chances is None:
        draw.shuffle(table)
    else:
        table = table[draw.choice(len(table), len(table), p=chances)]
    return batches(strips, table, size, batch_size=batch_size)


def batches(strips: Strips, table: Table, size: tuple[int, int], *, batch_size: int) -> Any:
    """Tiles in the order of the table.

    Args:
        strips: the data set.
        table: [N, 3] strip, top, left.
        size: the tiles' height and width.
        batch_size: tiles a batch.

    Returns:
        tf.data.Dataset of (grey [B, h, w, 1] uint8, bits [B, h, w, 1] uint8). What reads it
        belongs inside `reading`.
    """

    def read(tile: Table) -> tuple[Any, Any]:
        try:
            grey, bits = read_tile(strips, tile, size)
        except Exception as error:
            _raised.append(error)
            raise
        return grey[..., None], bits[..., None]

    def load(tile: Any) -> tuple[Any, Any]:
        grey, bits = tf.numpy_function(read, [tile], (tf.uint8, tf.uint8))
        return tf.ensure_shape(grey, (*size, 1)), tf.ensure_shape(bits, (*size, 1))

    return (
        tf.data.Dataset.from_tensor_slices(table)
        .map(load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .batch(batch_size)
        .prefetch(2)
    )


@contextlib.contextmanager
def reading() -> Iterator[None]:
    """Inside it, what fails while a dataset of `batches` is read is raised as it was.

    TensorFlow would raise an error of its own, with the traceback in its text.

    Raises:
        DataError: an image or a mask cannot be read.
    """
    try:
        yield
    except Exception as error:
        text = str(error)
        for cause in _raised:
            if f"{type(cause).__name__}: {cause}" in text:
                raise cause from None
        raise
    finally:
        _raised.clear()


def whole_strips(
    strips: Strips, rows: npt.NDArray[np.int64], *, pixels: int
) -> Iterator[tuple[npt.NDArray[np.int64], Bits, Bits]]:
    """Whole strips, each continued by reflection to a multiple of 32.

    Neighbours of one size share a batch.

    Args:
        strips: the data set.
        rows: [R] strip numbers.
        pixels: at most so many a batch, the reflected ones included; at least one strip.

    Yields:
        (rows [B], grey [B, h, w, 1] uint8, bits [B, H, W, 1] uint8, unpadded).
    """
    for group in _groups_of_equal_size(strips, rows, pixels):
        height, width = strips.sizes[group[0]].tolist()
        padded = (up_to_32(height), up_to_32(width))
        read = [read_tile(strips, np.array([row, 0, 0]), padded) for row in group]
        yield (
            np.array(group),
            np.stack([grey for grey, _ in read])[..., None],
            np.stack([bits[:height, :width] for _, bits in read])[..., None],
        )


def read_tile(
    strips: Strips, tile: Table, size: tuple[int, int]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """One tile's grey and bits, each [h, w] uint8; reflected where it leaves the strip."""
    strip, top, left = (int(number) for number in tile)
    return (
        _crop(strips.image(strip), top, left, size),
        _crop(strips.mask(strip), top, left, size),
    )


def _crop(
    image: npt.NDArray[np.uint8], top: int, left: int, size: tuple[int, int]
) -> npt.NDArray[np.uint8]:
    below = max(top + size[0] - image.shape[0], 0)
    right = max(left + size[1] - image.shape[1], 0)
    if below or right:
        reflected = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REFLECT_101)
        image = reflected.astype(np.uint8, copy=False)
    return image[top : top + size[0], left : left + size[1]]


def _groups_of_equal_size(
    strips: Strips, rows: npt.NDArray[np.int64], pixels: int
) -> list[list[int]]:
    """The rows in their order, cut where the size changes or the batch is full."""
    groups: list[list[int]] = []
    for row in rows.tolist():
        height, width = strips.sizes[row].tolist()
        alike = bool(groups) and tuple(strips.sizes[groups[-1][0]]) == (height, width)
        each = up_to_32(height) * up_to_32(width)
        if alike and (len(groups[-1]) + 1) * each <= pixels:
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups
