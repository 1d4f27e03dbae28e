"""Gradients of EfficientNet's layers in fewer passes over memory; the forward pass stays as it is.

segmentation-models' swish is x * sigmoid(x), written with two operations, so that TensorFlow's
gradient takes four, each of which reads and writes the whole tensor. Here XLA makes one loop of
them: 3.7 ms where single operations take 9.9, for 8 x 64 x 64 x 192 (2 cores, AVX-512). oneDNN has
a fast gradient for the filter of a depthwise convolution only up to a width of three columns. A
filter of five is cut into three and two: 3.6 ms instead of 7.1 for 8 x 8 x 8 x 1632. Weights,
names and scores are those of the plain form; gradients differ in their last digits.
"""

from typing import Any, Literal

from steelexp.lazy import Tensor, keras, tf

Gradients = Literal["plain", "fused"]
"""Forms of the gradients."""

_WIDTH = 3
"""Columns of a depthwise filter up to which oneDNN's gradient is fast."""


def fuse_gradients(model: Any) -> None:
    """Give the layers of a network the gradients of this module, where they have a plain one.

    Args:
        model: Keras model. Its layers are changed in place, before the first training step.
    """
    swish = swish_with_fused_gradient()
    for layer in model.submodules:
        if isinstance(layer, keras.layers.Activation) and _is_swish(layer.activation):
            layer.activation = swish
        elif isinstance(layer, keras.layers.DepthwiseConv2D) and _is_wide(layer):
            layer.call = _split_call(layer)


def _is_swish(activation: Any) -> bool:
    return getattr(activation, "__name__", "") == "swish"


def _is_wide(layer: Any) -> bool:
    return bool(layer.kernel_size[1] > _WIDTH and layer.dilation_rate == (1, 1))


def swish_with_fused_gradient() -> Any:
    """Swish (Ramachandran et al., 2017, https://arxiv.org/abs/1710.05941): x sigmoid(x).

    Its derivative is s (1 + x (1 - s)) with s = sigmoid(x).

    Returns:
        A function from x to x sigmoid(x), any shape. All calls share what XLA compiles for a shape.
    """

    @tf.function(jit_compile=True, reduce_retracing=True)  # type: ignore[untyped-decorator]
    def gradient(x: Tensor, upstream: Tensor) -> Tensor:
        s = tf.sigmoid(x)
        return upstream * (s * (1 + x * (1 - s)))

    @tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow has no types
    def swish(x: Tensor) -> tuple[Tensor, Any]:
        return x * tf.sigmoid(x), lambda upstream: gradient(x, upstream)

    return swish


def depthwise_conv2d(
    image: Tensor, kernel: Tensor, strides: tuple[int, int], padding: str
) -> Tensor:
    """Depthwise convolution whose filter gradient is computed for three columns at a time.

    Args:
        image: [B, h, w, C].
        kernel: [kh, kw, C, M].
        strides: Rows and columns from one output to the next.
        padding: "SAME" or "VALID".

    Returns:
        [B, h', w', C M].
    """
    settings = {"strides": [1, *strides, 1], "padding": padding}

    @tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow has no types
    def convolution(image: Tensor, kernel: Tensor) -> tuple[Tensor, Any]:
        def gradient(upstream: Tensor) -> tuple[Tensor, Tensor]:
            image_gradient = tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
                input_sizes=tf.shape(image), filter=kernel, out_backprop=upstream, **settings
            )
            return image_gradient, _filter_gradient(image, kernel.shape, upstream, strides, padding)

        return tf.nn.depthwise_conv2d(image, kernel, **settings), gradient

    return convolution(image, kernel)


def _filter_gradient(
    image: Tensor, shape: Any, upstream: Tensor, strides: tuple[int, int], padding: str
) -> Tensor:
    """Gradient of a depthwise filter [kh, kw, C, M], a few of its columns at a time."""
    reach = [(tf.shape(upstream)[axis + 1] - 1) * strides[axis] for axis in (0, 1)]
    if padding == "SAME":
        image = _pad(image, [reach[axis] + shape[axis] for axis in (0, 1)])
    columns = []
    for first in range(0, shape[1], _WIDTH):
        width = min(_WIDTH, shape[1] - first)
        columns.append(
            tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
                input=image[:, : reach[0] + shape[0], first : first + reach[1] + width],
                filter_sizes=[shape[0], width, *shape[2:]],
                out_backprop=upstream,
                strides=[1, *strides, 1],
                padding="VALID",
            )
        )
    return tf.concat(columns, axis=1)


def _pad(image: Tensor, sizes: list[Tensor]) -> Tensor:
    """Pad rows and columns with zeros to sizes; half of them before, rounded down, as SAME does."""
    missing = [tf.maximum(sizes[axis] - tf.shape(image)[axis + 1], 0) for axis in (0, 1)]
    return tf.pad(image, [[0, 0], *([zeros // 2, zeros - zeros // 2] for zeros in missing), [0, 0]])


def _split_call(layer: Any) -> Any:
    """The call of a layer DepthwiseConv2D, by `depthwise_conv2d`."""

    def call(inputs: Tensor) -> Tensor:
        outputs = depthwise_conv2d(
            inputs,
            tf.convert_to_tensor(layer.depthwise_kernel),
            layer.strides,
            layer.padding.upper(),
        )
        if layer.use_bias:
            outputs = tf.nn.bias_add(outputs, layer.bias)
        return outputs if layer.activation is None else layer.activation(outputs)

    return call
