"""OpenVINO as the runtime of an exported network."""

import subprocess
import sys

import numpy as np
import pytest

from steelexp.errors import UserError
from steelexp.inference import scoring
from steelexp.inference.openvino_runtime import check_precision, openvino_predictor
from steelexp.inference.predictor import onnx_predictor
from tests.damages import damages
from tests.predictors import card, pixel_onnx, pixel_predictor


def test_it_scores_as_onnx_runtime_does(tmp_path, monkeypatch):
    monkeypatch.setattr(scoring, "LARGEST_AREA", 128 * 128)
    monkeypatch.setattr(scoring, "WINDOW", (64, 96))
    file = pixel_onnx(tmp_path / "model.onnx")
    ours = openvino_predictor(file)
    theirs = onnx_predictor(file)
    assert (ours.runtime, ours.precision) == ("openvino", "float32")
    assert (ours.card, ours.network) == (theirs.card, theirs.network)
    rng = np.random.default_rng(0)
    for size in ((33, 40), (1, 1), (31, 97), (200, 150), (33, 40)):  # the fourth by windows
        grey = rng.integers(0, 256, size, np.uint8)
        scores = ours.scores(grey).pixels
        assert np.abs(scores - pixel_predictor().scores(grey).pixels).max() < 1e-6
        assert np.abs(scores - theirs.scores(grey).pixels).max() < 1e-6


@pytest.mark.parametrize(("threads", "images"), [(1, 1), (2, 1), (3, 1), (4, 2), (8, 4), (64, 4)])
def test_an_image_at_a_time_has_two_threads_or_more(tmp_path, threads, images):
    file = pixel_onnx(tmp_path / "model.onnx")
    assert openvino_predictor(file, threads=threads).images == images
    assert openvino_predictor(file, threads=threads, images=3).images == 3


def test_scores_of_an_image_stay_when_the_next_one_is_scored(tmp_path):
    ours = openvino_predictor(pixel_onnx(tmp_path / "model.onnx"))
    first = ours.scores(np.full((32, 32), 255, np.uint8)).pixels
    second = ours.scores(np.zeros((32, 32), np.uint8)).pixels
    assert first[..., 0].min() == 1
    assert second[..., 0].max() == 0


def test_every_damage_is_refused_in_a_line(tmp_path):
    file = pixel_onnx(tmp_path / "model.onnx")
    content = file.read_bytes()
    for damage in damages(file, np.random.default_rng(0), bits=5):
        damage.apply(file)
        with pytest.raises(UserError) as error:
            openvino_predictor(file)
        assert str(error.value).startswith(str(file))
        assert "\n" not in str(error.value)
        file.write_bytes(content)
    assert openvino_predictor(file).card.classes == card().classes


def test_a_card_of_other_classes_than_the_networks_is_refused(tmp_path):
    rules = {label: {"threshold": 0.5} for label in "abc"}
    file = pixel_onnx(tmp_path / "model.onnx", named=card(**rules))
    with pytest.raises(UserError) as error:
        openvino_predictor(file)
    assert str(error.value).startswith(
        f"{file}: its output is scores tensor(float) [2], and its model card says scores "
        "tensor(float) [N, H, W, 3]; export the run again: "
    )


def test_scores_that_are_no_numbers_are_refused(tmp_path):
    file = pixel_onnx(tmp_path / "model.onnx", white=0.0)  # 128 / 0
    with pytest.raises(UserError, match=r"model\.onnx: gives a score of -?(inf|nan) on a\.png"):
        openvino_predictor(file).scores(np.full((32, 32), 128, np.uint8), "a.png")


def test_bfloat16_needs_a_processor_that_has_it():
    check_precision("bfloat16", ["FP32", "BF16"])
    check_precision("float32", ["FP32"])
    with pytest.raises(UserError, match=r"^--precision bfloat16: this processor has neither AMX"):
        check_precision("bfloat16", ["FP32", "INT8"])


def test_the_missing_package_is_asked_for_by_the_name_of_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(UserError, match=r"--runtime openvino: OpenVINO is missing: .*\[openvino\]"):
        openvino_predictor(pixel_onnx(tmp_path / "model.onnx"))


ALONE = """
import socket, sys, threading
from pathlib import Path
tried = []
def refuse(*args, **settings):
    tried.append(args)
    raise OSError("no network here")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from steelexp.inference.openvino_runtime import openvino_predictor
openvino_predictor(Path(sys.argv[1]))
for thread in threading.enumerate():
    if thread is not threading.current_thread() and not thread.daemon:
        thread.join(20)
print(len(tried), "openvino_telemetry.main" in sys.modules, list(Path(sys.argv[2]).rglob("*")))
assert not {"tensorflow", "onnx", "onnxruntime", "torch"} & set(sys.modules)
"""


def test_nothing_leaves_the_machine_and_no_file_is_left_at_home(tmp_path):
    """OpenVINO sends an event when it is imported, unless its telemetry is off."""
    file = pixel_onnx(tmp_path / "model.onnx")
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(file), str(home)],
        env={"HOME": str(home), "PYTHONPATH": ":".join(sys.path)},
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.split("\n")[-2] == "0 False []"
