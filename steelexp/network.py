"""The network of a plan, with its loss and optimizer, and what evaluates it."""

import functools
from typing import Any

from steelexp.evaluation.evaluator import Evaluator
from steelexp.lazy import tf
from steelexp.model.architectures import ARCHITECTURES
from steelexp.model.fused_adam import fused
from steelexp.model.loss_schedule import Loss, mix_losses
from steelexp.model.losses import LOSSES
from steelexp.model.optimizers import OPTIMIZERS
from steelexp.model.unet import Decoder
from steelexp.plan import Plan, weighted_losses
from steelexp.spec import Component
from steelexp.training.execution import Execution
from steelexp.training.fit import compile_model


def compiled_network(plan: Plan, execution: Execution) -> tuple[Any, Any]:
    """The network with its loss and optimizer, before any training.

    Args:
        plan: Plan of the run.
        execution: How TensorFlow computes it.

    Returns:
        The Keras model, and the weight of the main loss beside the warm-up loss, a
        tf.Variable from 0 to 1.
    """
    spec = plan.spec
    main_loss_weight = tf.Variable(1.0, trainable=False)
    model = spec.model.bind(ARCHITECTURES)(plan.class_count, execution.decoder)
    loss = loss_of(plan, spec.loss)
    if spec.loss_warm_up.epochs:
        loss = mix_losses(loss_of(plan, spec.loss_warm_up), loss, main_loss_weight)
    optimizer = spec.optimizer.bind(OPTIMIZERS)()
    compile_model(
        model,
        loss=loss,
        optimizer=fused(optimizer) if execution.adam == "fused" else optimizer,
        classes=plan.class_count,
        has_ignore=plan.dataset.has_ignore,
    )
    return model, main_loss_weight


def network_without_weights(model: Component, classes: int, *, decoder: Decoder = "plain") -> Any:
    """The network with random weights; nothing is read or downloaded.

    Args:
        model: Model section of a spec.
        classes: Number of classes.
        decoder: Form of the decoder.
    """
    if "weights" in model.settings:
        model = model.model_copy(update={"weights": "none"})
    return model.bind(ARCHITECTURES)(classes, decoder)


def evaluator_of(plan: Plan, model: Any) -> Evaluator:
    """The evaluator of a plan's network on its validation and test images."""
    spec = plan.spec
    return Evaluator(
        model,
        loss_of(plan, spec.loss),
        spec.training,
        spec.postprocessing.metric,
        plan.dataset,
        plan.groups,
        plan.split,
        plan.tiling,
        spec.seed,
        plan.folder.best_weights,
    )


def loss_of(plan: Plan, component: Component) -> Loss:
    """A loss with its settings and the class weights that it takes, tried on one pixel.

    Args:
        plan: Plan with the class weights.
        component: Loss section of the spec.

    Raises:
        UserError: The loss does not fit the number of classes.
    """
    loss = component.bind(LOSSES)
    if plan.class_weights is not None and component.choice in weighted_losses():
        loss = functools.partial(loss, class_weights=plan.class_weights)
    pixel = tf.zeros([1, 1, 1, plan.class_count])
    loss(pixel, pixel)
    return loss
