"""Sums before and after the matrix products of Winograd's convolutions, with their gradients.

XLA compiles them. Each has a function for rows and one for columns.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from steelexp.lazy import Tensor, tf

_TILE: Final = 4
"""Rows and columns of the outputs of a tile."""


class Form(NamedTuple):
    """The matrices of one dimension.

    Attributes:
        window: [n, m], of m neighbouring inputs. They begin one before the tile.
        filter: [n, 3], of the three entries of the kernel.
        output: [4, n], to the four outputs.
        step: Inputs from one tile to the next.
    """

    window: np.ndarray
    filter: np.ndarray
    output: np.ndarray
    step: int


def _toom_cook(points: Sequence[float]) -> Form:
    """The form that evaluates polynomials at five points and at infinity."""
    powers = np.vander(points, _TILE, increasing=True)  # [5, 4]
    others = [np.array([other for other in points if other != point]) for point in points]
    scales = [np.prod(point - rest) for point, rest in zip(points, others, strict=True)]
    window = [[*np.poly(rest)[::-1], 0] for rest in others]
    return Form(
        window=np.array([*window, np.poly(points)[::-1]]),
        filter=np.vstack([powers[:, :3] / np.array(scales)[:, None], [0, 0, 1]]),
        output=np.hstack([powers.T, np.array([[0], [0], [0], [1]])]),
        step=_TILE,
    )


def _doubled(plain: Form) -> Form:
    """The form for inputs that are repeated first: what they let vanish is left out."""
    # A window begins with the second of two equal inputs: [a, b, b, c, c, d].
    window = plain.window @ np.repeat(np.eye(4), [1, 2, 2, 1], axis=0)
    kept = np.abs(window).max(axis=1) > 0
    return Form(window[kept], plain.filter[kept], plain.output[:, kept], _TILE // 2)


# Errors are 1.1e-6 of the spread, with the points 2 and -2 of the paper 1.8e-6 (512 channels). Only
# opposite points let one vanish.
PLAIN: Final = _toom_cook([0, 1, -1, 0.5, -2])
DOUBLED: Final = _doubled(_toom_cook([0, 1, -1, 1.5, -1.5]))


def windows(image: Tensor, form: Form) -> Tensor:
    """[B, h, w, I] -> [n, n, B, h / step, w / step, I]."""
    return _compiled(_window_rows, _window_columns, form.step)(image)


def _sum(weights: Sequence[float], terms: Sequence[Tensor]) -> Tensor:
    """Weighted sum of the terms whose weight is not zero."""
    pairs = zip(weights, terms, strict=True)
    scaled = [float(weight) * term for weight, term in pairs if weight]
    return sum(scaled[1:], scaled[0])


def _window_rows(form: Form) -> Callable[[Tensor], Tensor]:
    """[B, h, w, I] -> [n, B, h / step, w + 2, I]."""

    def rows(image: Tensor) -> Tensor:
        image = tf.pad(image, [[0, 0], [1, 1], [1, 1], [0, 0]])
        last = image.shape[1] - form.window.shape[1] + 1
        terms = [
            image[:, first : first + last : form.step] for first in range(form.window.shape[1])
        ]
        return tf.stack([_sum(weights, terms) for weights in form.window])

    return rows


def _window_columns(form: Form) -> Callable[[Tensor], Tensor]:
    """[n, B, p, w + 2, I] -> [n, n, B, p, w / step, I]."""

    def columns(rows: Tensor) -> Tensor:
        last = rows.shape[3] - form.window.shape[1] + 1
        terms = [
            rows[:, :, :, first : first + last : form.step] for first in range(form.window.shape[1])
        ]
        return tf.stack([_sum(weights, terms) for weights in form.window], axis=1)

    return columns


def windows_gradient(windows: Tensor, form: Form) -> Tensor:
    """Gradient of `windows`: [n, n, B, p, q, I] -> [B, h, w, I]."""
    return _compiled(_window_columns_gradient, _window_rows_gradient, form.step)(windows)


def _readers(form: Form) -> list[list[tuple[int, int]]]:
    """Which windows have an input of a tile: place in the window, and how many tiles further."""
    length = form.window.shape[1]
    # A window begins one input before its tile.
    return [
        [
            (place, (first + 1 - place) // form.step)
            for place in range((first + 1) % form.step, length, form.step)
        ]
        for first in range(form.step)
    ]


def _window_columns_gradient(form: Form) -> Callable[[Tensor], Tensor]:
    """[n, n, B, p, q, I] -> [n, B, p, w, I]."""

    def gradient(windows: Tensor) -> Tensor:
        n, _, _, height, width, channels = windows.shape
        windows = tf.pad(windows, [[0, 0]] * 4 + [[1, 1], [0, 0]])
        inputs = [
            _sum(
                [weight for place, _ in readers for weight in form.window[:, place]],
                [
                    windows[:, point, :, :, 1 + tile : 1 + tile + width]
                    for _, tile in readers
                    for point in range(n)
                ],
            )
            for readers in _readers(form)
        ]
        inputs = tf.stack(inputs, axis=4)  # [n, B, p, q, step, I]
        return tf.reshape(inputs, [n, -1, height, width * form.step, channels])

    return gradient


def _window_rows_gradient(form: Form) -> Callable[[Tensor], Tensor]:
    """[n, B, p, w, I] -> [B, h, w, I]."""

    def gradient(rows: Tensor) -> Tensor:
        n, _, height, width, channels = rows.shape
        rows = tf.pad(rows, [[0, 0], [0, 0], [1, 1], [0, 0], [0, 0]])
        inputs = [
            _sum(
                [weight for place, _ in readers for weight in form.window[:, place]],
                [
                    rows[point, :, 1 + tile : 1 + tile + height]
                    for _, tile in readers
                    for point in range(n)
                ],
            )
            for readers in _readers(form)
        ]
        inputs = tf.stack(inputs, axis=2)  # [B, p, step, w, I]
        return tf.reshape(inputs, [-1, height * form.step, width, channels])

    return gradient


def outputs(products: Tensor, form: Form) -> Tensor:
    """[n, n, B, p, q, O] -> [B, 4p, 4q, O]."""
    return _compiled(_output_columns, _output_rows, form.step)(products)


def _output_columns(form: Form) -> Callable[[Tensor], Tensor]:
    """[n, n, B, p, q, O] -> [n, B, p, 4q, O]."""

    def columns(products: Tensor) -> Tensor:
        n, _, _, height, width, channels = products.shape
        terms = [products[:, point] for point in range(n)]
        outputs = tf.stack([_sum(weights, terms) for weights in form.output], axis=4)
        return tf.reshape(outputs, [n, -1, height, width * _TILE, channels])

    return columns


def _output_rows(form: Form) -> Callable[[Tensor], Tensor]:
    """[n, B, p, w, O] -> [B, 4p, w, O]."""

    def rows(columns: Tensor) -> Tensor:
        n, _, height, width, channels = columns.shape
        terms = [columns[point] for point in range(n)]
        outputs = tf.stack([_sum(weights, terms) for weights in form.output], axis=2)
        return tf.reshape(outputs, [-1, height * _TILE, width, channels])

    return rows


def outputs_gradient(upstream: Tensor, form: Form) -> Tensor:
    """Gradient of `outputs`: [B, h, w, O] -> [n, n, B, p, q, O]."""
    return _compiled(_output_rows_gradient, _output_columns_gradient, form.step)(upstream)


def _output_rows_gradient(form: Form) -> Callable[[Tensor], Tensor]:
    """[B, h, w, O] -> [n, B, p, w, O]."""

    def gradient(upstream: Tensor) -> Tensor:
        terms = [upstream[:, row::_TILE] for row in range(_TILE)]
        return tf.stack([_sum(weights, terms) for weights in form.output.T])

    return gradient


def _output_columns_gradient(form: Form) -> Callable[[Tensor], Tensor]:
    """[n, B, p, w, O] -> [n, n, B, p, q, O]."""

    def gradient(rows: Tensor) -> Tensor:
        terms = [rows[:, :, :, column::_TILE] for column in range(_TILE)]
        return tf.stack([_sum(weights, terms) for weights in form.output.T], axis=1)

    return gradient


@functools.cache
def _compiled(first: Any, second: Any, step: int) -> Any:
    """One function of a tensor, which XLA compiles for each shape."""
    from tensorflow.compiler.tf2xla.ops import gen_xla_ops  # noqa: TID251 (it has no other name)

    form = PLAIN if step == PLAIN.step else DOUBLED

    def both(tensor: Tensor) -> Tensor:
        # Without it XLA computes the first sums again for each of the second: 78 ms instead of 27
        # for 8 x 128 x 128 x 96 on 2 cores of a Zen 4. Of two functions TensorFlow makes one in
        # some processes, and the last digits are others then.
        (between,) = gen_xla_ops.xla_optimization_barrier([first(form)(tensor)])
        return second(form)(between)

    return tf.function(both, jit_compile=True)
