"""Export of a trained network to ONNX, SavedModel and TFLite, with its post-processing rules.

The exported network takes grey images and returns scores; scaling and sigmoid are part of it. The
rules are in a `ModelCard`: the metadata "steelexp" of an ONNX file, assets.extra/steelexp.json of a
SavedModel, and steelexp.json in the zip archive at the end of a TFLite file.
"""

import contextlib
import errno
import math
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from steelexp.checksum import hash_bytes
from steelexp.command_line import install_line
from steelexp.errors import RunFailedError, UserError, reason
from steelexp.inference.card_text import card_text, read_card
from steelexp.inference.onnx_file import IMAGE_SCORES, SCORES, card_bytes, onnx_content
from steelexp.inference.onnx_graph import normalize
from steelexp.inference.predictor import Grey, Predictor, onnx_predictor
from steelexp.inference.scoring import NetworkScores, Scores
from steelexp.lazy import Tensor, silence, tf
from steelexp.model.outputs import outputs_of
from steelexp.records.atomic import remove, replacing
from steelexp.records.exports import Format
from steelexp.records.model_card import KEY, ModelCard

TOLERANCE = 1e-4
"""Largest difference allowed between a score of the export and of the trained network."""

ODD = (slice(96), slice(160))
"""Part of the first image that is compared too; its sides are not multiples of 64."""

OPSET = 18  # newest opset of ONNX that tf2onnx 1.17 writes


class Parity(NamedTuple):
    """Comparison of an exported network with the trained one.

    Attributes:
        largest: Largest difference of the scores of a pixel; infinite if the sizes differ.
        pixels: Number of compared pixels, each with all classes.
    """

    largest: float
    pixels: int


def export(
    model: Any,
    card: ModelCard,
    form: Format,
    path: Path,
    images: Sequence[Grey],
    *,
    names: Sequence[str] = (),
    source: object = "the network",
) -> Parity:
    """Export a network, and keep the export only if its scores equal the network's.

    Args:
        model: Network, grey [B, h, w, 1] uint8 -> logits [B, h, w, C] float32, and image logits
            [B, C] with a classification head.
        card: Model card of the export.
        form: Format of the export.
        path: Path of the file, or of the folder of a SavedModel; an existing one is replaced.
        images: Images [H, W] for the comparison.
        names: Their names, for messages.
        source: File of the network's weights, for messages.

    Raises:
        NotFiniteError: A score of the network or of its export is not a number from 0 to 1.
        UserError: A package is missing.
        RunFailedError: A score differs by more than 1e-4; an existing export is kept.
    """
    write, read = FORMATS[form]
    module = _module(model)
    trained = Predictor(
        card, "trained", lambda grey: _network_scores(module.scores(grey)), source=source
    )
    with replacing(path) as partial:
        write(module, card, partial)
        exported = read(partial)._replace(source=path)
        parity = compare(trained, exported, [*images, images[0][ODD]], names)
        if not parity.largest <= TOLERANCE:
            raise RunFailedError(
                f"{form}: its scores differ from the trained network's by up to "
                f"{parity.largest:.1e} on {len(images)} images; allowed is {TOLERANCE:g}, so "
                f"nothing is written to {path}"
            )
        remove(path)
    return parity


def replaced_weights(form: Format, path: Path, card: ModelCard) -> str | None:
    """The weights of the export that is there, in words; None if the new one has the same."""
    if not path.exists():
        return None
    try:
        weights = read_card(_CARD_TEXTS[form](path), path).weights
    except Exception:  # a broken file; each format has errors of its own
        return "unknown weights (its model card cannot be read)"
    if weights == card.weights:
        return None
    return "unknown weights" if weights is None else f"the weights {weights[:8]}"


def compare(
    one: Predictor, other: Predictor, images: Sequence[Grey], names: Sequence[str] = ()
) -> Parity:
    """Compare all scores of two networks on images of any size; names are for messages."""
    largest = 0.0
    pixels = 0
    for number, grey in enumerate(images):
        name = names[number] if number < len(names) else f"image {number + 1} of the comparison"
        for scores, others in zip(one.scores(grey, name), other.scores(grey, name), strict=True):
            if scores is None and others is None:
                continue
            if scores is None or others is None or scores.shape != others.shape:
                return Parity(math.inf, pixels)
            largest = float(np.maximum(largest, np.abs(scores - others).max()))  # keeps NaN
        pixels += grey.size
    return Parity(largest, pixels)


