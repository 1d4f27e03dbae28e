"""Weights of one network in another, by the names of the variables.

segmentation-models names its variables by layer, or numbers them from the first. So networks of one
architecture and backbone have the same names, and so have the encoders of one backbone. A head is
not part of the architecture.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from steelexp.errors import UserError
from steelexp.lazy import keras
from steelexp.model.assembly import encoder_variables
from steelexp.progress import say

WeightsByName = Mapping[str, npt.NDArray[Any]]


def take_all(model: Any, weights: WeightsByName, *, source: str, new_classes: bool) -> None:
    """Give a network all weights of another one of its architecture.

    Args:
        model: Network.
        weights: Name of each variable of the other network -> its value.
        source: Name of the other network, for messages.
        new_classes: Whether the classes are others, so that the layers which score them begin anew.

    Raises:
        UserError: The other network lacks a weight, or has one of another shape.
    """
    network = next(layer for layer in model.layers if isinstance(layer, keras.Model))
    head = {v.name for v in model.weights} - {v.name for v in network.weights}
    anew = (
        {v.name for layer in _last_layers(model) for v in layer.weights} if new_classes else set()
    )
    if missing := head - weights.keys():
        anew |= missing
        say(f"{source}: it has no head, so that of this run begins anew")
    _assign([v for v in model.weights if v.name not in anew], weights, source)


def take_encoder(model: Any, weights: WeightsByName, *, source: str) -> None:
    """Give a network the weights of the encoder of another one with its backbone.

    Args:
        model: Network.
        weights: Name of each variable of the other network -> its value.
        source: Name of the other network, for messages.

    Raises:
        UserError: The other network lacks a weight, or has one of another shape.
    """
    _assign(encoder_variables(model), weights, source)


def _assign(variables: list[Any], weights: WeightsByName, source: str) -> None:
    for variable in variables:
        value = weights.get(variable.name)
        if value is None or value.shape != tuple(variable.shape):
            has = "none" if value is None else f"one of {' x '.join(map(str, value.shape))}"
            raise UserError(
                f"model.start: {source}: it has no weight {variable.name} of "
                f"{' x '.join(map(str, variable.shape))}, but {has}; start with a run of the same "
                "network, or set model.start_weights=encoder"
            )
    for variable in variables:
        variable.assign(np.asarray(weights[variable.name]))


def _last_layers(model: Any) -> Iterator[Any]:
    """The last layers with weights before each output of a network."""
    for output in model.outputs:
        yield from _last_before(output)


def _last_before(tensor: Any) -> Iterator[Any]:
    layer, node, index = tensor._keras_history  # tf_keras has no public way back from a tensor
    if isinstance(layer, keras.Model):
        yield from _last_before(layer.outputs[index])
    elif layer.weights:
        yield layer
    else:
        inputs = layer._inbound_nodes[node].keras_inputs
        for each in inputs if not isinstance(layer, keras.layers.InputLayer) else ():
            yield from _last_before(each)
