import functools

import numpy as np
import pytest

from steelexp.data import pipeline
from steelexp.data.augment.geometry import shift
from steelexp.data.dataset import DataError
from steelexp.data.sampling import foreground, uniform
from steelexp.lazy import keras, tf
from tests.fakes import SyntheticDataset, columns_of, synthetic_dataset, tiny_tiling


def epoch_of(
    dataset, sampler=uniform, chain=(), *, seed=0, epoch=1, batch_size=2, threads=None, first=0
):
    """[N, h, w] greys of an epoch, in order."""
    data = pipeline.training_batches(
        dataset,
        np.arange(len(dataset)),
        tiny_tiling,
        sampler,
        chain,
        batch_size=batch_size,
        seed=seed,
        epoch=epoch,
    ).tf_dataset(first)
    if threads:
        options = tf.data.Options()
        options.threading.private_threadpool_size = threads
        data = data.with_options(options)
    return np.concatenate([grey.numpy()[..., 0] for grey, _ in data])


def test_a_tile_is_reflected_where_it_leaves_the_image():
    dataset = synthetic_dataset((3, 4))
    image = np.array([[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]], np.uint8)
    object.__setattr__(dataset, "image", lambda row: image)
    object.__setattr__(dataset, "read_mask", lambda row: image + 100)

    def read(top, left, size):
        grey, bits = pipeline.Batches(dataset, np.array([[0, top, left]]), size, 1).read(0)
        np.testing.assert_array_equal(bits, grey + 100)
        return grey[0, ..., 0].tolist()

    assert read(0, 1, (2, 2)) == [[1, 2], [5, 6]]
    assert read(1, 2, (2, 3)) == [[6, 7, 6], [10, 11, 10]]
    assert read(2, 0, (3, 2)) == [[8, 9], [4, 5], [0, 1]]
    assert read(2, 3, (2, 2)) == [[11, 10], [7, 6]]
    assert read(0, 0, (1, 9)) == [[0, 1, 2, 3, 2, 1, 0, 1, 2]]  # twice over the image's width
    assert read(0, 0, (3, 4)) == image.tolist()


