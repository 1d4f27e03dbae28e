"""The functions of a network that an evaluation calls, each traced at its first use."""

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from steelexp.evaluation.image_counts import Prediction, tile_evaluator, whole_image_counter
from steelexp.inference.scoring import Scorer, build_scorer
from steelexp.model.loss_schedule import Loss


class NetworkFunctions:
    """Functions that use the weights that a network has when they are called.

    Args:
        model: Network, grey [B, h, w, 1] -> logits [B, h, w, C], and image logits [B, C] with a
            classification head.
        loss: Loss, (y_true, logits, valid) -> [B].
        head_loss: Loss of the image logits; None without a classification head.
        classes: Number of classes, C.
        threshold: Score from which a pixel is predicted.
        has_ignore: Whether bit C of a mask marks ignored pixels.
    """

    def __init__(
        self,
        model: Any,
        loss: Loss,
        *,
        head_loss: Loss | None = None,
        classes: int,
        threshold: float,
        has_ignore: bool,
    ) -> None:
        self._model = model
        self._loss = loss
        self._head_loss = head_loss
        self._classes = classes
        self._threshold = threshold
        self._has_ignore = has_ignore

    @cached_property
    def count_images(self) -> Callable[[Iterable[Any], frozenset[int]], Prediction]:
        """Function that counts the pixels of whole images, see `whole_image_counter`."""
        return whole_image_counter(
            self._model, self._classes, self._threshold, has_ignore=self._has_ignore
        )

    @cached_property
    def evaluate_tiles(self) -> Callable[[Any], dict[str, float]]:
        """Function that computes the metrics of tiles, see `tile_evaluator`."""
        return tile_evaluator(
            self._model,
            self._classes,
            self._loss,
            head_loss=self._head_loss,
            has_ignore=self._has_ignore,
        )

    @cached_property
    def score(self) -> Scorer:
        """Function that scores images without test-time augmentation, see `build_scorer`."""
        return build_scorer(self._model)

    def scorer(self, *, flips: bool) -> Scorer:
        """Function that scores images.

        Args:
            flips: Whether to use test-time augmentation.
        """
        return build_scorer(self._model, flips=True) if flips else self.score
