"""The trained network of a finished run, from its folder alone; no data set is needed."""

from pathlib import Path
from typing import Any, Literal

from steelexp.cores import available_cores
from steelexp.errors import UserError, reason
from steelexp.inference.predictor import Predictor
from steelexp.inference.scoring import build_scorer
from steelexp.lazy import keras
from steelexp.model.assembly import Decoder
from steelexp.model.finiteness import check_weights
from steelexp.network import network_without_weights
from steelexp.plan import SpecModel
from steelexp.records.model_card import ModelCard, card_of
from steelexp.records.record import Record
from steelexp.records.store import RECORD, RunFolder
from steelexp.spec import ExperimentSpec, load
from steelexp.training import checkpoint, runtime
from steelexp.training.checkpoint import CheckpointError, weights_hash
from steelexp.training.execution import execution_of_weights
from steelexp.training.precision import evaluation_precision

_RESTORE = "restore it, or begin anew with --fresh"


def run_card(folder: RunFolder) -> ModelCard:
    """Classes and post-processing of a finished run.

    Raises:
        UserError: The run is unfinished.
    """
    return card_of(folder.finished_record())


def load_model(
    folder: RunFolder,
    *,
    precision: str | None = None,
    decoder: Decoder | None = None,
    at: Literal["best", "last"] = "best",
    threads: int | None = None,
) -> Any:
    """The network of a finished run with its weights.

    Args:
        folder: Folder of a finished run.
        precision: Policy of Keras; None for the run's own, or float32 where that cannot be had.
        decoder: Form of the decoder; None for the run's own. Other runtimes take the plain one.
        at: Epoch of the weights.
        threads: Threads of an operation; None for one per core.

    Returns:
        tf_keras.Model: grey [B, h, w, 1] uint8 -> logits [B, h, w, C] float32, and image logits
        [B, C] with a classification head.

    Raises:
        UserError: The run is unfinished, or its weights are missing or of another network.
    """
    record = folder.finished_record()
    classes = len(card_of(record).classes)
    spec: ExperimentSpec = load(folder.file("spec.yaml"), model=SpecModel)
    recorded = execution_of_weights(record.provenance, folder.path / RECORD)
    # Time counts more here than digits of the size of a rounding.
    execution = recorded._replace(threads=threads or available_cores())
    precision = precision or evaluation_precision(spec.training.precision)
    runtime.prepare(seed=spec.seed, precision=precision, execution=execution)
    model = network_without_weights(spec, classes, decoder=decoder or execution.decoder)
    file = folder.best_weights if at == "best" else folder.last_weights
    _load(model, file, record.digest)
    check_weights(model, file)
    if at == "best":
        check_recorded_weights(folder, record, model)
    return model


def check_recorded_weights(folder: RunFolder, record: Record, model: Any) -> None:
    """Check that a network has the weights that the record of its run was written for.

    Raises:
        UserError: It has others.
    """
    if record.weights != weights_hash(model):
        raise UserError(
            f"{folder.best_weights}: not the weights that {RECORD} was written for; {_RESTORE}"
        )


def _load(model: Any, weights: Path, digest: str) -> None:
    if not weights.is_file():
        raise UserError(f"{weights}: no such file; the run's weights were moved or removed")
    try:
        checkpoint.load_weights(weights, model, digest)
    except CheckpointError as error:
        raise UserError(f"{error}; {_RESTORE}") from None
    except ValueError as error:
        raise UserError(
            f"{weights}: not the weights of this run's network ({reason(error)}); {_RESTORE}"
        ) from None


def load_predictor(
    folder: RunFolder, *, at: Literal["best", "last"] = "best", threads: int | None = None
) -> Predictor:
    """The trained network of a finished run, run by TensorFlow.

    Args:
        folder: Folder of the run.
        at: Epoch of the weights. The post-processing of the card was tuned with those of the best.
        threads: Threads of an operation; None for one per core.

    Raises:
        UserError: The run is unfinished, or its weights are missing or of another network.
    """
    model = load_model(folder, at=at, threads=threads)
    return Predictor(
        card=run_card(folder),
        runtime="tensorflow",
        score=build_scorer(model),
        network=weights_hash(model),
        source=folder.best_weights if at == "best" else folder.last_weights,
        precision=keras.mixed_precision.global_policy().name,
    )