def test_whole_images_are_batched_by_size_and_come_back_unpadded():
    sizes = [(32, 64)] * 3 + [(20, 40)] * 2 + [(32, 64)]
    dataset = synthetic_dataset(*sizes)
    batches = list(
        pipeline.image_batches(dataset, np.array([0, 1, 2, 3, 4, 5]), max_pixels=2 * 32 * 64)
    )
    assert [rows.tolist() for rows, _, _ in batches] == [[0, 1], [2], [3, 4], [5]]
    for rows, grey, bits in batches:
        height, width = sizes[rows[0]]
        assert grey.shape == (len(rows), 32, 64, 1)
        assert bits.shape == (len(rows), height, width, 1)
        assert grey.dtype == bits.dtype == np.uint8
        for i, row in enumerate(rows):
            image = columns_of(row, height, width)
            np.testing.assert_array_equal(grey[i, :height, :width, 0], image)
            np.testing.assert_array_equal(bits[i, ..., 0], image // 10)
            np.testing.assert_array_equal(
                grey[i, :height, width:, 0], image[:, -2 : width - 66 : -1]
            )


@pytest.mark.parametrize(
    ("pixels", "groups"),
    [(1, [[2], [0], [1]]), (2 * 32 * 64 - 1, [[2], [0], [1]]), (2 * 32 * 64, [[2, 0], [1]])],
)
def test_the_limit_counts_the_pixels_the_model_sees(pixels, groups):
    dataset = synthetic_dataset(*[(20, 40)] * 3)
    batches = pipeline.image_batches(dataset, np.array([2, 0, 1]), max_pixels=pixels)
    assert [rows.tolist() for rows, _, _ in batches] == groups


def test_whole_images_raise_what_reading_raises():
    dataset = synthetic_dataset((32, 32), (32, 32), names=["fine", "broken"])
    with pytest.raises(DataError, match=r"^broken\.jpg"):
        list(pipeline.image_batches(dataset, np.arange(2), max_pixels=1))


def test_batches_keep_the_tables_order():
    dataset = synthetic_dataset(*[(3, 4)] * 5)
    table = np.array([[4, 0, 0], [0, 1, 2], [2, 0, 1]])
    data = pipeline.Batches(dataset, table, (2, 3), 2).tf_dataset()
    assert int(data.cardinality()) == 2
    assert [spec.shape.as_list() for spec in data.element_spec] == [[None, 2, 3, 1]] * 2
    (first, first_bits), (last, last_bits) = data.as_numpy_iterator()
    assert first.dtype == first_bits.dtype == np.uint8
    assert first[..., 0].tolist() == [[[40, 41, 42]] * 2, [[2, 3, 2]] * 2]
    assert first_bits[..., 0].tolist() == [[[4, 4, 4]] * 2, [[0, 0, 0]] * 2]
    assert last[..., 0].tolist() == [[[21, 22, 23]] * 2]
    assert last_bits[..., 0].tolist() == [[[2, 2, 2]] * 2]


def test_an_epoch_holds_every_tile_once():
    dataset = synthetic_dataset(*[(3, 4)] * 7)
    greys = epoch_of(dataset)
    wanted = [
        row
        for s in range(7)
        for row in ([10 * s, 10 * s + 1, 10 * s + 2], [10 * s + 2, 10 * s + 3, 10 * s + 2])
    ]
    assert sorted(greys[:, 0].tolist()) == sorted(wanted)
    assert (greys[:, 0] == greys[:, 1]).all()


def test_tiles_are_shuffled_within_blocks_of_images(monkeypatch):
    monkeypatch.setattr(pipeline, "IMAGES_IN_MEMORY", 5)
    dataset = synthetic_dataset(*[(3, 4)] * 20)
    data = pipeline.training_batches(
        dataset, np.arange(20), tiny_tiling, uniform, batch_size=2, seed=0, epoch=1
    )
    blocks = data.table.reshape(4, 10, 3)  # of five images, two tiles each
    assert all(len(set(block[:, 0].tolist())) == 5 for block in blocks)
    assert sorted(data.table[:, 0].tolist()) == sorted([*range(20), *range(20)])
    apart = [np.flatnonzero(block[:, 0] == image) for block in blocks for image in block[:1, 0]]
    assert max(np.ptp(places) for places in apart) > 1  # and not image by image
    assert blocks[0, :, 0].max() > 5  # nor in the order of the images


def test_the_order_depends_on_seed_and_epoch_only():
    dataset = synthetic_dataset(*[(3, 4)] * 12)
    order = functools.partial(epoch_of, dataset)
    wanted = order()
    np.testing.assert_array_equal(order(threads=1), wanted)
    np.testing.assert_array_equal(order(threads=8), wanted)
    np.testing.assert_array_equal(order(batch_size=5), wanted)
    assert not np.array_equal(order(epoch=2), wanted)
    assert not np.array_equal(order(seed=1), wanted)


def test_an_epoch_goes_on_from_its_middle():
    dataset = synthetic_dataset(*[(3, 4)] * 12)
    wanted = epoch_of(dataset, foreground, [speckled], batch_size=5)
    for first in (1, 3, 4):
        rest = epoch_of(dataset, foreground, [speckled], batch_size=5, first=first)
        np.testing.assert_array_equal(rest, wanted[5 * first :])


def speckled(grey, bits, rng, donors):
    """An augmentation that adds random numbers."""
    return grey + rng.integers(0, 100, grey.shape, np.uint8), bits


def pasted(grey, bits, rng, donors):
    """An augmentation that shows a donor of the first class instead of the first tile."""
    batches = donors.tile(rng, 0)
    assert batches is not None
    return np.concatenate([batches[0][None], grey[1:]]), np.concatenate(
        [batches[1][None], bits[1:]]
    )


def test_augmented_epochs_are_the_same_on_any_number_of_threads():
    dataset = synthetic_dataset(*[(3, 4)] * 12)
    order = functools.partial(epoch_of, dataset, foreground, [pasted, speckled], batch_size=3)
    wanted = order(threads=1)
    np.testing.assert_array_equal(order(threads=2), wanted)
    np.testing.assert_array_equal(order(threads=8), wanted)
    plain = epoch_of(dataset, foreground, batch_size=3)
    assert not np.array_equal(wanted, plain)
    changes = epoch_of(dataset, foreground, [speckled], batch_size=3) - plain
    assert changes.max() < 100
    assert len({tile.tobytes() for tile in changes}) == len(changes)  # each tile its own


def test_donors_hold_the_class_they_are_asked_for():
    dataset = synthetic_dataset((3, 4), (3, 4), (3, 4))
    object.__setattr__(dataset, "pixels", np.array([[0], [12], [0]]))
    object.__setattr__(dataset, "read_mask", lambda image: np.ones((3, 4), np.uint8))
    greys = []

    def look(grey, bits, rng, donors):
        assert donors.classes == ("1",)
        greys.extend(donors.tile(rng, 0)[0][0, 0] for _ in range(20))
        return grey, bits

    epoch_of(dataset, chain=[look])
    assert set(greys) <= {10, 12}  # the two tiles of image 1 begin so


def test_what_an_augmentation_refuses_is_refused_before_training():
    with pytest.raises(DataError, match=r"augment\.shift\.pixels: 64 "):
        pipeline.check_augmentations(("1",), (64, 64), [functools.partial(shift, pixels=64)])
    pipeline.check_augmentations(("1",), (64, 64), [functools.partial(shift, pixels=32)])


def test_tensorflow_takes_the_tiles_without_a_copy():
    both = pipeline.Batches(synthetic_dataset((3, 4)), np.array([[0, 0, 0]]), (2, 3), 1).read(0)
    assert [part.ctypes.data % 64 for part in both] == [0, 0]


def test_clean_images_masks_are_not_read():
    dataset = synthetic_dataset((3, 4))
    object.__setattr__(dataset, "pixels", np.zeros((1, 1), np.int64))
    object.__setattr__(dataset, "read_mask", lambda image: pytest.fail("read"))
    assert not pipeline.Batches(dataset, np.array([[0, 0, 0]]), (2, 3), 1).read(0)[1].any()


def test_neighbours_in_a_table_share_one_reading(monkeypatch):
    read = []
    monkeypatch.setattr(
        SyntheticDataset, "image", lambda self, image: read.append(image) or columns_of(image, 3, 4)
    )
    table = np.array([[0, 0, 0], [0, 1, 2], [1, 0, 0], [0, 0, 0]])
    pipeline.Batches(synthetic_dataset((3, 4), (3, 4)), table, (2, 3), 4).read(0)
    assert read == [0, 1, 0]


def test_a_sampler_decides_how_often_a_tile_is_shown():
    dataset = synthetic_dataset(*[(3, 4)] * 20)
    chances = np.zeros(40)
    chances[[14, 15]] = 0.25, 0.75  # both tiles of image 7
    greys = epoch_of(dataset, lambda count: chances)
    assert len(greys) == 40
    first = (greys == columns_of(7, 2, 3)).all(axis=(1, 2))
    assert set(greys[:, 0, 0].tolist()) == {70, 72}
    assert 2 <= first.sum() <= 19  # 10 expected, 3 standard errors
    np.testing.assert_array_equal(epoch_of(dataset, lambda count: chances), greys)
    assert not np.array_equal(epoch_of(dataset, lambda count: chances, epoch=2), greys)


def one_weight():
    """A model that trains on anything, and reads every batch."""
    model = keras.Sequential([keras.layers.Conv2D(1, 1, input_shape=(2, 3, 1))])
    model.compile(loss="mse")
    return model


def consume(data):
    for _ in data:
        pass


@pytest.mark.parametrize("reader", ["iteration", "fit"])
def test_an_unreadable_image_reaches_the_user_as_it_was_raised(reader):
    dataset = synthetic_dataset(*[(3, 4)] * 4, names=["fine", "fine", "broken", "fine"])
    data = pipeline.training_batches(
        dataset, np.arange(4), tiny_tiling, uniform, batch_size=1, seed=0, epoch=1
    ).tf_dataset()
    with pytest.raises(DataError) as refused, pipeline.original_errors():
        consume(data) if reader == "iteration" else one_weight().fit(data, verbose=0)
    assert str(refused.value) == "broken.jpg: the image is broken: «é» 100% {x}\n... and 3 more"
    assert refused.value.__suppress_context__


def test_a_bug_in_a_reader_is_raised_as_it_was():
    dataset = synthetic_dataset((3, 4), names=["bug"])
    with pytest.raises(KeyError, match="a bug"), pipeline.original_errors():
        consume(pipeline.Batches(dataset, np.array([[0, 0, 0]]), (2, 3), 1).tf_dataset())


def test_other_errors_pass_even_after_an_unreadable_image():
    dataset = synthetic_dataset((3, 4), names=["broken"])
    data = pipeline.Batches(dataset, np.array([[0, 0, 0]]), (2, 3), 1).tf_dataset()

    def fail_again():
        with pytest.raises(tf.errors.OpError):
            consume(data)
        tf.reshape(tf.zeros(3), (2, 2))

    with pytest.raises(tf.errors.InvalidArgumentError), pipeline.original_errors():
        fail_again()


def test_nothing_is_remembered_from_one_reading_to_the_next():
    dataset = synthetic_dataset((3, 4), names=["broken"])
    with pipeline.original_errors(), pytest.raises(tf.errors.OpError) as first:
        consume(pipeline.Batches(dataset, np.array([[0, 0, 0]]), (2, 3), 1).tf_dataset())
    with pytest.raises(tf.errors.OpError), pipeline.original_errors():
        raise first.value
