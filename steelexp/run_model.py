"""A finished run's network, rebuilt from its folder; the data set need not be there."""

from pathlib import Path
from typing import Any

from steelexp.errors import UserError, reason
from steelexp.inference.predictor import Predictor
from steelexp.inference.scoring import scorer
from steelexp.model.unet import ARCHITECTURES
from steelexp.plan import SpecModel
from steelexp.records.model_card import ModelCard, card_of
from steelexp.records.store import RunFolder
from steelexp.spec import ExperimentSpec, load
from steelexp.training import runtime


def run_card(folder: RunFolder) -> ModelCard:
    """Classes and decisions of a finished run.

    Raises:
        UserError: the run has no record yet.
    """
    if folder.record is None:
        raise UserError(f"{folder.path}: unfinished; run its spec again to go on")
    return card_of(folder.record)


def load_model(folder: RunFolder, *, precision: str | None = None) -> Any:
    """The network with the weights of the best epoch.

    Args:
        folder: of a finished run.
        precision: float32 or mixed_float16; the run's own when absent.

    Returns:
        tf_keras.Model: grey [B, h, w, 1] uint8 -> logits [B, h, w, C] float32.

    Raises:
        UserError: the run has no record yet, or its weights are gone or of another network.
    """
    classes = len(run_card(folder).classes)
    spec: ExperimentSpec = load(folder.path / "spec.yaml", model=SpecModel)
    runtime.prepare(seed=spec.seed, precision=precision or spec.training.precision)
    blank = spec.model.model_copy(update={"weights": "none"})  # the run's own weights follow
    model = blank.bind(ARCHITECTURES)(classes)
    _load(model, folder.best_weights)
    return model


def _load(model: Any, weights: Path) -> None:
    if not weights.is_file():
        raise UserError(f"{weights}: no such file; the run's weights were moved or removed")
    try:
        model.load_weights(weights)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{weights}: not the weights of this run's network ({reason(error)})"
        ) from None


def predictor(folder: RunFolder) -> Predictor:
    """A finished run's network, run by TensorFlow.

    Raises:
        UserError: as for `network`.
    """
    card = run_card(folder)
    return Predictor(card=card, runtime="tensorflow", score=scorer(load_model(folder)))
