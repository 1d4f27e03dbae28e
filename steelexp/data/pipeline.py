"""Input pipeline: from a split and a tiling to batches of tiles, and batches of whole images.

A pixel takes 2 bytes: its grey value, and its classes as bits (bit c is set where class c is). With
over 8 bits it takes 3 or 5. The model expands them to floats on the device.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.cores import available_cores
from steelexp.data.augment import Augmentation, Donors, augment
from steelexp.data.bits import Bits, Word
from steelexp.data.cache import IMAGES_IN_MEMORY
from steelexp.data.dataset import Dataset
from steelexp.data.sampling import Sampler
from steelexp.data.tiles import Pixels, Table, Tiling, cut_tiles, tile_pixels, tile_table
from steelexp.data.tiling import up_to_32
from steelexp.lazy import tf

Transform = Callable[[int, Pixels, Bits], tuple[Pixels, Bits]]
"""(step, grey [B, h, w], bits [B, h, w]) -> augmented grey and bits."""

Reading = Callable[[int], contextlib.AbstractContextManager[None]]

# Random streams of an epoch: default_rng([seed, stream, epoch, ...]). Stream 1 is tiles.CORNERS.
_ORDER = 2
_AUGMENTATION = 3
_PSEUDO_LABELS = 4

_ALIGNMENT = 64  # bytes; TensorFlow copies arrays whose address is not a multiple

_reader_errors: list[Exception] = []  # raised inside tf.data; it passes on only their text


class PseudoLabelled(NamedTuple):
    """Images with pseudo-labels, from which some tiles of an epoch are cut.

    Attributes:
        rows: [M] rows of these images in the data set.
        share: Share of the tiles, between 0 and 1.
    """

    rows: npt.NDArray[np.int64]
    share: float


@dataclass(frozen=True)
class Batches:
    """Batches of tiles, in the order of a table.

    Attributes:
        dataset: Data set.
        table: [N, 3] image row in the data set, top and left in pixels of each tile.
        size: Height and width of a tile in pixels.
        batch_size: Tiles per batch; the last batch may be smaller.
        transform: Augmentation of a batch; None for no augmentation.
    """

    dataset: Dataset
    table: Table
    size: tuple[int, int]
    batch_size: int
    transform: Transform | None = None

    def __len__(self) -> int:
        return -(-len(self.table) // self.batch_size)

    def read(self, step: int) -> tuple[Pixels, Bits]:
        """Read one batch: grey [B, h, w, 1] uint8, bits [B, h, w, 1] of the data set's word."""
        rows = self.table[step * self.batch_size : (step + 1) * self.batch_size]
        shape = (len(rows), *self.size)
        grey = _aligned_empty(shape, np.uint8)
        bits = _aligned_empty(shape, self.dataset.word)
        cut_tiles(self.dataset, rows, grey=grey, bits=bits)
        if self.transform is not None:
            grey[:], bits[:] = self.transform(step, grey, bits)
        return grey[..., None], bits[..., None]

    def tf_dataset(
        self, first: int = 0, *, reading: Reading = lambda step: contextlib.nullcontext()
    ) -> Any:
        """The batches from step `first` on.

        Args:
            first: First step.
            reading: Context in which the batch of a step is read.

        Returns:
            tf.data.Dataset of (grey [B, h, w, 1] uint8, bits [B, h, w, 1]). Iterate over it inside
            `original_errors`.
        """

        def read(step: np.int64) -> tuple[Pixels, Bits]:
            try:
                with reading(int(step)):
                    return self.read(int(step))
            except Exception as error:
                _reader_errors.append(error)
                raise

        def load(step: Any) -> tuple[Any, Any]:
            batch = tf.numpy_function(read, [step], [tf.uint8, tf.as_dtype(self.dataset.word)])
            grey, bits = (tf.ensure_shape(part, (None, *self.size, 1)) for part in batch)
            return grey, bits

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
    augmentations: Sequence[Augmentation] = (),
    *,
    batch_size: int,
    seed: int,
    epoch: int,
    pseudo_labelled: PseudoLabelled | None = None,
) -> Batches:
    """The batches of one epoch. Whatever the sampler, the number of tiles is that of the tiling.

    Images with pseudo-labels take the place of some tiles. Sampler and copy-paste look at the other
    images only.

    Order and content depend on the seed and the epoch only, not on threads. An interrupted epoch
    can therefore resume at any step.

    Args:
        dataset: Data set.
        rows: [R] rows of the training images.
        tiling: Tiling of one image.
        sampler: Function from the labelled pixels of the tiles to their probabilities.
        augmentations: Augmentations in the order of application.
        batch_size: Tiles per batch.
        seed: Seed of the run.
        epoch: Epoch from 1.
        pseudo_labelled: Images with pseudo-labels; None without such.
    """
    table, size = tile_table(dataset, rows, tiling, seed=seed, epoch=epoch)
    count_pixels = functools.cache(lambda: tile_pixels(dataset, table, size))
    probabilities = sampler(count_pixels)
    rng = np.random.default_rng([seed, _ORDER, epoch])
    others = 0 if pseudo_labelled is None else share_of_tiles(pseudo_labelled.share, len(table))
    tiles: Table = np.arange(len(table))
    if probabilities is not None:
        tiles = rng.choice(tiles, len(table) - others, p=probabilities)
    elif others:
        tiles = rng.choice(tiles, len(table) - others, replace=False)
    drawn = table[tiles]
    if pseudo_labelled is not None:
        more = _pseudo_labelled_tiles(
            dataset, pseudo_labelled.rows, tiling, count=others, seed=seed, epoch=epoch
        )
        drawn = np.concatenate([drawn, more])
    drawn = drawn[_shuffle(drawn[:, 0], rng)]
    donors = Donors(dataset.classes, _random_tile_reader(dataset, table, size, count_pixels))

    def transform(step: int, grey: Pixels, bits: Bits) -> tuple[Pixels, Bits]:
        rng = np.random.default_rng([seed, _AUGMENTATION, epoch, step])
        return augment(grey, bits, rng, donors, augmentations)

    return Batches(dataset, drawn, size, batch_size, transform if augmentations else None)


