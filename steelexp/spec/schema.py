"""The sections and settings of a spec."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, Field, NonNegativeInt, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from steelexp.limits import Seed
from steelexp.metrics import TUNABLE
from steelexp.spec.component import STRICT, Chain, Component
from steelexp.spec.space import SearchSpec, TunerSpec
from steelexp.spec.training_section import Monitor, TilingSpec, TrainingSpec

if TYPE_CHECKING:
    TunedMetric: TypeAlias = str
else:
    TunedMetric = Literal[TUNABLE]


White = Literal["auto"] | Annotated[int, Field(ge=2**8, lt=2**16)]


class GreySpec(BaseModel):
    """The grey values of images of more than 8 bits a channel."""

    model_config = STRICT
    white: White = Field(
        "auto",
        description="White level: the value that becomes 255, such as 4095 for 12 bits. auto takes "
        "1023, 4095, 16383 or 65535, the least that holds the brightest value of the data set.",
    )


class UnlabelledSpec(BaseModel):
    """Images without labels, which a finished run labels."""

    model_config = STRICT
    root: str = Field(description="Folder of the images; images in subfolders count.")
    teacher: str = Field(description="Folder of a finished run whose network labels the images.")
    teacher_at: Literal["last", "best"] = Field(
        "last",
        description="Epoch of the teacher: last; or best, which its validation images picked, with "
        "its post-processing, which they tuned.",
    )
    share: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.5, description="Share of each epoch's tiles that are cut from these images."
    )
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = Field(
        0.9,
        description="Score above which a pixel has a class. Below 1 - confidence it has none, and "
        "in between it is ignored.",
    )


class DataSpec(Component):
    """The data set."""

    selector: ClassVar[str] = "source"
    outside: ClassVar[frozenset[str]] = frozenset(
        {
            "grey",
            "cache",
            "deduplicate",
            "exclude",
            "train_fraction",
            "train_fraction_seed",
            "train_share",
            "train_share_seed",
            "unlabelled",
        }
    )
    source: str
    grey: GreySpec = Field(
        GreySpec(), description="Grey values of images of more than 8 bits a channel."
    )
    cache: Literal["disk", "memory", "none"] = Field(
        "disk",
        description="Place of decoded images: disk, for all runs; memory, for one run; or none.",
    )
    deduplicate: bool = Field(False, description="Keep one image of each group of near-duplicates.")
    exclude: str | None = Field(
        None,
        description="Table with a column image, such as the list that the page of `data audit` "
        "saves: these images are left out of training. Validation and test images stay.",
    )
    train_fraction: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(
        {},
        description="Class name -> share of its groups of near-duplicates that training keeps. "
        "Validation and test images stay.",
    )
    train_fraction_seed: Seed = Field(
        0, description="Random seed of the groups that training keeps."
    )
    train_share: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0,
        description="Share of the training images that training keeps, in whole groups of "
        "near-duplicates. A smaller share is a subset of a larger one. Validation and test images "
        "stay.",
    )
    train_share_seed: Seed = Field(0, description="Random seed of the order of those groups.")
    unlabelled: UnlabelledSpec | None = Field(
        None, description="Images without labels, which a finished run labels for training."
    )


class SplitSpec(Component):
    """The split into training, validation and test images."""

    selector: ClassVar[str] = "kind"
    kind: str


class SamplingSpec(Component):
    """The tiles of an epoch, and how often each is shown."""

    selector: ClassVar[str] = "kind"
    kind: str


class AugmentSpec(Chain):
    """The augmentations of training tiles by name, applied in the order of this list."""


class ModelSpec(Component):
    """The network."""

    selector: ClassVar[str] = "architecture"
    keeps_shared_settings: ClassVar[bool] = True
    outside: ClassVar[frozenset[str]] = frozenset({"start", "start_weights", "start_at"})
    architecture: str
    start: str | None = Field(
        None,
        description="Folder of a finished run whose weights training starts with, in place of "
        "model.weights.",
    )
    start_weights: Literal["all", "encoder"] = Field(
        "all", description="Weights that are taken: all, or those of the encoder."
    )
    start_at: Literal["last", "best", "continue"] = Field(
        "last",
        description="Epoch of that run: last; best, which its validation images picked; or "
        "continue, which trains the same run for more epochs, with its optimizer and its epochs.",
    )

    @field_validator("start_weights", "start_at")
    @classmethod
    def _has_an_effect(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("start") is None and value not in {"all", "last"}:
            raise PydanticCustomError("start", "without effect, model.start names no run")
        if value == "continue" and info.data.get("start_weights") == "encoder":
            raise PydanticCustomError(
                "start", "it takes all weights of the run; set model.start_weights=all"
            )
        return value


class HeadSpec(Component):
    """The classification head: image scores beside the masks."""

    name: str


class LossSpec(Component):
    """The loss."""

    name: str


class LossWarmUpSpec(Component):
    """A loss for the first epochs; none with 0 epochs."""

    outside: ClassVar[frozenset[str]] = frozenset({"epochs", "fade"})
    name: str
    epochs: NonNegativeInt = Field(description="Number of epochs with this loss alone.")
    fade: NonNegativeInt = Field(
        0,
        description="Number of epochs that then mix both losses, in equal steps.",
    )


class ClassWeightsSpec(Component):
    """The weight of each class in the loss."""

    selector: ClassVar[str] = "kind"
    kind: str


class OptimizerSpec(Component):
    """The optimizer."""

    name: str


class ScheduleSpec(Component):
    """The learning rate over the steps of a training."""

    name: str


class AveragingSpec(Component):
    """An average of the weights, which is evaluated and kept in their place."""

    name: str


class TrackingSpec(Component):
    """The service that the run is tracked with."""

    name: str


class PostprocessingSpec(BaseModel):
    """Post-processing rules, tuned on the validation images after training."""

    model_config = STRICT

    metric: TunedMetric = Field(
        "dice_kaggle",
        description="Metric that the rules are tuned for. dice_positive looks at images with "
        "defects only and pays nothing for a false alarm.",
    )


class PublishedSpec(BaseModel):
    """A published value to compare the result with, of the same metric."""

    model_config = STRICT

    metric: Monitor = Field(description="Metric of the published value, on validation images.")
    value: float = Field(description="Published value.")
    source: str = Field(description="Where it was published.")
    definition: Literal["unknown", "same"] = Field(
        "unknown", description="Whether the source defines the metric as we do."
    )

    @property
    def caveat(self) -> str:
        """The warning beside the figure, "" where there is none."""
        if self.definition == "same":
            return ""
        return "the source gives no definition, so it may be of another metric"


class ExperimentSpec(BaseModel):
    """One experiment, every default written out."""

    model_config = STRICT

    # A file name has 255 bytes; those of trials and of what is kept aside are longer by some.
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=200)] = Field(
        description="Names the run's folder: letters, digits, dot, dash, underscore."
    )
    question: str = Field("", description="Question that the experiment answers.")
    data: DataSpec
    split: SplitSpec
    tiling: TilingSpec
    sampling: SamplingSpec = SamplingSpec(kind="uniform")
    augment: AugmentSpec = AugmentSpec()
    model: ModelSpec
    head: HeadSpec = HeadSpec(name="none")
    loss: LossSpec
    loss_warm_up: LossWarmUpSpec = LossWarmUpSpec(name="bce", epochs=0)
    class_weights: ClassWeightsSpec = ClassWeightsSpec(kind="equal")
    optimizer: OptimizerSpec
    training: TrainingSpec = Field(description="Epochs, batches, phases, precision, devices.")
    schedule: ScheduleSpec = ScheduleSpec(name="plateau")
    averaging: AveragingSpec = AveragingSpec(name="none")
    postprocessing: PostprocessingSpec = PostprocessingSpec()
    tracking: TrackingSpec
    published: PublishedSpec | None = None
    seed: Seed = Field(description="Random seed of weights, tile order and random tilings.")
    search: SearchSpec | None = Field(None, description="Hyperparameter search instead of one run.")

    @field_validator("training")
    @classmethod
    def _labels_in_one_process(cls, training: TrainingSpec, fields: ValidationInfo) -> TrainingSpec:
        """Refuse pseudo-labels on several workers: each would label the images for itself."""
        data = fields.data.get("data")
        if training.workers > 1 and data is not None and data.unlabelled is not None:
            raise PydanticCustomError(
                "training",
                "one process labels the images of data.unlabelled; take training.workers=1",
            )
        return training

    @field_validator("averaging")
    @classmethod
    def _averages_where_it_is_tried(
        cls, averaging: AveragingSpec, fields: ValidationInfo
    ) -> AveragingSpec:
        """Refuse averages on several workers; swa on several devices and of a frozen encoder."""
        training = fields.data.get("training")
        if averaging.choice == "none" or training is None:
            return averaging
        if training.workers > 1 or (averaging.choice == "swa" and training.devices == "all"):
            raise PydanticCustomError(
                "averaging",
                "it averages in one process, and swa on one device; take training.workers=1 and "
                "training.devices=one, or averaging.name=none",
            )
        frozen = training.freeze_encoder_epochs
        if averaging.choice == "swa" and averaging.settings["start_epoch"] <= frozen:
            raise PydanticCustomError(
                "averaging",
                f"swa computes batch norm anew, also that of the encoder, which is frozen for "
                f"{frozen} epochs; set averaging.start_epoch above {frozen}",
            )
        return averaging

    @field_validator("schedule")
    @classmethod
    def _reduces_the_rate_on_a_plateau_alone(
        cls, schedule: ScheduleSpec, fields: ValidationInfo
    ) -> ScheduleSpec:
        training = fields.data.get("training")
        if schedule.choice != "plateau" and training and training.reduce_lr_patience is not None:
            raise PydanticCustomError(
                "schedule",
                "it sets the learning rate of every step; set "
                "training.reduce_lr_patience=null, or take schedule.name=plateau",
            )
        return schedule


SECTIONS: dict[str, type[Component]] = {
    name: field.annotation
    for name, field in ExperimentSpec.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Component)
} | {"search.tuner": TunerSpec}

CHAINS: dict[str, type[Chain]] = {
    name: field.annotation
    for name, field in ExperimentSpec.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Chain)
}
