"""One run that several workers train: the chief decides, the others follow.

Workers take part in one another's training steps, so all of them must make the same steps. The
state to begin with, and each epoch's validation metrics, from which early stopping, the learning
rate and divergence follow, are the chief's. The others take them over, and write nothing.
"""

import platform
from pathlib import Path
from typing import Any

from steelexp.data import pipeline
from steelexp.errors import UserError
from steelexp.experiment import network_on_devices, run, training_batches
from steelexp.plan import Plan, SpecModel, prepare
from steelexp.search.ray_train import Worker
from steelexp.training import checkpoint
from steelexp.training.epoch import Methods
from steelexp.training.execution import Execution, execution_of_run
from steelexp.training.fit import fit


def run_as_worker(spec: dict[str, Any], runs: Path, command: str, worker: Worker) -> None:
    """Run an experiment together with other workers.

    Args:
        spec: The resolved spec as plain values.
        runs: Folder of the run folders, shared by all workers.
        command: Command that runs the experiment again, for the record.
        worker: This worker.

    Raises:
        UserError: The run cannot start, or this worker's data or weights are not the chief's.
    """
    plan = prepare(SpecModel.model_validate(spec), runs)
    digest, finished, execution = worker.broadcast(
        (plan.digest, plan.folder.is_finished, execution_of_run(plan.folder.path))
    )
    if plan.digest != digest:
        raise UserError(
            f"training.workers: on {platform.node()} the data, the split or the weights file is "
            f"not the chief's (digest {plan.digest} instead of {digest}); give every machine the "
            "same files"
        )
    if finished:
        return
    if worker.chief:
        run(plan, command=command, execution=execution, broadcast=worker.broadcast)
    else:
        _train_along(plan, worker, execution)


def _train_along(plan: Plan, worker: Worker, execution: Execution) -> None:
    """Take part in the chief's training; the chief evaluates and saves."""
    network, _ = network_on_devices(plan, execution)
    model = network.model
    with pipeline.original_errors():
        history, weights = worker.broadcast(None)
        last = plan.folder.last_weights
        if history and last.is_file():
            checkpoint.restore(last, model, plan.digest)
        if checkpoint.weights_hash(model) != weights:
            raise UserError(
                f"{last}: {platform.node()} has other weights there than the chief; give --runs a "
                "folder that all machines share"
            )
        fit(
            model,
            plan.spec,
            history,
            batches=lambda epoch: training_batches(plan, epoch, network.main_loss_weight),
            validate=lambda epoch, is_last: worker.broadcast(None),
            on_epoch_end=lambda epoch, best: None,
            methods=Methods(encoder=network.encoder),
        )