def share_of_tiles(share: float, tiles: int) -> int:
    """Number of an epoch's tiles with pseudo-labels: one at least, and not all.

    Args:
        share: Share of the tiles.
        tiles: Number of tiles, two at least.
    """
    return min(max(round(share * tiles), 1), tiles - 1)


def _pseudo_labelled_tiles(
    dataset: Dataset,
    rows: npt.NDArray[np.int64],
    tiling: Tiling,
    *,
    count: int,
    seed: int,
    epoch: int,
) -> Table:
    """Tiles of images with pseudo-labels: [count, 3]. Each epoch draws other images.

    Only the images that are drawn are tiled, since there may be many more of them than tiles. Where
    all their tiles are too few, they are repeated.
    """
    rng = np.random.default_rng([seed, _PSEUDO_LABELS, epoch])
    pieces: list[Table] = []
    for row in rng.permutation(rows)[:count]:
        pieces.append(tile_table(dataset, np.array([row]), tiling, seed=seed, epoch=epoch)[0])
        if sum(map(len, pieces)) >= count:
            break
    return np.resize(np.concatenate(pieces), (count, 3))


def _shuffle(image_rows: Table, rng: np.random.Generator) -> Table:
    """Random order of tiles that keeps the tiles of an image close to one another.

    Images are shuffled and divided into blocks of 256; the tiles of a block are shuffled. The
    256 images fit into memory. Each is decoded only once an epoch, even without a cache.

    Args:
        image_rows: [N] row of each tile's image in the data set.
        rng: Random generator.
    """
    rows, position = np.unique(image_rows, return_inverse=True)
    block = rng.permutation(len(rows))[position.ravel()] // IMAGES_IN_MEMORY  # [N]
    return np.asarray(np.lexsort((rng.random(len(image_rows)), block)))


