"""A trained network for use elsewhere: grey images in, scores out, with the post-processing inside.

Scaling and sigmoid are part of the exported network; the rules from scores to masks travel as a
`ModelCard`: in an ONNX file's metadata under "steelexp", in a SavedModel as
assets.extra/steelexp.json, in a TFLite file as steelexp.json in the archive at its end, which any
program for .zip files opens.
"""

import contextlib
import errno
import math
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.errors import RunFailedError, UserError, reason
from steelexp.inference.predictor import Grey, Predictor, Scores, onnx_predictor, read_card
from steelexp.lazy import Tensor, silence, tf
from steelexp.records.atomic import remove, replacing
from steelexp.records.exports import Format
from steelexp.records.model_card import KEY, ModelCard

TOLERANCE = 1e-4
"""How far a score may be from the trained network's."""

ODD = (slice(96), slice(160))
"""A part of the first image is compared, too: sizes that are no multiple of 64."""

OPSET = 18  # of ONNX: the newest that tf2onnx 1.17 writes


class Parity(NamedTuple):
    """How near an exported network is to the trained one.

    Attributes:
        largest: difference of two scores of one pixel; infinite where even the sizes differ.
        pixels: compared, of every class.
    """

    largest: float
    pixels: int


def export(model: Any, card: ModelCard, form: Format, path: Path, images: Sequence[Grey]) -> Parity:
    """Export a network, and keep the export only if it scores as the network does.

    Args:
        model: grey [B, h, w, 1] uint8 -> logits [B, h, w, C] float32.
        card: goes into the export.
        form: of the export.
        path: of the file or, for a SavedModel, the folder; replaced if it is there.
        images: [H, W] each, on which both are compared.

    Raises:
        UserError: a package is missing.
        RunFailedError: a score differs by more than 1e-4; an earlier export is left as it was.
    """
    write, read = FORMATS[form]
    module = _module(model)
    trained = Predictor(card, "trained", lambda grey: np.asarray(module.scores(grey)["scores"]))
    with replacing(path) as beside:
        write(module, card, beside)
        parity = compare(trained, read(beside), [*images, images[0][ODD]])
        if not parity.largest <= TOLERANCE:
            raise RunFailedError(
                f"{form}: its scores differ from the trained network's by up to "
                f"{parity.largest:.1e} on {len(images)} images; allowed is {TOLERANCE:g}, so "
                f"nothing is written to {path}"
            )
        remove(path)
    return parity


def compare(one: Predictor, other: Predictor, images: Sequence[Grey]) -> Parity:
    """The largest difference of two networks' scores on images of any size."""
    largest, pixels = 0.0, 0
    for grey in images:
        scores, others = one.scores(grey), other.scores(grey)
        if scores.shape != others.shape:
            return Parity(math.inf, pixels)
        difference = np.abs(scores - others)
        largest = float(np.maximum(largest, difference.max()))  # a NaN stays one
        pixels += difference[..., 0].size
    return Parity(largest, pixels)


def _module(model: Any) -> Any:
    """What is exported: a tf.Module whose `scores` takes grey images; it keeps the weights."""

    @tf.function(  # type: ignore[untyped-decorator]  # TensorFlow has no types
        input_signature=[tf.TensorSpec((None, None, None, 1), tf.uint8, name="grey")]
    )
    def scores(grey: Tensor) -> dict[str, Tensor]:
        return {"scores": tf.sigmoid(model(grey, training=False))}

    module = tf.Module()
    module.model, module.scores = model, scores
    return module


def _write_onnx(module: Any, card: ModelCard, path: Path) -> None:
    try:
        import onnx
        import tf2onnx
    except ImportError:
        raise UserError("tf2onnx is missing; pip install 'steelexp[export]'") from None
    with silence(), _without_warnings():
        proto, _ = tf2onnx.convert.from_function(
            module.scores, input_signature=module.scores.input_signature, opset=OPSET
        )
    _name_sizes(proto)
    _repeat_pixels(proto)
    proto.metadata_props.add(key=KEY, value=card.model_dump_json())
    onnx.save(proto, str(path))


def _name_sizes(proto: Any) -> None:
    """N, H and W instead of the numbers that tf2onnx gives to unknown sizes."""
    for value in (*proto.graph.input, *proto.graph.output):
        for dimension, name in zip(value.type.tensor_type.shape.dim, "NHW", strict=False):
            dimension.dim_param = name


def _repeat_pixels(proto: Any) -> None:
    """Have pixels repeated in the way of today's ONNX.

    tf2onnx writes TensorFlow's way, which ONNX gave up; for whole factors it is the same.
    """
    now = {"coordinate_transformation_mode": b"asymmetric", "nearest_mode": b"floor"}
    for node in proto.graph.node:
        if any(attribute.s == b"tf_half_pixel_for_nn" for attribute in node.attribute):
            for attribute in node.attribute:
                if attribute.name in now:
                    attribute.s = now[attribute.name]


def _write_savedmodel(module: Any, card: ModelCard, path: Path) -> None:
    try:
        with silence():
            tf.saved_model.save(module, str(path), signatures={"serving_default": module.scores})
    except tf.errors.OpError as error:  # a full disk; its text ends "FILE; File too large [Op:...]"
        raise OSError(errno.EIO, reason(error).rpartition("; ")[2], str(path)) from error
    extra = path / "assets.extra"
    extra.mkdir()
    (extra / f"{KEY}.json").write_text(card.model_dump_json(indent=2) + "\n", "utf-8")


def _read_savedmodel(path: Path) -> Predictor:
    loaded = tf.saved_model.load(str(path))
    score = loaded.signatures["serving_default"]
    file = path / "assets.extra" / f"{KEY}.json"
    return Predictor(
        card=read_card(file.read_text("utf-8"), file),
        runtime="savedmodel",
        score=lambda grey: score(grey=tf.constant(grey))["scores"].numpy(),
    )


def _write_tflite(module: Any, card: ModelCard, path: Path) -> None:
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [module.scores.get_concrete_function()], module
    )
    with silence():
        content = converter.convert()
    path.write_bytes(content)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"{KEY}.json", card.model_dump_json())


def _read_tflite(path: Path) -> Predictor:
    with zipfile.ZipFile(path) as archive:
        card = read_card(archive.read(f"{KEY}.json").decode(), path)
    with silence(), _without_warnings():  # of its move to a package of its own
        interpreter = tf.lite.Interpreter(str(path))
    into, out = (part[0]["index"] for part in _ends(interpreter))

    def score(grey: Grey) -> Scores:
        interpreter.resize_tensor_input(into, grey.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(into, grey)
        interpreter.invoke()
        found: npt.NDArray[np.float32] = interpreter.get_tensor(out)
        return found

    return Predictor(card, "tflite", score)


def _ends(interpreter: Any) -> tuple[Any, Any]:
    return interpreter.get_input_details(), interpreter.get_output_details()


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


FORMATS: dict[
    Format, tuple[Callable[[Any, ModelCard, Path], None], Callable[[Path], Predictor]]
] = {
    "onnx": (_write_onnx, onnx_predictor),
    "savedmodel": (_write_savedmodel, _read_savedmodel),
    "tflite": (_write_tflite, _read_tflite),
}
"""Format -> what writes it, and what reads it for the comparison."""
