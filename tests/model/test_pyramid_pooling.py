import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelexp.inference.export import FORMATS, export
from steelexp.lazy import keras, tf
from steelexp.model.pyramid_pooling import interpolate_bins, pool_bins
from tests.predictors import card


def test_bins_by_hand():
    # Five rows in two bins: rows 0 to 2 and 2 to 4, since the middle one is cut in half.
    column = tf.reshape([1.0, 2.0, 6.0, 7.0, 8.0], [1, 5, 1, 1])
    pooled = pool_bins(column, 2)
    assert pooled.shape == (1, 2, 2, 1)
    assert pooled.numpy()[0, :, 0, 0].tolist() == [3.0, 7.0]


def test_interpolation_by_hand():
    # The centres of two bins are at 1/4 and 3/4 of the height.
    bins = tf.reshape([0.0, 0.0, 4.0, 4.0], [1, 2, 2, 1])
    large = interpolate_bins(bins, tf.zeros([1, 4, 2, 7]))
    assert large.numpy()[0, :, 0, 0].tolist() == [0.0, 1.0, 3.0, 4.0]


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(1, 20),
    width=st.integers(1, 50),
    bins=st.sampled_from([1, 2, 3, 6]),
    seed=st.integers(0, 99),
)
def test_bins_are_means_of_their_parts(height, width, bins, seed):
    image = np.random.default_rng(seed).random((2, height, width, 3), np.float32)
    pooled = pool_bins(tf.constant(image), bins).numpy()
    for i in range(bins):
        for j in range(bins):
            rows = slice(i * height // bins, -((i + 1) * -height // bins))
            columns = slice(j * width // bins, -((j + 1) * -width // bins))
            expected = image[:, rows, columns].mean((1, 2))
            np.testing.assert_allclose(pooled[:, i, j], expected, atol=1e-5)


@pytest.mark.parametrize("size", [(4, 4), (6, 18), (7, 50)])
def test_interpolation_is_that_of_tensorflow(size):
    bins = np.random.default_rng(0).random((2, 6, 6, 5), np.float32)
    large = interpolate_bins(tf.constant(bins), tf.zeros([2, *size, 1]))
    np.testing.assert_allclose(large, tf.image.resize(bins, size), atol=1e-5)


@pytest.mark.parametrize("form", list(FORMATS))
def test_exports_pool_maps_of_any_size(tmp_path, form):
    image = keras.Input((None, None, 1), dtype="uint8")

    def logits(grey):
        features = tf.cast(tf.repeat(grey, 2, axis=-1), tf.float32) / 40
        return interpolate_bins(pool_bins(features, 6), features) - 3

    model = keras.Model(image, keras.layers.Lambda(logits)(image))
    draw = np.random.default_rng(0)
    images = [draw.integers(0, 256, size, np.uint8) for size in ((4, 50), (40, 64), (32, 32))]
    assert export(model, card(), form, tmp_path / form, images).largest <= 1e-5
