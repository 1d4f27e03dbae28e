"""A folded decoder gives the scores of the plain one."""

import cv2
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from steelexp.inference.openvino_decoder import fold_decoder, folded_kernel
from steelexp.inference.openvino_runtime import import_openvino

PLAIN = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}


def decoder(
    rng,
    *,
    channels=3,
    skip=2,
    outputs=4,
    upsampled_first=True,
    bias=True,
    dynamic=True,
    factor=2,
    kernel=3,
    stride=1,
    resize=PLAIN,
    automatic=True,
):
    """Bytes of: input [N, H, W, 1] -> convolution -> upsampling, joined with a skip -> convolution.

    The skip is a convolution of the repeated input, of the size of the upsampled tensor.
    """
    constants = {
        "to_channels": rng.normal(size=(channels, 1, 1, 1)),
        "to_skip": rng.normal(size=(max(skip, 1), 1, 1, 1)),
        "kernel": rng.normal(size=(outputs, channels + skip, kernel, kernel)),
        "bias": rng.normal(size=outputs),
    }
    weights = [numpy_helper.from_array(np.float32(each), name) for name, each in constants.items()]
    whole = {"factors": [factor, factor], "two": [2], "four": [4], "none": [0]}
    weights += [numpy_helper.from_array(np.int64(each), name) for name, each in whole.items()]
    scales = np.float32([1, 1, factor, factor])
    weights.append(numpy_helper.from_array(scales, "scales"))
    padding = {"auto_pad": "SAME_UPPER"} if automatic else {"pads": [kernel // 2] * 4}
    nodes = [
        helper.make_node("Transpose", ["grey"], ["image"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["image", "to_channels"], ["small"]),
        helper.make_node("Shape", ["small"], ["shape"]),
        helper.make_node("Slice", ["shape", "none", "two", "none"], ["outer"]),
        helper.make_node("Slice", ["shape", "two", "four", "none"], ["inner"]),
        helper.make_node("Mul", ["inner", "factors"], ["larger"]),
        helper.make_node("Concat", ["outer", "larger"], ["sizes"], axis=0),
        helper.make_node(
            "Resize", ["small", "", *(["", "sizes"] if dynamic else ["scales"])], ["up"], **resize
        ),
        helper.make_node("Resize", ["image", "", "scales"], ["large"], **PLAIN),
        helper.make_node("Conv", ["large", "to_skip"], ["skip"]),
        helper.make_node(
            "Concat", ["up", "skip"] if upsampled_first else ["skip", "up"], ["joined"], axis=1
        ),
        helper.make_node(
            "Conv",
            ["joined" if skip else "up", "kernel", *(["bias"] if bias else [])],
            ["convolved"],
            strides=[stride, stride],
            **padding,
        ),
        helper.make_node("Relu", ["convolved"], ["active"]),
        helper.make_node("Transpose", ["active"], ["scores"], perm=[0, 2, 3, 1]),
    ]
    sides = ["N", "H", "W"]
    graph = helper.make_graph(
        nodes,
        "decoder",
        [helper.make_tensor_value_info("grey", TensorProto.FLOAT, [*sides, 1])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", None, None, outputs])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def scores(content, image, *, fold):
    """Number of folded stages, the scores of an image, and the types of the operations."""
    core = import_openvino().Core()
    model = core.read_model(content)
    stages = fold_decoder(model) if fold else 0
    model.reshape(image.shape)  # as a predictor does
    types = [node.get_type_name() for node in model.get_ops()]
    exact = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    (result,) = core.compile_model(model, "CPU", exact)(image).values()
    return stages, result, types


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.tuples(st.integers(1, 2), st.integers(1, 9), st.integers(1, 9)),
    channels=st.integers(1, 5),
    skip=st.integers(0, 3),
    outputs=st.integers(1, 5),
    flags=st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans()),
)
def test_a_folded_decoder_gives_the_same_scores(seed, size, channels, skip, outputs, flags):
    rng = np.random.default_rng(seed)
    names = ("upsampled_first", "bias", "dynamic", "automatic")
    flags = dict(zip(names, flags, strict=True))
    content = decoder(rng, channels=channels, skip=skip, outputs=outputs, **flags)
    image = rng.normal(size=(*size, 1)).astype(np.float32)
    _, plain, _ = scores(content, image, fold=False)
    stages, folded, types = scores(content, image, fold=True)
    assert stages == 1
    assert "ConvolutionBackpropData" in types
    assert types.count("Interpolate") == (skip > 0)  # the one of the test's own skip
    assert folded.shape == plain.shape == (size[0], 2 * size[1], 2 * size[2], outputs)
    assert np.abs(folded - plain).max() <= 1e-5 * max(1, np.abs(plain).max())


def test_a_kernel_by_hand():
    """One row of pixels, x = [1, 10]: upsampled [1, 1, 10, 10], kernel [1, 2, 4]."""
    kernel = np.zeros((1, 1, 3, 3), np.float32)
    kernel[0, 0, 1] = [1, 2, 4]
    taps = folded_kernel(kernel)[0, 0]
    assert taps.shape == (4, 4)
    assert taps[1].tolist() == taps[2].tolist() == [4, 6, 3, 1]
    assert not taps[[0, 3]].any()
    # y[0] = 2 + 4, y[1] = 1 + 2 + 40, y[2] = 1 + 20 + 40, y[3] = 10 + 20
    once = np.repeat([1, 10], 2).astype(np.float32)[None]
    plain = cv2.filter2D(once, -1, kernel[0, 0], borderType=cv2.BORDER_CONSTANT)[0]
    assert plain.tolist() == [6, 43, 61, 30]


@pytest.mark.parametrize(
    "other",
    [
        {"factor": 3},
        {"kernel": 5},
        {"kernel": 1},
        {"stride": 2},
        {"resize": {**PLAIN, "mode": "linear"}},
        {"resize": {**PLAIN, "nearest_mode": "ceil"}},
        {"resize": {**PLAIN, "coordinate_transformation_mode": "align_corners"}},
    ],
)
def test_any_other_graph_stays_as_it_is(other):
    rng = np.random.default_rng(0)
    content = decoder(rng, automatic=False, **other)
    image = rng.normal(size=(2, 4, 6, 1)).astype(np.float32)
    _, plain, _ = scores(content, image, fold=False)
    stages, same, _ = scores(content, image, fold=True)
    assert stages == 0
    assert (same == plain).all()
