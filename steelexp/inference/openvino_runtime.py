"""A network that `export` wrote, run by OpenVINO on the processor, without TensorFlow."""

import functools
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

from steelexp.checksum import hash_bytes
from steelexp.command_line import install_line
from steelexp.cores import available_cores
from steelexp.errors import UserError, reason
from steelexp.inference.onnx_file import Layout, check_layout, read_network
from steelexp.inference.openvino_decoder import fold_decoder
from steelexp.inference.predictor import Grey, Predictor
from steelexp.inference.scoring import NetworkScores

Precision = Literal["float32", "bfloat16"]

_HINTS: Final = {"float32": "f32", "bfloat16": "bf16"}
_STREAMS: Final = 4  # images at a time at most
_CORES_EACH: Final = 2
"""Cores for each of the images at a time. So on two cores it is one image.

On two cores the network takes 8 strips one after the other in 0.97 of the time of two at a time,
and 3 strips in 0.92 to 0.95, because the last one has one core. Whole predictions of 6 to 8 strips
were 0.98 to 1.03 times as fast as with two at a time, which is noise.
"""
_SHAPES: Final = 4  # shapes of images whose compiled network is kept; compiling takes 0.15 s
_KINDS: Final = {"u8": "tensor(uint8)", "f32": "tensor(float)"}  # names as in ONNX


def openvino_predictor(
    file: Path, *, precision: Precision = "float32", threads: int = 0, images: int = 0
) -> Predictor:
    """Load a network that `steelexp export` wrote, with its decoder folded.

    Args:
        file: Path of model.onnx.
        precision: Precision of the arithmetic. float32 is exact. bfloat16 needs a processor that
            multiplies it. Its scores differ, near the rims of defects by up to a quarter.
        threads: Threads of the network; 0 for one per core.
        images: Images that are scored at the same time, which share the threads; 0 for one for
            every two threads, up to four.

    Raises:
        UserError: There is no such file, OpenVINO is not installed, the processor has no bfloat16,
            or the file is not such a network.
    """
    content, card = read_network(file)
    openvino = import_openvino()
    core = openvino.Core()
    check_precision(precision, core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
    try:
        model = core.read_model(content)
    except Exception as error:  # its classes are of no common kind
        raise UserError(f"{file}: not a network that OpenVINO takes ({reason(error)})") from None
    names = check_layout(_layouts(model.inputs), _layouts(model.outputs), card, file)
    fold_decoder(model)
    cores = threads or available_cores()
    streams = images or _images_at_a_time(cores)
    settings = {
        "INFERENCE_PRECISION_HINT": _HINTS[precision],
        "INFERENCE_NUM_THREADS": cores,
        "NUM_STREAMS": streams,
        "ENABLE_CPU_PINNING": False,  # jobs side by side would share a core
    }
    lock = threading.Lock()

    @functools.lru_cache(maxsize=_SHAPES)
    def compiled(shape: tuple[int, ...]) -> Any:
        model.reshape(list(shape))
        return core.compile_model(model, "CPU", settings)

    def score(grey: Grey) -> NetworkScores:
        with lock:
            request = compiled(grey.shape).create_infer_request()
        outputs = request.infer({"grey": grey}, share_inputs=True, share_outputs=True)
        return NetworkScores(*(outputs[name] for name in names))

    return Predictor(
        card=card,
        runtime="openvino",
        score=score,
        network=hash_bytes(content),
        source=file,
        precision=precision,
        images=streams,
    )


def _images_at_a_time(cores: int) -> int:
    return max(1, min(cores // _CORES_EACH, _STREAMS))


def check_precision(precision: Precision, capabilities: Sequence[str]) -> None:
    """Check that a processor computes in a precision.

    Args:
        precision: Precision of the arithmetic.
        capabilities: OpenVINO's list for the processor, such as FP32 and BF16.

    Raises:
        UserError: It does not; OpenVINO would compute in float32 without a word.
    """
    if precision == "bfloat16" and "BF16" not in capabilities:
        raise UserError(
            "--precision bfloat16: this processor has neither AMX nor AVX512_BF16 (lscpu lists "
            "amx_bf16 or avx512_bf16); take --precision float32"
        )


def import_openvino() -> Any:
    """The package, without its telemetry.

    Importing it would send an event to its makers. A module that is None cannot be imported, and
    OpenVINO then does without it.

    Raises:
        UserError: It is not installed.
    """
    if "openvino" not in sys.modules:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    try:
        import openvino
    except ImportError:
        raise UserError(
            f"--runtime openvino: OpenVINO is missing: {install_line('openvino')}"
        ) from None
    return openvino


def _layouts(ports: Sequence[Any]) -> list[Layout]:
    return [
        Layout(
            port.any_name,
            _KINDS.get(port.element_type.get_type_name(), port.element_type.get_type_name()),
            [side.get_length() if side.is_static else None for side in port.partial_shape],
        )
        for port in ports
    ]
