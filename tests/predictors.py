"""Small detectors for tests: a pixel's score follows from its grey alone."""

from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from steelexp.inference.onnx_file import onnx_content
from steelexp.inference.predictor import Predictor
from steelexp.inference.scoring import NetworkScores
from steelexp.records.model_card import KEY, ModelCard
from steelexp.records.postprocessing import ClassRules


def card(**rules):
    """Of classes "bright" and "dark", or of others with their rules."""
    rules = rules or {"bright": {"threshold": 0.75}, "dark": {"threshold": 0.75}}
    return ModelCard(
        name="pixels",
        digest="0a1b2c3d",
        classes={label: ClassRules(**each) for label, each in rules.items()},
        postprocessing_metric="dice_kaggle",
        training_tiles={"kind": "columns", "size": 256, "count": 6},
    )


def pixel_predictor(**rules):
    """Scores grey / 255 and 1 - grey / 255."""

    def score(grey):
        assert grey.dtype == np.uint8
        assert grey.shape[1] % 32 == grey.shape[2] % 32 == 0
        bright = grey.astype(np.float32) / 255
        return NetworkScores(np.concatenate([bright, 1 - bright], axis=-1))

    return Predictor(card(**rules), "pixels", score)


def pixel_onnx(
    path: Path,
    *,
    named: ModelCard | None = None,
    key: str = KEY,
    text: str | None = None,
    white: float = 255,
) -> Path:
    """The same as a file for ONNX Runtime, with its card, or with another text in its metadata."""
    nodes = [
        helper.make_node("Cast", ["grey"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["float", "white"], ["bright"]),
        helper.make_node("Sub", ["one", "bright"], ["dark"]),
        helper.make_node("Concat", ["bright", "dark"], ["scores"], axis=-1),
    ]
    constants = [
        numpy_helper.from_array(np.float32(white), "white"),
        numpy_helper.from_array(np.float32(1), "one"),
    ]
    sizes = ["N", "H", "W"]
    graph = helper.make_graph(
        nodes,
        "pixels",
        [helper.make_tensor_value_info("grey", TensorProto.UINT8, [*sizes, 1])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [*sizes, 2])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    if text is None:
        path.write_bytes(onnx_content(model, named or card()))
    else:
        model.metadata_props.add(key=key, value=text)
        onnx.save(model, str(path))
    return path


def write_images(folder: Path, count: int, size=(40, 70)) -> list[Path]:
    """Grey 128 with one bright block each, which moves down; every third has none."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:04d}.png" for number in range(count)]
    for number, path in enumerate(paths):
        image = np.full(size, 128, np.uint8)
        if number % 3:
            top = number % (size[0] - 5)
            image[top : top + 4, 10:20] = 250
        assert cv2.imwrite(str(path), image)
    return paths
