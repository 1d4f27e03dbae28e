"""From a fold and a tiling to batches on the device.

Grey uint8 and one bit per class travel: 2 bytes a pixel, not 28. The model expands them.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from steelexp.cores import available_cores
from steelexp.data.augment import Augmentation, Donors, augment
from steelexp.data.cache import RECENT
from steelexp.data.dataset import Bits, Dataset
from steelexp.data.sampling import Sampler
from steelexp.data.tiles import Pixels, Table, Tiling, cut, tile_pixels, tile_table
from steelexp.data.tiling import up_to_32
from steelexp.lazy import tf

Change = Callable[[int, Pixels, Pixels], tuple[Pixels, Pixels]]
"""(step, grey, bits), each [B, h, w] -> the same, augmented."""

# What an epoch draws, each from a stream of its own: default_rng([seed, stream, epoch, ...]).
# tiles.CORNERS is another.
_ORDER, _CHANGES = 2, 3

_ALIGNMENT = 64  # bytes; TensorFlow copies an array that does not begin at a multiple

_raised: list[Exception] = []  # by readers inside tf.data, which hands on an exception's text only


@dataclass(frozen=True)
class Batches:
    """Tiles in the order of a table, a batch at a time.

    Attributes:
        dataset: the data set.
        table: [N, 3] image, top, left.
        size: the tiles' height and width.
        batch_size: tiles a batch; the last one may be smaller.
        change: what is done to a batch.
    """

    dataset: Dataset
    table: Table
    size: tuple[int, int]
    batch_size: int
    change: Change | None = None

    def __len__(self) -> int:
        return -(-len(self.table) // self.batch_size)

    def read(self, step: int) -> Pixels:
        """One batch, [2, B, h, w, 1] uint8: grey and bits."""
        rows = self.table[step * self.batch_size : (step + 1) * self.batch_size]
        both = _empty((2, len(rows), *self.size))
        cut(self.dataset, rows, grey=both[0], bits=both[1])
        if self.change is not None:
            both[0], both[1] = self.change(step, both[0], both[1])
        return both[..., None]

    def tf_dataset(self, first: int = 0) -> Any:
        """The batches from step `first` on.

        Returns:
            tf.data.Dataset of (grey [B, h, w, 1] uint8, bits [B, h, w, 1] uint8). What reads it
            belongs inside `reading`.
        """

        def read(step: np.int64) -> Pixels:
            try:
                return self.read(int(step))
            except Exception as error:
                _raised.append(error)
                raise

        def load(step: Any) -> tuple[Any, Any]:
            both = tf.numpy_function(read, [step], tf.uint8)
            both = tf.ensure_shape(both, (2, None, *self.size, 1))
            return both[0], both[1]

        # With autotuning on, the end of an epoch waits for the autotuner's thread, which sleeps for
        # up to 20 s at a time.
        options = tf.data.Options()
        options.autotune.enabled = False
        return (
            tf.data.Dataset.range(first, len(self))
            .map(load, num_parallel_calls=available_cores(), deterministic=True)
            .prefetch(2)
            .with_options(options)
        )


def training_batches(
    dataset: Dataset,
    rows: npt.NDArray[np.int64],
    tiling: Tiling,
    sampler: Sampler,
    chain: Sequence[Augmentation] = (),
    *,
    batch_size: int,
    seed: int,
    epoch: int,
) -> Batches:
    """One epoch: as many tiles as there are, drawn from the seed and the epoch.

    Order and content depend on the seed and the epoch only, whatever the threads, so an epoch can
    go on from its middle.

    Args:
        dataset: the data set.
        rows: [R] images that train.
        tiling: where to cut.
        sampler: how often a tile is drawn.
        chain: augmentations, in their order.
        batch_size: tiles a batch.
        seed: seed of the run.
        epoch: counted from 1.
    """
    table, size = tile_table(dataset, rows, tiling, seed=seed, epoch=epoch)
    count = functools.cache(lambda: tile_pixels(dataset, table, size))
    chances = sampler(count)
    draw = np.random.default_rng([seed, _ORDER, epoch])
    every = np.arange(len(table))
    drawn = every if chances is None else draw.choice(every, len(table), p=chances)
    order = drawn[_shuffled(table[drawn, 0], draw)]
    donors = Donors(dataset.classes, _tiles_by_class(dataset, table, size, count))

    def change(step: int, grey: Pixels, bits: Pixels) -> tuple[Pixels, Pixels]:
        rng = np.random.default_rng([seed, _CHANGES, epoch, step])
        return augment(grey, bits, rng, donors, chain)

    return Batches(dataset, table[order], size, batch_size, change if chain else None)


def _shuffled(images: Table, draw: np.random.Generator) -> Table:
    """An order of tiles in which those of an image are near one another.

    The images are shuffled and taken in blocks of 256, and the tiles of a block are shuffled: what
    decodes images at every use, or reads them from a slow disk, does so once an epoch.

    Args:
        images: [N] image of each tile.
        draw: the source of every choice.
    """
    numbers, place = np.unique(images, return_inverse=True)
    block = draw.permutation(len(numbers))[place.ravel()] // RECENT  # [N]
    return np.asarray(np.lexsort((draw.random(len(images)), block)))


def try_out(classes: tuple[str, ...], size: tuple[int, int], chain: Sequence[Augmentation]) -> None:
    """Apply a chain to one empty tile, so that what it refuses is refused before training.

    Raises:
        DataError: a setting does not fit the data set's classes or the tiles' size.
    """
    blank = np.zeros((1, *size), np.uint8)
    augment(blank, blank, np.random.default_rng(0), Donors(classes, lambda draw, c: None), chain)


@contextlib.contextmanager
def reading() -> Iterator[None]:
    """Inside it, what fails while the dataset of `Batches` is read is raised as it was.

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


