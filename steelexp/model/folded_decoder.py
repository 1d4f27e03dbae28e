"""The decoder of segmentation-models' U-Net without upsampled and concatenated tensors.

A stage of the plain decoder doubles the deep tensor by nearest-neighbour upsampling, concatenates
it with the skip connection and convolves both with one 3 x 3 kernel. The folded stage convolves
each part by itself and adds the results. In the doubled tensor the kernel sees every pixel up to
four times, so a 4 x 4 transposed convolution with stride 2 and sums of the kernel's entries does
the same on the tensor before it is doubled, with 4 / 9 of the multiplications.

Function and weights are those of the plain decoder. The last digits differ, because the order of
the sums does.

This module defines a layer, so importing it imports TensorFlow.
"""

from typing import Any

from steelexp.lazy import Tensor, keras, tf
from steelexp.model import winograd
from steelexp.model.kernel_sums import KERNEL_SUMS

_LAYERS_AFTER = ("a_bn", "a_relu", "b_conv", "b_bn", "b_relu")
"""Layers of a decoder stage after its first convolution."""


def fold_decoder(network: Any) -> Any:
    """The same network with a folded decoder.

    Args:
        network: segmentation_models.Unet with batch norm in its decoder, image [B, h, w, 3] ->
            [B, h, w, C].

    Returns:
        A tf_keras.Model with the layers of the network. Weights have the same names, shapes and
        order, and are shared with it.
    """
    layers = {layer.name: layer for layer in network.layers}
    tensor = layers["decoder_stage0_upsampling"].input
    stage = 0
    while f"decoder_stage{stage}_upsampling" in layers:
        prefix = f"decoder_stage{stage}"
        concatenation = layers.get(f"{prefix}_concat")
        skips = concatenation.input[1:] if concatenation else []
        tensor = FoldedConvolution(layers[f"{prefix}a_conv"])([tensor, *skips])
        for name in _LAYERS_AFTER:
            tensor = layers[prefix + name](tensor)
        stage += 1
    for name in ("final_conv", network.layers[-1].name):
        tensor = layers[name](tensor)
    return keras.Model(network.input, tensor, name=network.name)


class FoldedConvolution(keras.layers.Layer):  # type: ignore[misc]  # tf_keras has no types
    """A 3 x 3 convolution of a doubled tensor and, beside it, of a skip connection.

    It has the name and the kernel of the layer that it replaces. The kernel is folded in float32;
    the convolutions are in the precision of their inputs.
    """

    def __init__(self, convolution: Any) -> None:
        """Take the kernel of a built Conv2D layer, 3 x 3, stride 1, padding "same", no bias."""
        super().__init__(name=convolution.name, dtype="float32", autocast=False)
        self.kernel = convolution.kernel
        self.winograd = False
        """Whether training uses the forms of `winograd.py`."""

    def call(self, inputs: list[Tensor], training: bool | None = None) -> Tensor:
        """Convolve.

        Args:
            inputs: Deep tensor [B, h, w, I], and the skip connection [B, 2h, 2w, J] if the stage
                has one.
            training: Whether this is a training step.

        Returns:
            [B, 2h, 2w, O].
        """
        channels = [tensor.shape[-1] for tensor in inputs]
        kernels = tf.split(tf.convert_to_tensor(self.kernel), channels, axis=2)
        fast = bool(self.winograd and training)
        if fast and winograd.suits(inputs[0], kernels[0], "doubled"):
            result = winograd.convolve_doubled(inputs[0], kernels[0])
        else:
            result = convolve_doubled(inputs[0], kernels[0])
        for skip, kernel in zip(inputs[1:], kernels[1:], strict=True):
            if fast and winograd.suits(skip, kernel):
                result += winograd.convolve(skip, kernel)
            else:
                result += tf.nn.conv2d(skip, tf.cast(kernel, skip.dtype), 1, "SAME")
        return result


def convolve_doubled(tensor: Tensor, kernel: Tensor) -> Tensor:
    """Convolve a tensor as if every pixel were repeated to 2 x 2 pixels first.

    Args:
        tensor: [B, h, w, I].
        kernel: Kernel for the doubled tensor, [3, 3, I, O].

    Returns:
        [B, 2h, 2w, O], in the precision of the tensor.
    """
    # Forward and backward pass of the five stages of mobilenetv2's decoder, batch 8, 256 x 256, 2
    # cores of a Zen 4: plain 1.00 s, this 0.61 s; one 3 x 3 convolution for all four pixels and
    # depth_to_space 0.93 s; four 2 x 2 convolutions and depth_to_space 0.98 s.
    batch, height, width = tf.unstack(tf.shape(tensor)[:3])
    result = tf.nn.conv2d_transpose(
        tensor,
        tf.cast(fold(kernel), tensor.dtype),
        [batch, 2 * height, 2 * width, kernel.shape[-1]],
        strides=2,
        padding="SAME",
    )
    sizes = [size and 2 * size for size in tensor.shape[1:3]]
    result.set_shape([tensor.shape[0], *sizes, kernel.shape[-1]])
    return result


def fold(kernel: Tensor) -> Tensor:
    """The kernel of the transposed convolution, [3, 3, I, O] -> [4, 4, O, I]."""
    inputs, outputs = kernel.shape[2:]
    sums = tf.constant(KERNEL_SUMS, kernel.dtype)
    squares = tf.reshape(sums[:, None, :, None] * sums[None, :, None, :], [16, 9])
    folded = tf.matmul(squares, tf.reshape(kernel, [9, inputs * outputs]))
    return tf.transpose(tf.reshape(folded, [4, 4, inputs, outputs]), [0, 1, 3, 2])