def check_augmentations(
    classes: tuple[str, ...], size: tuple[int, int], augmentations: Sequence[Augmentation]
) -> None:
    """Apply augmentations to an empty tile, to raise their errors before training.

    Raises:
        DataError: A setting does not fit the classes of the data set or the size of the tiles.
    """
    blank = np.zeros((1, *size), np.uint8)
    augment(
        blank,
        blank,
        np.random.default_rng(0),
        Donors(classes, lambda rng, class_number: None),
        augmentations,
    )


@contextlib.contextmanager
def original_errors() -> Iterator[None]:
    """Raise the original error of a reader inside tf.data instead of TensorFlow's.

    TensorFlow's error has only the text of the original one, with a traceback in it.

    Raises:
        DataError: An image or a mask cannot be read.
    """
    try:
        yield
    except Exception as error:
        text = str(error)
        for cause in _reader_errors:
            if f"{type(cause).__name__}: {cause}" in text:
                raise cause from None
        raise
    finally:
        _reader_errors.clear()


def image_batches(
    dataset: Dataset, rows: npt.NDArray[np.int64], *, max_pixels: int
) -> Iterator[tuple[npt.NDArray[np.int64], Bits, Bits]]:
    """Batches of whole images, padded by reflection to a multiple of 32 pixels.

    Consecutive images of equal size share a batch.

    Args:
        dataset: Data set.
        rows: [R] rows of the images.
        max_pixels: Maximum number of pixels per batch, with padding. A batch has at least one
            image.

    Yields:
        (rows [B], padded grey [B, h, w, 1] uint8, bits without padding [B, H, W, 1]).
    """
    for group in _groups_of_equal_size(dataset, rows, max_pixels):
        height, width = dataset.sizes[group[0]].tolist()
        padded = (up_to_32(height), up_to_32(width))
        table = np.array([[row, 0, 0] for row in group])
        grey, bits = Batches(dataset, table, padded, len(group)).read(0)
        yield np.array(group), grey, bits[:, :height, :width]


def _random_tile_reader(
    dataset: Dataset, table: Table, size: tuple[int, int], count_pixels: Callable[[], Table]
) -> Callable[[np.random.Generator, int], tuple[Pixels, Bits] | None]:
    """Reader of random tiles: (random generator, class number) -> grey and bits, [h, w].

    The reader returns None if no tile has the class.
    """

    def tile(rng: np.random.Generator, class_number: int) -> tuple[Pixels, Bits] | None:
        tiles_with_class = np.flatnonzero(count_pixels()[:, class_number])
        if not len(tiles_with_class):
            return None
        grey, bits = Batches(dataset, table[rng.choice(tiles_with_class, 1)], size, 1).read(0)
        return grey[0, ..., 0], bits[0, ..., 0]

    return tile


def _aligned_empty(shape: tuple[int, ...], word: Word) -> npt.NDArray[Any]:
    """Uninitialised array, aligned so that TensorFlow takes it over without a copy."""
    size = int(np.prod(shape)) * np.dtype(word).itemsize
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + size].view(word).reshape(shape)


def _groups_of_equal_size(
    dataset: Dataset, rows: npt.NDArray[np.int64], pixels: int
) -> list[list[int]]:
    """Divide the rows into batches: a new one where the size changes or the batch is full."""
    groups: list[list[int]] = []
    for row in rows.tolist():
        height, width = dataset.sizes[row].tolist()
        same_size = bool(groups) and tuple(dataset.sizes[groups[-1][0]]) == (height, width)
        padded = up_to_32(height) * up_to_32(width)
        if same_size and (len(groups[-1]) + 1) * padded <= pixels:
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups
