"""The network of one trial of a search, used again by the next trial with the same graph.

To build a network and to trace its functions takes seconds, in large networks more than an epoch of
a short trial. A network that is used again starts from the initial weights and the empty optimizer
of a new one, so that its training is that of a process of its own, bit for bit.
"""

import gc
import json
from typing import Any

import numpy as np

from steelexp.lazy import keras, tf
from steelexp.network import Network, compiled_network, untrained_model
from steelexp.plan import Plan
from steelexp.training.checkpoint import optimizer_state
from steelexp.training.execution import Execution


class NetworkMemory:
    """Keeps the network of one trial. Any other graph takes its place."""

    def __init__(self) -> None:
        self._graph = ""
        self._network: Network | None = None
        self._state: InitialState | None = None

    def network(self, plan: Plan, execution: Execution) -> Network:
        """The compiled network of a plan, before any training.

        Args:
            plan: Plan whose seed TensorFlow has been given.
            execution: Choices of TensorFlow's computation.
        """
        self.forget_others(plan, execution)
        if self._network is None or self._state is None:
            network = compiled_network(plan, execution)
            if not _draws_noise(network):
                self._graph = graph_of(plan, execution)
                self._network = network
                self._state = InitialState(network.model, plan.spec.seed)
            return network
        self._state.restore(self._network, plan, execution)
        return self._network

    def forget_others(self, plan: Plan, execution: Execution) -> None:
        """Keep the network only if a plan has the same graph."""
        if graph_of(plan, execution) != self._graph:
            self.forget()

    def forget(self) -> None:
        """Keep no network, and free its memory."""
        if self._network is not None:
            self._graph = ""
            self._network = None
            self._state = None
            gc.collect()


class InitialState:
    """The weights and the optimizer of a network before any training.

    Args:
        model: Compiled network.
        seed: Seed of its weights.
    """

    def __init__(self, model: Any, seed: int) -> None:
        self._seed = seed
        self._weights = model.get_weights()
        values = [variable.numpy() for variable in optimizer_state(model.optimizer)]
        self._optimizer = [value if np.any(value) else None for value in values]

    def restore(self, network: Network, plan: Plan, execution: Execution) -> None:
        """Give a network the weights and the optimizer of a new one.

        Args:
            network: Compiled network.
            plan: Plan whose seed TensorFlow has been given.
            execution: Choices of TensorFlow's computation.
        """
        if plan.spec.seed != self._seed:
            self._weights = untrained_model(plan, execution).get_weights()
            self._seed = plan.spec.seed
        model = network.model
        model.set_weights(self._weights)
        if network.noise_seed is not None:
            network.noise_seed.assign(self._seed)
        for variable, value in zip(optimizer_state(model.optimizer), self._optimizer, strict=True):
            variable.assign(tf.zeros_like(variable) if value is None else value)


def graph_of(plan: Plan, execution: Execution) -> str:
    """Everything that TensorFlow builds into the functions of a network, as text.

    The learning rate, the seed, the number of tiles and the weight of the main loss are not among
    it: they are variables, or come with the batches.
    """
    spec = plan.spec
    optimizer = spec.optimizer.model_dump(mode="json")
    del optimizer["learning_rate"]
    warm_up = spec.loss_warm_up.model_dump(mode="json", exclude={"epochs", "fade"})
    parts = {
        "execution": execution,
        "model": spec.model.model_dump(mode="json"),
        "head": spec.head.model_dump(mode="json"),
        "head_tile": str(spec.tiling.settings.get("size")),  # phases have tiles of their own
        "initial_weights": plan.initial_weights,
        "start": None if plan.start is None else plan.start.identity,
        "classes": plan.class_count,
        "ignore": [plan.dataset.has_ignore, plan.trains_with_ignored],
        "loss": spec.loss.model_dump(mode="json"),
        "loss_warm_up": warm_up if spec.loss_warm_up.epochs else None,
        "class_weights": None if plan.class_weights is None else plan.class_weights.tolist(),
        "optimizer": optimizer,
        "precision": spec.training.precision,
        "accumulate": spec.training.accumulate,
        "encoder": [spec.training.freeze_encoder_epochs, spec.training.encoder_lr_factor],
        "threshold": spec.training.threshold,
        "tile_sizes": [phase.tile_size for phase in plan.phases],
    }
    return json.dumps(parts, sort_keys=True)


def _draws_noise(network: Network) -> bool:
    """Whether a network draws noise from generators that would go on from trial to trial."""
    noise = [keras.layers.GaussianNoise, keras.layers.GaussianDropout]
    if network.noise_seed is None:
        noise.append(keras.layers.Dropout)
    return any(isinstance(part, tuple(noise)) for part in network.model.submodules)
