"""The folded form of a U-Net's decoder in an OpenVINO model: same function, less work.

A stage of the decoder upsamples by two with nearest neighbours, joins the skip connection and
convolves 3 x 3. Four pixels of the upsampled tensor are one pixel of its source, so the nine
weights of a pixel of the result are four sums of them:

    conv3x3(concat(upsample(x), skip)) = transposed_conv4x4(x, stride 2) + conv3x3(skip)

The large upsampled and joined tensors are never made. The sums are rounded once more, so scores
differ by rounding alone.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.model.kernel_sums import KERNEL_SUMS

Weights = npt.NDArray[np.float32]

_SIZES = ((1, 64, 128), (2, 160, 96))
"""Batch, height and width at which the factor of an upsampling is read off."""


class Stage(NamedTuple):
    """One convolution that can be folded.

    Attributes:
        convolution: Convolution of the joined tensor.
        source: Output that is upsampled.
        channels: Channels of the joined tensor that come from it.
        skip: Output that is joined, and its channels; None without one.
    """

    convolution: Any
    source: Any
    channels: slice
    skip: tuple[Any, slice] | None


def folded_kernel(kernel: Weights) -> Weights:
    """Kernel of the transposed convolution: [C_out, C_in, 3, 3] -> [C_in, C_out, 4, 4]."""
    sums = np.array(KERNEL_SUMS, np.float32)
    folded: Weights = np.einsum("yi,xj,ocij->coyx", sums, sums, kernel)
    return folded


def fold_decoder(model: Any) -> int:
    """Fold every decoder stage of a model, in place.

    Args:
        model: openvino.Model with one input of [N, H, W, C].

    Returns:
        Number of folded stages.
    """
    stages = list(_stages(model))
    for stage in stages:
        _fold(stage)
    model.validate_nodes_and_infer_types()
    return len(stages)


def _stages(model: Any) -> Iterator[Stage]:
    doubled = _doubled(model)
    for node in model.get_ordered_ops():
        if not _is_plain_3x3(node):
            continue
        joined = node.input_value(0).get_node()
        inputs = joined.input_values() if _joins_channels(joined) else [node.input_value(0)]
        sources = [value.get_node().get_friendly_name() in doubled for value in inputs]
        if sources.count(True) != 1 or len(inputs) > 2:
            continue
        ends = np.cumsum([value.get_partial_shape()[1].get_length() for value in inputs]).tolist()
        channels = [slice(*ends) for ends in zip([0, *ends], ends, strict=False)]
        place = sources.index(True)
        upsampling = inputs[place].get_node()
        skips = [
            pair for pair in zip(inputs, channels, strict=True) if pair[0] is not inputs[place]
        ]
        yield Stage(node, upsampling.input_value(0), channels[place], next(iter(skips), None))


def _doubled(model: Any) -> set[str]:
    """Names of the nearest-neighbour upsamplings that double height and width at any size."""
    shape = model.input(0).get_partial_shape()
    names = {node.get_friendly_name() for node in model.get_ordered_ops() if _repeats_pixels(node)}
    for batch, height, width in _SIZES:
        model.reshape([batch, height, width, shape[3].get_length()])
        for node in model.get_ordered_ops():
            if node.get_friendly_name() in names and not _doubles(node):
                names.remove(node.get_friendly_name())
    model.reshape(shape)
    return names


def _repeats_pixels(node: Any) -> bool:
    wanted = {
        "mode": "nearest",
        "coordinate_transformation_mode": "asymmetric",
        "nearest_mode": "floor",
        "antialias": False,
    }
    if node.get_type_name() != "Interpolate" or node.output(0).get_partial_shape().rank != 4:
        return False
    attributes = node.get_attributes()
    padding = [*attributes.get("pads_begin", []), *attributes.get("pads_end", [])]
    return not any(padding) and all(attributes.get(key) == wanted[key] for key in wanted)


def _doubles(node: Any) -> bool:
    batch, channels, height, width = node.input_value(0).get_shape()
    return list(node.output(0).get_shape()) == [batch, channels, 2 * height, 2 * width]


def _is_plain_3x3(node: Any) -> bool:
    """Whether a node is a 3 x 3 convolution with constant weights that keeps height and width."""
    if node.get_type_name() != "Convolution":
        return False
    kernel = node.input_value(1).get_node()
    attributes = node.get_attributes()
    is_same = attributes["auto_pad"] in ("same_upper", "same_lower") or (
        attributes["auto_pad"] == "explicit"
        and list(attributes["pads_begin"]) == list(attributes["pads_end"]) == [1, 1]
    )
    return bool(
        kernel.get_type_name() == "Constant"
        and list(kernel.get_output_shape(0)[2:]) == [3, 3]
        and list(attributes["strides"]) == list(attributes["dilations"]) == [1, 1]
        and is_same
    )


def _joins_channels(node: Any) -> bool:
    return bool(node.get_type_name() == "Concat" and node.get_attributes()["axis"] in (1, -3))


def _fold(stage: Stage) -> None:
    """Replace the convolution of one stage, and the bias that is added to it."""
    from openvino import opset13 as ops

    kernel = np.array(stage.convolution.input_value(1).get_node().data, np.float32)
    folded = ops.convolution_backprop_data(
        stage.source,
        ops.constant(folded_kernel(kernel[:, stage.channels])),
        strides=[2, 2],
        pads_begin=[1, 1],
        pads_end=[1, 1],
    )
    replaced = stage.convolution
    if stage.skip is not None:
        value, channels = stage.skip
        skip = ops.convolution(
            value,
            ops.constant(np.ascontiguousarray(kernel[:, channels])),
            strides=[1, 1],
            pads_begin=[1, 1],
            pads_end=[1, 1],
            dilations=[1, 1],
        )
        # Convolution, bias and sum are one primitive of the CPU plugin in this order.
        if (bias := _bias(stage.convolution)) is not None:
            replaced, term = bias
            skip = ops.add(skip, term)
        folded = ops.add(skip, folded)
    folded.set_friendly_name(replaced.get_friendly_name())
    for target in replaced.output(0).get_target_inputs():
        target.replace_source_output(folded.output(0))


def _bias(convolution: Any) -> tuple[Any, Any] | None:
    """The node that adds a constant to a convolution and to nothing else, and the constant."""
    targets = list(convolution.output(0).get_target_inputs())
    if len(targets) != 1 or targets[0].get_node().get_type_name() != "Add":
        return None
    node = targets[0].get_node()
    terms = [value for value in node.input_values() if value.get_node() != convolution]
    if len(terms) == 1 and terms[0].get_node().get_type_name() == "Constant":
        return node, terms[0]
    return None
