"""Masks of a few pixels, and random ones, for the tests of the losses."""

import numpy as np

from steelexp.lazy import tf

CERTAIN = 50.0
"""A logit whose sigmoid is 1 in float32; that of its negative is 2e-22."""

# Two tiles of 2 x 2 pixels and two classes; rows of (truth, prediction).
TILES = [
    # class 0: 1 pixel of 2 found; class 1: empty, 1 false pixel
    [([[1, 1], [0, 0]], [[1, 0], [0, 0]]), ([[0, 0], [0, 0]], [[0, 0], [1, 0]])],
    # class 0: all 4 found; class 1: 1 pixel, missed
    [([[1, 1], [1, 1]], [[1, 1], [1, 1]]), ([[1, 0], [0, 0]], [[0, 0], [0, 0]])],
]


def tensors(tiles):
    """(y_true, logits), [B, h, w, C], of a prediction that is certain everywhere."""
    pairs = np.array(tiles, np.float32).transpose(2, 0, 3, 4, 1)
    return tf.constant(pairs[0]), tf.constant((2 * pairs[1] - 1) * CERTAIN)


def row(values):
    """The pixels of one class of one tile, [1, 1, N, 1]."""
    return tf.reshape(tf.constant(values, tf.float32), (1, 1, -1, 1))


def random_batch(seed=0, shape=(3, 8, 16, 4), spread=4.0):
    """(y_true, logits); class 1 is empty in the first tile."""
    draw = np.random.default_rng(seed)
    y = (draw.random(shape) < 0.2).astype(np.float32)
    y[0, ..., 1:2] = 0
    return y, draw.normal(0, spread, shape).astype(np.float32)


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits.astype(np.float64)))


def cross_entropy(y, logits):
    """[B, h, w, C]."""
    p = sigmoid(logits)
    return -(y * np.log(p) + (1 - y) * np.log(1 - p))
