"""Means over a grid of bins, and back to the size before, for maps of any size.

Both are products with two small matrices that follow from the size. These operations export to
ONNX, SavedModel and TFLite with unknown sizes, and XLA compiles their gradients.
"""

from steelexp.lazy import Tensor, tf


def pool_bins(tensor: Tensor, bins: int) -> Tensor:
    """Means over bins x bins parts of a map.

    Bin i of n covers the rows from floor(i h / n) to ceil((i + 1) h / n), as in PyTorch's
    AdaptiveAvgPool2d. Neighbours share a row where n does not divide h.

    Args:
        tensor: [B, h, w, C], C known.
        bins: Number n of bins along each side.

    Returns:
        [B, bins, bins, C], in the precision of the tensor.
    """
    means = [tf.cast(_bin_means(tf.shape(tensor)[axis], bins), tensor.dtype) for axis in (1, 2)]
    return _along_both_sides(tensor, means, [bins, bins])


def interpolate_bins(tensor: Tensor, like: Tensor) -> Tensor:
    """Bilinear interpolation between the centres of bins, constant outside of the outer ones.

    Args:
        tensor: [B, n, n, C], C and n known.
        like: Map of the wanted size, [B, h, w, K].

    Returns:
        [B, h, w, C], in the precision of the tensor.
    """
    sizes = [tf.shape(like)[axis] for axis in (1, 2)]
    weights = [tf.cast(_bin_weights(size, tensor.shape[1]), tensor.dtype) for size in sizes]
    result = _along_both_sides(tensor, weights, sizes)
    result.set_shape([*like.shape[:3], tensor.shape[-1]])
    return result


def _along_both_sides(tensor: Tensor, matrices: list[Tensor], sizes: list[Tensor]) -> Tensor:
    """Multiply rows and columns by a matrix each, [B, h, w, C] -> [B, *sizes, C]."""
    batch, height, width = tf.unstack(tf.shape(tensor)[:3])
    channels = tensor.shape[-1]
    rows = tf.matmul(matrices[0], tf.reshape(tensor, [batch, height, width * channels]))
    columns = tf.reshape(rows, [batch * sizes[0], width, channels])
    result = tf.matmul(matrices[1], columns)
    return tf.reshape(result, [batch, sizes[0], sizes[1], channels])


def _bin_means(size: Tensor, bins: int) -> Tensor:
    """Weights of the rows in the mean of each bin, [bins, size]."""
    number = tf.range(bins)[:, None]
    first = number * size // bins
    end = ((number + 1) * size + bins - 1) // bins
    row = tf.range(size)[None]
    inside = tf.cast((row >= first) & (row < end), tf.float32)
    return inside / tf.cast(end - first, tf.float32)


def _bin_weights(size: Tensor, bins: int) -> Tensor:
    """Weights of the bins in the interpolated value of each row, [size, bins]."""
    row = tf.cast(tf.range(size), tf.float32)
    place = (row + 0.5) * bins / tf.cast(size, tf.float32) - 0.5
    place = tf.clip_by_value(place, 0.0, float(bins - 1))[:, None]
    return tf.maximum(1.0 - tf.abs(place - tf.range(bins, dtype=tf.float32)[None]), 0.0)