def _module(model: Any) -> Any:
    """The tf.Module to export, with the weights and a function `scores` of grey images."""

    @tf.function(  # type: ignore[untyped-decorator]  # TensorFlow has no types
        input_signature=[tf.TensorSpec((None, None, None, 1), tf.uint8, name="grey")]
    )
    def scores_of(grey: Tensor) -> dict[str, Tensor]:
        logits, image_logits = outputs_of(model, grey)
        scores = {SCORES: tf.sigmoid(logits)}
        return scores if image_logits is None else scores | {IMAGE_SCORES: tf.sigmoid(image_logits)}

    module = tf.Module()
    module.model = model
    module.scores = scores_of
    return module


def _network_scores(outputs: Mapping[str, Tensor]) -> NetworkScores:
    """The outputs of a module's scores as arrays."""
    image = outputs.get(IMAGE_SCORES)
    return NetworkScores(outputs[SCORES].numpy(), None if image is None else image.numpy())


def _write_onnx(module: Any, card: ModelCard, path: Path) -> None:
    try:
        import tf2onnx
    except ImportError:
        raise UserError(f"tf2onnx is missing: {install_line('export')}") from None
    with silence(), _without_warnings():
        proto, _ = tf2onnx.convert.from_function(
            module.scores, input_signature=module.scores.input_signature, opset=OPSET
        )
    normalize(proto)
    path.write_bytes(onnx_content(proto, card))


def _write_savedmodel(module: Any, card: ModelCard, path: Path) -> None:
    try:
        with silence():
            tf.saved_model.save(module, str(path), signatures={"serving_default": module.scores})
    except tf.errors.OpError as error:  # a full disk; its text ends "FILE; File too large [Op:...]"
        raise OSError(errno.EIO, reason(error).rpartition("; ")[2], str(path)) from error
    extra = path / "assets.extra"
    extra.mkdir()
    named = card.model_copy(update={"network": _hash_files(path)})
    (extra / f"{KEY}.json").write_text(card_text(named) + "\n", "utf-8")


def _hash_files(folder: Path) -> str:
    """Hash of the names and contents of all files of a folder but its card."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    parts = [
        f"{name} {hash_bytes(files[name].read_bytes())}"
        for name in sorted(files)
        if files[name].is_file() and files[name].name != f"{KEY}.json"
    ]
    return hash_bytes("\n".join(parts).encode())


def _onnx_card(path: Path) -> str:
    return (card_bytes(path.read_bytes()) or b"").decode()


def _savedmodel_card(path: Path) -> str:
    return (path / "assets.extra" / f"{KEY}.json").read_text("utf-8")


def _tflite_card(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        return archive.read(f"{KEY}.json").decode()


def _read_savedmodel(path: Path) -> Predictor:
    loaded = tf.saved_model.load(str(path))
    score = loaded.signatures["serving_default"]
    return Predictor(
        card=read_card(_savedmodel_card(path), path, network=_hash_files(path)),
        runtime="savedmodel",
        score=lambda grey: _network_scores(score(grey=tf.constant(grey))),
    )


def _write_tflite(module: Any, card: ModelCard, path: Path) -> None:
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [module.scores.get_concrete_function()], module
    )
    with silence():
        content = converter.convert()
    path.write_bytes(content)
    with zipfile.ZipFile(path, "a") as archive:
        named = card.model_copy(update={"network": hash_bytes(content)})
        archive.writestr(f"{KEY}.json", card_text(named))


def _hash_before_archive(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        begin = min(entry.header_offset for entry in archive.infolist())
    return hash_bytes(path.read_bytes()[:begin])


def _read_tflite(path: Path) -> Predictor:
    card = read_card(_tflite_card(path), path, network=_hash_before_archive(path))
    with silence(), _without_warnings():  # a warning that tf.lite moves to another package
        interpreter = tf.lite.Interpreter(str(path))
    input_index = interpreter.get_input_details()[0]["index"]
    indices = {
        len(each["shape_signature"]): each["index"] for each in interpreter.get_output_details()
    }

    def output(dimensions: int) -> Scores:
        scores: Scores = interpreter.get_tensor(indices[dimensions])
        return scores

    def score(grey: Grey) -> NetworkScores:
        interpreter.resize_tensor_input(input_index, grey.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(input_index, grey)
        interpreter.invoke()
        return NetworkScores(output(4), output(2) if 2 in indices else None)

    return Predictor(card, "tflite", score)


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
"""Writer and reader of each format."""

_CARD_TEXTS: dict[Format, Callable[[Path], str]] = {
    "onnx": _onnx_card,
    "savedmodel": _savedmodel_card,
    "tflite": _tflite_card,
}
