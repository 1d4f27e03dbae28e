"""The training section of a spec: epochs, phases, devices, forms of the computation."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from steelexp.limits import Accumulate, BatchSize, Epochs, Overlays, Workers
from steelexp.metric_names import full_name
from steelexp.metrics import MONITORS, PRIMARY, is_on_tiles
from steelexp.spec.component import STRICT, Component

if TYPE_CHECKING:
    Monitor: TypeAlias = str
else:
    Monitor = Literal[MONITORS]


class TilingSpec(Component):
    """The positions of the tiles in an image."""

    selector: ClassVar[str] = "kind"
    kind: str


class PhaseSpec(BaseModel):
    """Epochs of a training with tiles of their own."""

    model_config = STRICT

    epochs: Epochs = Field(description="Number of epochs.")
    tiling: TilingSpec = Field(description="Tiles that train in these epochs.")
    batch_size: BatchSize | None = Field(
        None, description="Tiles in a batch of these epochs; null: training.batch_size."
    )
    learning_rate_factor: Annotated[float, Field(gt=0, le=100)] = Field(
        1.0, description="Factor by which the learning rate of these epochs is multiplied."
    )


class TrainingSpec(BaseModel):
    """Epochs, early stopping, learning-rate reduction, devices."""

    model_config = STRICT

    epochs: Epochs = Field(description="Largest number of epochs.")
    batch_size: BatchSize = Field(description="Tiles in a batch.")
    phases: list[PhaseSpec] = Field(
        [],
        max_length=20,
        description="Phases of the training, each with tiles of its own; none: the tiles of tiling "
        "in all epochs. The tiles of tiling are then those of the validation on tiles.",
    )
    monitor: Monitor = Field(
        full_name(PRIMARY, "val"),
        description="Metric that picks the best epoch; the lowest val_loss is the best.",
    )
    early_stopping_patience: Epochs | None = Field(
        None, description="Epochs without improvement until training stops; null: never."
    )
    reduce_lr_patience: Epochs | None = Field(
        None,
        description="Epochs without improvement until the learning rate is reduced; null: never.",
    )
    reduce_lr_factor: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.1, description="Factor by which the learning rate is multiplied."
    )
    threshold: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.5, description="Score threshold: pixels with at least this score are defects."
    )
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = Field(
        "float32",
        description="Precision. mixed_bfloat16 is for GPUs and for processors with AMX or "
        "AVX512_BF16, mixed_float16 for GPUs. Weights and logits stay float32.",
    )
    devices: Literal["one", "all"] = Field(
        "one",
        description="Train on one GPU, or share each batch among all; batch_size counts all tiles.",
    )
    workers: Workers = Field(
        1, description="Number of Ray workers that share each batch, each with its own device."
    )
    overlays: Overlays = Field(
        6, description="Number of validation images with an overlay after every epoch."
    )
    tile_validation_interval: Epochs = Field(
        1,
        description="Epochs from one validation on tiles to the next. Other epochs have no "
        "val_loss and no val_dice_batch; the last one always has them.",
    )

    @field_validator("phases")
    @classmethod
    def _fill_all_epochs(cls, phases: list[PhaseSpec], info: ValidationInfo) -> list[PhaseSpec]:
        epochs = info.data.get("epochs", 0)
        in_phases = sum(phase.epochs for phase in phases)
        if phases and in_phases < epochs:
            raise PydanticCustomError(
                "phases",
                f"they have {in_phases} epochs and training.epochs is {epochs}; add epochs to one, "
                f"or set training.epochs={in_phases}",
            )
        return phases

    def phase_at(self, epoch: int) -> PhaseSpec | None:
        """The phase of an epoch, counted from 1; None where the training has no phases."""
        last = 0
        for phase in self.phases:
            last += phase.epochs
            if epoch <= last:
                return phase
        return None

    @field_validator("tile_validation_interval")
    @classmethod
    def _monitor_is_in_every_epoch(cls, interval: int, fields: ValidationInfo) -> int:
        monitor = fields.data.get("monitor", "")
        if interval > 1 and is_on_tiles(monitor):
            raise PydanticCustomError(
                "interval",
                f"the monitor {monitor} is measured on tiles, in every epoch; take 1, or set "
                "training.monitor to a metric of whole images",
            )
        return interval

    xla: bool = Field(
        False,
        description="Let XLA compile the training step of one device; for GPUs. The first step "
        "takes longer.",
    )

    freeze_encoder_epochs: Annotated[int, Field(ge=0, le=100_000)] = Field(
        0,
        description="First epochs in which the encoder keeps its weights and its batch norm "
        "computes as in inference.",
    )

    @field_validator("freeze_encoder_epochs")
    @classmethod
    def _frozen_on_one_device(cls, epochs: int, info: ValidationInfo) -> int:
        """Refuse a frozen encoder on several devices, whose steps are traced one by one."""
        several = info.data.get("devices") == "all" or info.data.get("workers", 1) > 1
        if epochs and several:
            raise PydanticCustomError(
                "freeze_encoder_epochs",
                "it is for one device; take training.devices=one and training.workers=1, or 0",
            )
        return epochs

    encoder_lr_factor: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="Factor of the encoder's learning rate."
    )
    accumulate: Accumulate = Field(
        1,
        description="Batches whose gradients make one optimizer step. Batch norm sees each batch "
        "alone. The last group of an epoch may have fewer.",
    )

    @field_validator("accumulate")
    @classmethod
    def _in_one_process(cls, accumulate: int, info: ValidationInfo) -> int:
        """Refuse accumulation on several devices, where a larger batch takes its place."""
        several = info.data.get("devices") == "all" or info.data.get("workers", 1) > 1
        if accumulate > 1 and several:
            raise PydanticCustomError(
                "accumulate",
                "it is for one device, and several share a larger batch; raise "
                "training.batch_size, or take training.devices=one and training.workers=1",
            )
        return accumulate

    @field_validator("xla")
    @classmethod
    def _one_device(cls, xla: bool, info: ValidationInfo) -> bool:
        """Refuse XLA with several devices, with which it has not been tried."""
        several = info.data.get("devices") == "all" or info.data.get("workers", 1) > 1
        if xla and several:
            raise PydanticCustomError(
                "xla",
                "it compiles the step of one device; take training.devices=one and "
                "training.workers=1, or training.xla=false",
            )
        return xla

    convolutions: Literal["direct", "winograd"] = Field(
        "direct",
        description="Form of wide 3 x 3 convolutions in training. winograd takes a quarter of the "
        "multiplications and more memory. Its first step takes up to a minute longer.",
    )

    @field_validator("convolutions")
    @classmethod
    def _float32_on_one_device(cls, convolutions: str, info: ValidationInfo) -> str:
        """Refuse Winograd's form where it has not been tried."""
        if convolutions == "direct":
            return convolutions
        wanted = {"precision": "float32", "devices": "one", "workers": 1, "xla": False}
        other = [key for key, value in wanted.items() if info.data.get(key, value) != value]
        if other:
            raise PydanticCustomError(
                "convolutions",
                "winograd needs {settings}; or take training.convolutions=direct",
                {
                    "settings": ", ".join(
                        f"training.{key}={str(wanted[key]).lower()}" for key in other
                    )
                },
            )
        return convolutions