def whole_images(
    dataset: Dataset, rows: npt.NDArray[np.int64], *, pixels: int
) -> Iterator[tuple[npt.NDArray[np.int64], Bits, Bits]]:
    """Whole images, each continued by reflection to a multiple of 32.

    Neighbours of one size share a batch.

    Args:
        dataset: the data set.
        rows: [R] image numbers.
        pixels: at most so many a batch, the reflected ones included; at least one image.

    Yields:
        (rows [B], grey [B, h, w, 1] uint8, bits [B, H, W, 1] uint8, unpadded).
    """
    for group in _groups_of_equal_size(dataset, rows, pixels):
        height, width = dataset.sizes[group[0]].tolist()
        padded = (up_to_32(height), up_to_32(width))
        table = np.array([[row, 0, 0] for row in group])
        grey, bits = Batches(dataset, table, padded, len(group)).read(0)
        yield np.array(group), grey, bits[:, :height, :width]


def _tiles_by_class(
    dataset: Dataset, table: Table, size: tuple[int, int], count: Callable[[], Table]
) -> Callable[[np.random.Generator, int], tuple[Pixels, Pixels] | None]:
    """A function that reads a drawn tile that holds a class."""

    def tile(draw: np.random.Generator, class_number: int) -> tuple[Pixels, Pixels] | None:
        holders = np.flatnonzero(count()[:, class_number])
        if not len(holders):
            return None
        grey, bits = Batches(dataset, table[draw.choice(holders, 1)], size, 1).read(0)
        return grey[0, ..., 0], bits[0, ..., 0]

    return tile


def _empty(shape: tuple[int, ...]) -> Pixels:
    """An array that TensorFlow takes over as it is, without a copy."""
    size = int(np.prod(shape))
    room = np.empty(size + _ALIGNMENT, np.uint8)
    start = -room.ctypes.data % _ALIGNMENT
    return room[start : start + size].reshape(shape)


def _groups_of_equal_size(
    dataset: Dataset, rows: npt.NDArray[np.int64], pixels: int
) -> list[list[int]]:
    """The rows in their order, cut where the size changes or the batch is full."""
    groups: list[list[int]] = []
    for row in rows.tolist():
        height, width = dataset.sizes[row].tolist()
        alike = bool(groups) and tuple(dataset.sizes[groups[-1][0]]) == (height, width)
        each = up_to_32(height) * up_to_32(width)
        if alike and (len(groups[-1]) + 1) * each <= pixels:
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups
