"""A trained network with its post-processing, in any runtime."""

from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from steelexp.checksum import hash_bytes
from steelexp.command_line import install_line
from steelexp.data.tiling import up_to_32
from steelexp.errors import UserError
from steelexp.inference.onnx_file import Layout, check_layout, read_network
from steelexp.inference.postprocessing import postprocess
from steelexp.inference.scoring import NetworkScores, Scorer, layout_of, score_windows
from steelexp.model.finiteness import check_scores
from steelexp.records.model_card import ModelCard

Grey = npt.NDArray[np.uint8]
Scores = npt.NDArray[np.float32]


class Predictor(NamedTuple):
    """A network and its post-processing.

    Attributes:
        card: Model card, with classes and post-processing rules.
        runtime: Name of the runtime.
        score: Function grey [B, h, w, 1] uint8, h and w multiples of 32 -> scores of the batch.
        network: Hash of the network: of its weights, or of the .onnx file. A network that is
            trained again has another one; its card may be the same.
        source: File of the network, for messages.
        precision: Precision of the network's arithmetic.
        images: Number of images that `score` takes at the same time, from threads of their own.
    """

    card: ModelCard
    runtime: str
    score: Scorer
    network: str = ""
    source: object = "the network"
    precision: str = "float32"
    images: int = 1

    @property
    def classes(self) -> tuple[str, ...]:
        """[C] class names."""
        return tuple(self.card.classes)

    def scores(self, grey: Grey, image: object = "an image") -> NetworkScores:
        """Scores of an image of any size: [H, W] -> [H, W, C] and [C], numbers from 0 to 1.

        The image is padded by reflection to a multiple of 32, as in the evaluation of a run. An
        image of over 4 million pixels is scored by sliding windows, which bounds the memory of the
        network.

        Args:
            grey: Image.
            image: Name of the image, for messages.

        Raises:
            NotFiniteError: A score is not a number from 0 to 1.
        """
        scores = self._scores(grey)
        for each in (scores.pixels, scores.image):
            if each is not None:
                check_scores(each, len(self.card.classes), image=image, network=self.source)
        return scores

    def _scores(self, grey: Grey) -> NetworkScores:
        height, width = grey.shape
        if (layout := layout_of(height, width)) is not None:
            return score_windows(self.score, grey, layout, max_pixels=1)  # one window at a time
        padding = up_to_32(height) - height, up_to_32(width) - width
        padded = cv2.copyMakeBorder(grey, 0, padding[0], 0, padding[1], cv2.BORDER_REFLECT_101)
        pixels, image = self.score(padded.astype(np.uint8, copy=False)[None, ..., None])
        return NetworkScores(pixels[0, :height, :width], None if image is None else image[0])

    def postprocess(self, scores: NetworkScores) -> npt.NDArray[np.bool_]:
        """Apply the post-processing rules to the scores of an image: [H, W, C] bool masks."""
        return postprocess(scores.pixels, list(self.card.classes.values()), scores.image)


def onnx_predictor(file: Path, *, threads: int = 0) -> Predictor:
    """Load a network that `steelexp export` wrote, without TensorFlow.

    Args:
        file: Path of model.onnx.
        threads: Threads of an operator; 0 for one per core.

    Raises:
        UserError: there is no such file, ONNX Runtime is not installed, or the file is not
            such a network.
    """
    content, card = read_network(file)
    try:
        import onnxruntime
    except ImportError:
        raise UserError(
            f"--runtime onnx: ONNX Runtime is missing: {install_line('export')}"
        ) from None
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.log_severity_level = 3  # errors
    try:
        session: Any = onnxruntime.InferenceSession(
            content, settings, providers=onnxruntime.get_available_providers()
        )
    except Exception as error:  # its classes are of no common kind
        raise UserError(f"{file}: not a network that ONNX Runtime takes ({error})") from None
    names = check_layout(
        [Layout(each.name, each.type, each.shape) for each in session.get_inputs()],
        [Layout(each.name, each.type, each.shape) for each in session.get_outputs()],
        card,
        file,
    )
    return Predictor(
        card=card,
        runtime="onnx",
        score=lambda grey: NetworkScores(*session.run(names, {"grey": grey})),
        network=hash_bytes(content),
        source=file,
    )
