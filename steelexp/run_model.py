"""The trained network of a finished run, from its folder alone; no data set is needed."""

from pathlib import Path
from typing import Any

from steelexp.command_line import command_line
from steelexp.errors import UserError, reason
from steelexp.inference.predictor import Predictor
from steelexp.inference.scoring import build_scorer
from steelexp.model.finiteness import check_weights
from steelexp.network import network_without_weights
from steelexp.plan import SpecModel
from steelexp.records.model_card import ModelCard, card_of
from steelexp.records.store import RunFolder
from steelexp.spec import ExperimentSpec, load
from steelexp.training import runtime
from steelexp.training.checkpoint import weights_hash


def run_card(folder: RunFolder) -> ModelCard:
    """Classes and post-processing of a finished run.

    Raises:
        UserError: The run is unfinished.
    """
    return card_of(folder.finished_record())


def load_model(folder: RunFolder, *, precision: str | None = None) -> Any:
    """The network with the weights of the best epoch.

    Args:
        folder: Folder of a finished run.
        precision: float32 or mixed_float16; None for the run's own.

    Returns:
        tf_keras.Model: grey [B, h, w, 1] uint8 -> logits [B, h, w, C] float32.

    Raises:
        UserError: The run is unfinished, or its weights are missing or of another network.
    """
    card = run_card(folder)
    classes = len(card.classes)
    spec: ExperimentSpec = load(folder.path / "spec.yaml", model=SpecModel)
    runtime.prepare(seed=spec.seed, precision=precision or spec.training.precision)
    model = network_without_weights(spec.model, classes)
    _load(model, folder.best_weights)
    check_weights(model, folder.best_weights)
    if card.weights not in (None, weights_hash(model)):
        raise UserError(
            f"{folder.best_weights}: not the weights that record.json was written for; restore "
            f"them, or evaluate them: {command_line('evaluate', folder.path)}"
        )
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


def load_predictor(folder: RunFolder) -> Predictor:
    """The trained network of a finished run, run by TensorFlow.

    Raises:
        UserError: The run is unfinished, or its weights are missing or of another network.
    """
    model = load_model(folder)
    return Predictor(
        card=run_card(folder),
        runtime="tensorflow",
        score=build_scorer(model),
        network=weights_hash(model),
        source=folder.best_weights,
    )
