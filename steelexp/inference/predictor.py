"""A trained network with its post-processing, in any runtime."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from steelexp.checksum import hash_bytes
from steelexp.command_line import command_line, install_line
from steelexp.data.tiling import up_to_32
from steelexp.errors import UserError, explain_read_errors
from steelexp.inference.onnx_file import read_onnx_card
from steelexp.inference.postprocessing import postprocess
from steelexp.inference.scoring import score_windows
from steelexp.inference.windows import sliding_windows
from steelexp.limits import WEIGHTS_BYTES
from steelexp.model.finiteness import check_scores
from steelexp.records.model_card import ModelCard
from steelexp.regular_file import read_regular

Grey = npt.NDArray[np.uint8]
Scores = npt.NDArray[np.float32]


LARGEST_AREA = (
    2**22
)  # pixels of an image scored as a whole; a mobilenet U-Net needs about 1 kB per pixel
WINDOW = (1024, 1024)  # pixels of a sliding window, for larger images


class Predictor(NamedTuple):
    """A network and its post-processing.

    Attributes:
        card: Model card, with classes and post-processing rules.
        runtime: Name of the runtime.
        score: Function grey [B, h, w, 1] uint8, h and w multiples of 32 -> scores [B, h, w, C]
            float32.
        network: Hash of the network: of its weights, or of the .onnx file. A network that is
            trained again has another one; its card may be the same.
        source: File of the network, for messages.
    """

    card: ModelCard
    runtime: str
    score: Callable[[Grey], Scores]
    network: str = ""
    source: object = "the network"

    @property
    def classes(self) -> tuple[str, ...]:
        """[C] class names."""
        return tuple(self.card.classes)

    def scores(self, grey: Grey, image: object = "an image") -> Scores:
        """Scores of an image of any size: [H, W] -> [H, W, C], numbers from 0 to 1.

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
        check_scores(scores, len(self.card.classes), image=image, network=self.source)
        return scores

    def _scores(self, grey: Grey) -> Scores:
        height, width = grey.shape
        if height * width > LARGEST_AREA:
            return score_windows(
                self.score, grey, sliding_windows(WINDOW), max_pixels=WINDOW[0] * WINDOW[1]
            )
        padding = up_to_32(height) - height, up_to_32(width) - width
        padded = cv2.copyMakeBorder(grey, 0, padding[0], 0, padding[1], cv2.BORDER_REFLECT_101)
        return self.score(padded.astype(np.uint8, copy=False)[None, ..., None])[0, :height, :width]

    def postprocess(self, scores: Scores) -> npt.NDArray[np.bool_]:
        """Apply the post-processing rules: [H, W, C] scores -> [H, W, C] bool masks."""
        return postprocess(scores, list(self.card.classes.values()))


def onnx_predictor(file: Path, *, threads: int = 0) -> Predictor:
    """Load a network that `steelexp export` wrote, without TensorFlow.

    Args:
        file: Path of model.onnx.
        threads: Threads of an operator; 0 for one per core.

    Raises:
        UserError: there is no such file, ONNX Runtime is not installed, or the file is not
            such a network.
    """
    if not file.is_file():
        raise UserError(f"{file}: no such file; make it: {command_line('export', 'RUN')}")
    try:
        import onnxruntime
    except ImportError:
        raise UserError(
            f"--runtime onnx: ONNX Runtime is missing: {install_line('export')}"
        ) from None
    with explain_read_errors(file, "export the run again"):
        content = read_regular(file, WEIGHTS_BYTES)
    card = read_onnx_card(content, file)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.log_severity_level = 3  # errors
    try:
        session: Any = onnxruntime.InferenceSession(
            content, settings, providers=onnxruntime.get_available_providers()
        )
    except Exception as error:  # its classes are of no common kind
        raise UserError(f"{file}: not a network that ONNX Runtime takes ({error})") from None
    _check_layout(session, len(card.classes), file)
    return Predictor(
        card=card,
        runtime="onnx",
        score=lambda grey: session.run(["scores"], {"grey": grey})[0],
        network=hash_bytes(content),
        source=file,
    )


def _check_layout(session: Any, classes: int, file: Path) -> None:
    """Check that input and output of a network are those of an export with these classes.

    Raises:
        UserError: They are others.
    """
    layouts = [
        [(each.name, each.type, len(each.shape), each.shape[-1:]) for each in values]
        for values in (session.get_inputs(), session.get_outputs())
    ]
    wanted = [
        [("grey", "tensor(uint8)", 4, [1])],
        [("scores", "tensor(float)", 4, [classes])],
    ]
    for layout, each, noun in zip(layouts, wanted, ("input", "output"), strict=True):
        if layout != each:
            described = ", ".join(f"{name} {kind} {last}" for name, kind, _, last in layout)
            ((name, kind, _, (channels,)),) = each
            raise UserError(
                f"{file}: its {noun} is {described}, and its model card says {name} {kind} "
                f"[N, H, W, {channels}]; export the run again: {command_line('export', 'RUN')}"
            )
