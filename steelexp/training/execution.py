"""How TensorFlow computes a run: the choices that change bits, from the processor's features.

They follow from what the processor has, never from a timing, so that two machines of a kind compute
the same bits. The first session of a run writes them to environment.json. A resumed run,
`reproduce` and later evaluations take what is written there.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import TypeAdapter, ValidationError

from steelexp.cores import available_cores
from steelexp.errors import UserError, reason
from steelexp.lazy import tf
from steelexp.model.assembly import Decoder
from steelexp.model.fused_adam import Adam
from steelexp.model.fused_gradients import Gradients
from steelexp.records.machine import Feature, features, instruction_sets
from steelexp.records.provenance import ENVIRONMENT, EXECUTION, first_facts
from steelexp.spec.training_section import TrainingSpec

Convolutions = Literal["direct", "winograd"]


class Execution(NamedTuple):
    """The choices that change bits. A default is what runs had before there was the choice.

    Attributes:
        threads: Threads among which an operation is divided.
        remapper: Whether TensorFlow's optimizer fuses operations, such as convolution, bias and
            activation.
        decoder: Form of the network's decoder; weights and function are the same in all.
        adam: Form of Adam's step: many small operations, or one for each weight.
        gradients: Form of the gradients of EfficientNet's layers.
        convolutions: Form of 3 x 3 convolutions in training.
        noise: Source of the noise of dropout: the state of TensorFlow's kernels, which no
            checkpoint has, or the optimizer's steps.
        xla: Whether XLA compiles the training step.
    """

    threads: int
    remapper: bool = False
    decoder: Decoder = "plain"
    adam: Adam = "plain"
    gradients: Gradients = "plain"
    noise: Literal["kernels", "steps"] = "kernels"
    xla: bool = False
    convolutions: Convolutions = "direct"


class Wishes(NamedTuple):
    """What the spec of a run chooses itself.

    Attributes:
        xla: Whether XLA compiles the training step.
        convolutions: Form of 3 x 3 convolutions in training.
    """

    xla: bool = False
    convolutions: Convolutions = "direct"


_NO_WISHES = Wishes()


class _Choice(NamedTuple):
    remapper: bool
    decoder: Decoder
    adam: Adam
    gradients: Gradients


# The first feature that the machine has decides.
# The folded decoder, beside the plain one, training steps on 2 cores (benchmarks/training_step.py):
# 1.37 times as fast for mobilenetv2 and 1.24 for EfficientNet-B0 on AVX-512, 1.42 and 1.36 with
# ONEDNN_MAX_CPU_ISA=AVX2. The remapper was no faster on AVX-512.
# On AVX2 oneDNN runs the fused convolutions ten times slower: a 256 x 1600 image took 8.4 s against
# 0.9 s, mobilenet U-Net, 2 cores.
_CHOICES: Mapping[Feature, _Choice] = {
    # tf_keras has XLA fuse Adam there.
    "gpu": _Choice(remapper=True, decoder="plain", adam="plain", gradients="plain"),
    "amx": _Choice(remapper=False, decoder="folded", adam="fused", gradients="fused"),
    "avx512": _Choice(remapper=False, decoder="folded", adam="fused", gradients="fused"),
    "avx2": _Choice(remapper=False, decoder="folded", adam="fused", gradients="fused"),
}
_ELSEWHERE = _Choice(remapper=False, decoder="plain", adam="plain", gradients="plain")


def execution_of(has: frozenset[Feature], *, cores: int, wishes: Wishes = _NO_WISHES) -> Execution:
    """The choices for a machine.

    Args:
        has: Features of the processor; "gpu" where there is a GPU.
        cores: Cores that the run may use.
        wishes: Choices of the spec. XLA has no gradient of the upsampling in the plain decoder,
            so the decoder is folded with it.
    """
    choice = next((_CHOICES[feature] for feature in _CHOICES if feature in has), _ELSEWHERE)
    execution = Execution(cores, **(choice._asdict() | wishes._asdict()), noise="steps")
    return execution._replace(decoder="folded") if wishes.xla else execution


def execution_here(wishes: Wishes = _NO_WISHES) -> Execution:
    """The choices for this machine; see `execution_of`."""
    return execution_of(features_here(), cores=available_cores(), wishes=wishes)


def wishes_of(spec: TrainingSpec) -> Wishes:
    """What the training section of a spec chooses."""
    return Wishes(spec.xla, spec.convolutions)


def features_here() -> frozenset[Feature]:
    """Features of this machine that choices depend on, "gpu" among them where there is one."""
    gpus: frozenset[Feature] = frozenset(["gpu"] if tf.config.list_physical_devices("GPU") else [])
    return features() | gpus


def execution_of_run(
    folder: Path, *, new: Execution | None = None, wishes: Wishes = _NO_WISHES
) -> Execution:
    """The choices that the first session of a run made.

    Where the file of the first session is damaged, which resuming says, a later session's counts.

    Args:
        folder: Run folder.
        new: The choices if the run has not begun; None for those for this machine.
        wishes: Choices of the spec of a run that has not begun.

    Raises:
        UserError: Another version of steelexp made choices that this one does not know.
    """
    facts = first_facts(folder)
    if facts is None:
        return new or execution_here(wishes)
    return recorded_execution(facts, folder / ENVIRONMENT)


def recorded_execution(facts: Mapping[str, Any], source: Path) -> Execution:
    """The choices among the facts of a session.

    Args:
        facts: Facts of a session, or provenance of a record.
        source: File that holds them, for a message.

    Raises:
        UserError: Another version of steelexp made choices that this one does not know.
    """
    if EXECUTION not in facts:  # written before there was a choice
        return Execution(facts.get("cores") or available_cores(), "gpu" in features_here())
    try:
        return TypeAdapter(Execution).validate_python(facts[EXECUTION])
    except ValidationError as error:
        raise UserError(
            f"{source}: {EXECUTION}: not known to this version of steelexp ({reason(error)}); go "
            "on with the version that wrote it, or begin anew with --fresh"
        ) from None


def execution_of_weights(facts: Mapping[str, Any], source: Path) -> Execution:
    """The choices to evaluate the weights of a finished run with.

    With other instruction sets than the run's no bits can be equal. Then the choices are those for
    this machine: fused convolutions of a run on AVX-512 would be slow on AVX2.

    Args:
        facts: Provenance of the run's record.
        source: File that holds them, for a message.

    Raises:
        UserError: Another version of steelexp made choices that this one does not know.
    """
    recorded = recorded_execution(facts, source)
    return recorded if facts.get("instruction_sets") == instruction_sets() else execution_here()
