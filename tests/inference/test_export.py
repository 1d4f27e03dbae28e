import json
import zipfile

import cv2
import numpy as np
import pytest

from steelexp.errors import RunFailedError, UserError
from steelexp.inference import export as exports
from steelexp.inference.card_text import read_card
from steelexp.inference.export import FORMATS, compare, export, replaced_weights
from steelexp.inference.openvino_runtime import openvino_predictor
from steelexp.inference.predictor import Predictor, onnx_predictor
from steelexp.inference.scoring import NetworkScores
from steelexp.lazy import keras, tf
from steelexp.model.unet import unet
from steelexp.records.model_card import IMAGE_OUTPUT
from tests.fakes import pixel_model
from tests.file_schemas import check_values
from tests.predictors import card, pixel_onnx, pixel_predictor

STRIPS = [
    np.arange(40 * 50, dtype=np.uint8).reshape(40, 50),
    np.full((32, 64), 255, np.uint8),
]


@pytest.fixture(scope="module")
def model():
    """Logits of two classes: (grey - 128) / 10 and the opposite."""
    return pixel_model((0.1, -12.8), (-0.1, 12.8))


@pytest.mark.parametrize("form", list(FORMATS))
def test_an_export_scores_as_the_network_and_carries_the_card(tmp_path, model, form):
    path = tmp_path / "exports" / form
    parity = export(model, card(), form, path, STRIPS)
    assert parity.largest <= 1e-4
    assert parity.pixels == 40 * 50 + 32 * 64 + 40 * 50  # a part of the first once more
    exported = FORMATS[form][1](path)
    assert exported.card.network is not None
    assert exported.card.model_copy(update={"network": None}) == card()
    for grey in STRIPS:
        wanted = 1 / (1 + np.exp(-(grey.astype(np.float64) - 128) / 10))
        assert np.abs(exported.scores(grey).pixels[..., 0] - wanted).max() < 1e-5
    batch = np.stack([np.full((32, 32, 1), value, np.uint8) for value in (128, 255)])
    assert exported.score(batch).pixels[:, 0, 0, 0] == pytest.approx(
        [0.5, 1 / (1 + np.exp(-12.7))], abs=1e-5
    )
    assert [each.name for each in path.parent.iterdir()] == [form]


def test_two_exports_of_one_network_are_one_file(tmp_path, model):
    """So that a prediction goes on after the network is exported again."""
    for name in ("one", "other"):
        export(model, card(), "onnx", tmp_path / name, STRIPS)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_the_card_lies_where_others_find_it(tmp_path, model):
    import onnx

    for form in FORMATS:
        export(model, card(), form, tmp_path / form, STRIPS[:1])
    properties = onnx.load(str(tmp_path / "onnx")).metadata_props
    texts = [next(each.value for each in properties if each.key == "steelexp")]
    texts.append((tmp_path / "savedmodel" / "assets.extra" / "steelexp.json").read_text())
    with zipfile.ZipFile(tmp_path / "tflite") as archive:
        texts.append(archive.read("steelexp.json").decode())
    for text in texts:
        read = read_card(text, tmp_path)
        check_values("card", json.loads(text))
        assert read.network is not None
        assert read.model_copy(update={"network": None}) == card()


@pytest.mark.parametrize("form", list(FORMATS))
def test_the_weights_of_the_export_to_replace_are_known(tmp_path, model, form):
    of = {name: card().model_copy(update={"weights": f"{name}2345678f"}) for name in "ab"}
    path = tmp_path / form
    assert replaced_weights(form, path, of["a"]) is None
    export(model, of["a"], form, path, STRIPS[:1])
    assert replaced_weights(form, path, of["a"]) is None
    assert replaced_weights(form, path, of["b"]) == "the weights a2345678"
    export(model, card(), form, path, STRIPS[:1])
    assert replaced_weights(form, path, of["b"]) == "unknown weights"
    broken = path / "assets.extra" / "steelexp.json" if path.is_dir() else path
    broken.write_bytes(b"{}")
    text = "unknown weights (its model card cannot be read)"
    assert replaced_weights(form, path, of["b"]) == text


