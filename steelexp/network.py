"""The network of a plan, with its loss and optimizer, and what evaluates it."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from steelexp.data.tile_size import sides
from steelexp.epoch_profile import EpochProfile
from steelexp.evaluation.evaluator import Evaluator
from steelexp.evaluation.network_functions import NetworkFunctions
from steelexp.lazy import tf
from steelexp.model.architectures import ARCHITECTURES
from steelexp.model.assembly import Decoder
from steelexp.model.classification_head import HEADS, ClassificationHead
from steelexp.model.fused_adam import fused
from steelexp.model.fused_gradients import fuse_gradients
from steelexp.model.loss_schedule import Loss, mix_losses
from steelexp.model.losses import LOSSES
from steelexp.model.optimizers import OPTIMIZERS
from steelexp.model.step_noise import follow_steps
from steelexp.model.transfer import take_all, take_encoder
from steelexp.model.winograd import use_winograd
from steelexp.plan import Plan, weighted_losses
from steelexp.spec import Component, ExperimentSpec
from steelexp.spec.training_section import TrainingSpec
from steelexp.training.accumulation import Accumulation
from steelexp.training.encoder import EncoderTraining
from steelexp.training.execution import Execution
from steelexp.training.fit import compile_model, optimizer_steps


class Network(NamedTuple):
    """A compiled network.

    Attributes:
        model: Keras model with its loss and optimizer.
        main_loss_weight: Weight of the main loss beside the warm-up loss, a tf.Variable from 0
            to 1.
        noise_seed: Seed of dropout, a tf.Variable; None where its noise is not that of the steps.
        functions: Functions that evaluate it.
        accumulation: Its training step where batches are accumulated; None where they are not.
        encoder: Schedule that freezes its encoder or slows it down; None without one.
    """

    model: Any
    main_loss_weight: Any
    noise_seed: Any
    functions: NetworkFunctions
    accumulation: Accumulation | None = None
    encoder: EncoderTraining | None = None


BuildNetwork = Callable[[Plan, Execution], Network]


def compiled_network(plan: Plan, execution: Execution) -> Network:
    """The network with its loss and optimizer, before any training.

    Args:
        plan: Plan of the run.
        execution: Choices of TensorFlow's computation.
    """
    spec = plan.spec
    main_loss_weight = tf.Variable(1.0, trainable=False)
    model = untrained_model(plan, execution)
    if execution.gradients == "fused":
        fuse_gradients(model)
    if execution.convolutions == "winograd":
        use_winograd(model)
    main_loss = loss_of(plan, spec.loss)
    loss = main_loss
    if spec.loss_warm_up.epochs:
        loss = mix_losses(
            loss_of(plan, spec.loss_warm_up),
            main_loss,
            main_loss_weight,
            branches=not execution.xla,
        )
    head = head_of(spec, plan.class_count)
    head_loss = None if head is None else head.loss
    optimizer = spec.optimizer.bind(OPTIMIZERS)()
    optimizer = fused(optimizer) if execution.adam == "fused" else optimizer
    encoder = encoder_training(model, spec.training)
    if encoder is not None:
        encoder.adapt(optimizer)
    compile_model(
        model,
        loss=loss,
        head_loss=head_loss,
        optimizer=optimizer,
        classes=plan.class_count,
        has_ignore=plan.trains_with_ignored,
        xla=execution.xla,
    )
    accumulation = None
    if spec.training.accumulate > 1:
        accumulation = Accumulation(model, spec.training.accumulate)
    noise_seed = None
    if execution.noise == "steps":
        step = optimizer_steps(model) if accumulation is None else accumulation.batch
        noise_seed = follow_steps(model, spec.seed, step)
    functions = NetworkFunctions(
        model,
        main_loss,
        head_loss=head_loss,
        classes=plan.class_count,
        threshold=spec.training.threshold,
        has_ignore=plan.dataset.has_ignore,
    )
    return Network(model, main_loss_weight, noise_seed, functions, accumulation, encoder)


def encoder_training(model: Any, settings: TrainingSpec) -> EncoderTraining | None:
    """What freezes the encoder of a network or slows it down; None where nothing does.

    Args:
        model: Network that has not been compiled.
        settings: Training section of the spec.
    """
    frozen_epochs = settings.freeze_encoder_epochs
    rate_factor = settings.encoder_lr_factor
    if not frozen_epochs and rate_factor == 1.0:
        return None
    return EncoderTraining(model, frozen_epochs=frozen_epochs, rate_factor=rate_factor)


def untrained_model(plan: Plan, execution: Execution) -> Any:
    """The network with the initial weights of TensorFlow's seed, not compiled.

    Weights of the run that it starts with take their place.
    """
    start = plan.start
    if start is None:
        return _network(plan.spec, plan.spec.model, plan.class_count, execution.decoder)
    model = network_without_weights(plan.spec, plan.class_count, decoder=execution.decoder)
    # Where that run is gone, the weights of an earlier session of this one follow.
    if start.file.is_file() or not plan.folder.last_weights.is_file():
        weights = start.read_weights()
        if start.take == "encoder":
            take_encoder(model, weights, source=start.folder)
        else:
            new_classes = start.classes != plan.dataset.classes
            take_all(model, weights, source=start.folder, new_classes=new_classes)
    return model


def network_without_weights(
    spec: ExperimentSpec, classes: int, *, decoder: Decoder = "plain"
) -> Any:
    """The network with random weights; nothing is read or downloaded.

    Args:
        spec: Spec of the network.
        classes: Number of classes.
        decoder: Form of the decoder.
    """
    model: Component = spec.model
    if "weights" in model.settings:
        model = model.model_copy(update={"weights": "none"})
    return _network(spec, model, classes, decoder)


def _network(spec: ExperimentSpec, model: Component, classes: int, decoder: Decoder) -> Any:
    head = head_of(spec, classes)
    attach = None if head is None else head.attach
    return model.bind(ARCHITECTURES)(classes, decoder, attach)


def head_of(spec: ExperimentSpec, classes: int) -> ClassificationHead | None:
    """The classification head of a spec for its training tiles; None without one."""
    size = spec.tiling.settings.get("size")
    tile = None if size is None else sides(size)
    head: ClassificationHead | None = spec.head.bind(HEADS)(classes, tile)
    return head


def evaluator_of(plan: Plan, network: Network, profile: EpochProfile | None = None) -> Evaluator:
    """The evaluator of a plan's network on its validation and test images."""
    spec = plan.spec
    return Evaluator(
        network.functions,
        spec.training,
        spec.postprocessing.metric,
        plan.dataset,
        plan.groups,
        plan.split,
        plan.tiling,
        spec.seed,
        plan.folder.best_weights,
        profile,
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
