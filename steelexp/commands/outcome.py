"""What a command may come to, and its exit codes."""

from steelexp.data.dataset import DataError
from steelexp.experiment import UnfinishedError
from steelexp.inference.export import ExportError
from steelexp.inference.predict import OutputError
from steelexp.inference.predictor import PredictorError
from steelexp.model.class_weights import ClassWeightsError
from steelexp.model.loss_inputs import LossError
from steelexp.model.unet import WeightsError
from steelexp.records.store import BusyError, DamagedError
from steelexp.search.ray_cluster import ExecutorError
from steelexp.search.search import NothingFoundError, SearchError
from steelexp.spec import SpecError
from steelexp.tracking.tracker import TrackingError
from steelexp.training.devices import DevicesError
from steelexp.training.fit import DivergedError

DONE, FAILED, WRONG_REQUEST, INTERRUPTED = 0, 1, 2, 130


class RequestError(Exception):
    """The command cannot be obeyed; the message is for the user."""


OBSTACLES = (
    RequestError,
    SpecError,
    DataError,
    ClassWeightsError,
    WeightsError,
    LossError,
    DevicesError,
    TrackingError,
    BusyError,
    DamagedError,
    UnfinishedError,
    SearchError,
    ExecutorError,
    PredictorError,
    OutputError,
    ExportError,
)
"""Why what was asked for cannot be had; each says what to do."""

FAILURES = (DivergedError, NothingFoundError)
"""What a run may come to without a fault in the request."""