def test_an_export_that_is_off_fails_and_the_earlier_one_stays(tmp_path, model, monkeypatch):
    path = tmp_path / "model.onnx"
    export(model, card(), "onnx", path, STRIPS)
    before = path.read_bytes()
    monkeypatch.setattr(exports, "TOLERANCE", 0.0)
    other = pixel_predictor()
    monkeypatch.setitem(FORMATS, "onnx", (FORMATS["onnx"][0], lambda file: other))
    with pytest.raises(
        RunFailedError, match=r"onnx: its scores differ .* on 2 images; allowed is 0"
    ):
        export(model, card(), "onnx", path, STRIPS)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("off", "fails"), [(0.9e-4, False), (1.1e-4, True), (np.nan, True)])
def test_the_tolerance_is_a_ten_thousandth(tmp_path, model, monkeypatch, off, fails):
    def read(path):
        exported = onnx_predictor(path)

        def score(grey):
            scores = exported.score(grey)
            scores.pixels[0, -1, -1, -1] += off
            return scores

        return exported._replace(score=score)

    monkeypatch.setitem(FORMATS, "onnx", (FORMATS["onnx"][0], read))
    dataset = [np.full((32, 32), 128, np.uint8)]
    if fails:
        with pytest.raises(
            UserError, match=r"differ from|model\.onnx: gives a score of nan on image 1"
        ):
            export(model, card(), "onnx", tmp_path / "model.onnx", dataset)
    else:
        export(model, card(), "onnx", tmp_path / "model.onnx", dataset)


def test_the_largest_difference_is_of_all_images():
    one = pixel_predictor()
    lower = np.array([0.25, 0], np.float32)
    darker = lambda grey: NetworkScores(one.score(grey).pixels - lower * (grey > 200))  # noqa: E731
    other = Predictor(one.card, "", darker)
    exported = compare(one, other, STRIPS)
    assert exported.largest == pytest.approx(0.25, abs=1e-6)
    assert exported.pixels == 40 * 50 + 32 * 64
    assert compare(one, other, [STRIPS[1] // 2]) == (0.0, 32 * 64)


def test_scores_of_another_size_are_no_parity():
    one = pixel_predictor()
    other = one._replace(score=lambda grey: NetworkScores(one.score(grey).pixels[:, :-32]))
    assert compare(one, other, STRIPS).largest == np.inf


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("resolution", ["full", "half"])
def test_a_unet_on_ten_real_images(tmp_path, realdata, resolution):
    keras.utils.set_random_seed(0)
    model = unet(
        4,
        backbone="mobilenet",
        weights=str(realdata / "mobilenet_1_0_224_tf_no_top_partial.h5"),
        scaling="imagenet",
        decoder_filters=(32, 16, 16, 8, 8),
        resolution=resolution,
    )
    files = sorted((realdata / "severstal_sample" / "test_images").iterdir())[:10]
    dataset = [cv2.imread(str(file), cv2.IMREAD_GRAYSCALE) for file in files]
    dataset[0] = dataset[0][:, :288]  # a multiple of 32 and not of 64
    four = {label: {"threshold": 0.5} for label in "1234"}
    spread = float(tf.math.reduce_std(tf.sigmoid(model(dataset[1][None, ..., None]))))
    assert spread > 1e-3  # it says something, so that parity does
    for form in ("onnx", "tflite"):
        assert export(model, card(**four), form, tmp_path / form, dataset).largest <= 1e-4


def headed(off=0.0, classes=2):
    """The pixel predictor with image scores: the mean grey, and one minus it."""
    inner = pixel_predictor()

    def score(grey):
        mean = grey.mean(axis=(1, 2), dtype=np.float32) / 255 + np.float32(off)
        return NetworkScores(
            inner.score(grey).pixels, np.concatenate([mean, 1 - mean], axis=1)[:, :classes]
        )

    return inner._replace(score=score)


def test_image_scores_are_compared_too():
    assert compare(headed(), headed(), STRIPS) == (0.0, 40 * 50 + 32 * 64)
    assert compare(headed(), headed(-0.125), STRIPS[:1]).largest == pytest.approx(0.125, abs=1e-6)
    assert compare(headed(), pixel_predictor(), STRIPS).largest == np.inf
    assert compare(pixel_predictor(), headed(), STRIPS).largest == np.inf


def test_a_card_that_promises_image_scores_is_held_to_it(tmp_path):
    promised = card().model_copy(update={"image_output": IMAGE_OUTPUT})
    path = pixel_onnx(tmp_path / "model.onnx", named=promised)
    with pytest.raises(UserError, match=r"its output is scores .*image_scores tensor\(float\)"):
        onnx_predictor(path)
    with pytest.raises(UserError, match="image_scores"):
        openvino_predictor(path)
