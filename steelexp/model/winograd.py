"""3 x 3 convolutions with a quarter of the multiplications, for training.

Winograd's minimal filtering (Lavin and Gray, 2015, https://arxiv.org/abs/1509.09308), F(4 x 4,
3 x 3): tiles of 4 x 4 outputs come from windows of 6 x 6 inputs. In one dimension a tile is
output @ ((filter @ kernel) * (window @ inputs)). In two dimensions and with many channels these are
36 matrix products instead of the 144 multiplications of a direct tile. A window of a doubled tensor
has 4 x 4 distinct inputs, and what meets the point -1 vanishes: 25 matrix products instead of the
64 multiplications of the folded form (`folded_decoder.py`).

Gradients are the same forms backwards. Values differ from those of a direct convolution in their
last digits: 1.1e-6 of their spread, with 512 channels. XLA compiles the sums around the matrix
products, once for each shape, so evaluation convolves directly.
"""

from typing import Any, Final, Literal

import numpy as np

from steelexp.lazy import Tensor, keras, tf
from steelexp.model import winograd_sums
from steelexp.model.winograd_sums import DOUBLED, PLAIN, Form

_LEAST_WORK: Final = {"plain": 30, "doubled": 80}
"""Least I O / (I + O) of I input and O output channels at which matrix products outweigh the sums.

Forward and backward pass, 8 images, 2 cores of a Zen 4: 25 ms instead of 36 for 64 x 64 and 64 and
64 channels, 42 instead of 101 for 16 x 16 and 672 and 256. Doubled: 34 instead of 36 for 64 x 64
and 128 and 64 channels, 22 instead of 32 for 32 x 32 and 256 and 128.
"""


def use_winograd(model: Any) -> None:
    """Let the layers of a network convolve in this form in training, where that is faster.

    Args:
        model: Keras model. Its layers are changed in place, before the first training step.
    """
    from steelexp.model.folded_decoder import FoldedConvolution  # imports TensorFlow

    for layer in model.submodules:
        if isinstance(layer, FoldedConvolution):
            layer.winograd = True
        elif type(layer) is keras.layers.Conv2D and _is_plain(layer):
            layer.call = _call(layer)
            # Keras looks only once whether a call takes `training`, and has no public way.
            layer._init_call_fn_args()


def _is_plain(layer: Any) -> bool:
    return bool(
        layer.kernel_size == (3, 3)
        and layer.strides == layer.dilation_rate == (1, 1)
        and layer.groups == 1
        and layer.padding == "same"
    )


def _call(layer: Any) -> Any:
    """The call of a layer Conv2D."""
    direct = layer.call

    def call(inputs: Tensor, training: bool | None = None) -> Tensor:
        if not (training and suits(inputs, layer.kernel)):
            return direct(inputs)
        outputs = convolve(inputs, tf.convert_to_tensor(layer.kernel))
        if layer.use_bias:
            outputs = tf.nn.bias_add(outputs, layer.bias)
        return outputs if layer.activation is None else layer.activation(outputs)

    return call


def suits(tensor: Tensor, kernel: Tensor, form: Literal["plain", "doubled"] = "plain") -> bool:
    """Whether this form of a convolution is possible and faster than the direct one.

    Args:
        tensor: [B, h, w, I].
        kernel: [3, 3, I, O].
        form: Form of the input: the tensor, or the doubled tensor.
    """
    step = (PLAIN if form == "plain" else DOUBLED).step
    inputs, outputs = kernel.shape[2:]
    return bool(
        tensor.dtype == tf.float32
        and None not in tensor.shape[1:]
        and tensor.shape[1] % step == tensor.shape[2] % step == 0
        and inputs * outputs >= _LEAST_WORK[form] * (inputs + outputs)
    )


def convolve(tensor: Tensor, kernel: Tensor) -> Tensor:
    """3 x 3 convolution, stride 1, padding "same".

    Args:
        tensor: [B, h, w, I] of fixed h, w and I; h and w are multiples of 4.
        kernel: [3, 3, I, O].

    Returns:
        [B, h, w, O].
    """
    return _convolve(tensor, kernel, PLAIN)


def convolve_doubled(tensor: Tensor, kernel: Tensor) -> Tensor:
    """The same of a tensor whose pixels are repeated to 2 x 2 pixels first.

    Args:
        tensor: [B, h, w, I] of fixed h, w and I; h and w are multiples of 2.
        kernel: [3, 3, I, O].

    Returns:
        [B, 2h, 2w, O].
    """
    return _convolve(tensor, kernel, DOUBLED)


def _convolve(tensor: Tensor, kernel: Tensor, form: Form) -> Tensor:
    points = len(form.filter)
    inputs, outputs = kernel.shape[2:]
    # The last batch of an epoch may be smaller: its size is not part of the graph.
    tiles = [points, points, -1, *(size // form.step for size in tensor.shape[1:3])]
    squares = tf.constant(np.kron(form.filter, form.filter), kernel.dtype)  # [n n, 9]

    @tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow has no types
    def convolution(tensor: Tensor, kernel: Tensor) -> tuple[Tensor, Any]:
        windows = tf.reshape(winograd_sums.windows(tensor, form), [points**2, -1, inputs])
        filters = tf.matmul(squares, tf.reshape(kernel, [9, inputs * outputs]))
        filters = tf.reshape(filters, [points**2, inputs, outputs])

        def gradient(upstream: Tensor) -> tuple[Tensor, Tensor]:
            products = tf.reshape(
                winograd_sums.outputs_gradient(upstream, form), [points**2, -1, outputs]
            )
            of_windows = tf.matmul(products, filters, transpose_b=True)
            of_filters = tf.matmul(windows, products, transpose_a=True)
            of_filters = tf.reshape(of_filters, [points**2, inputs * outputs])
            of_kernel = tf.matmul(squares, of_filters, transpose_a=True)
            return (
                winograd_sums.windows_gradient(tf.reshape(of_windows, [*tiles, inputs]), form),
                tf.reshape(of_kernel, [3, 3, inputs, outputs]),
            )

        products = tf.reshape(tf.matmul(windows, filters), [*tiles, outputs])
        return winograd_sums.outputs(products, form), gradient

    return convolution(tensor, kernel)
