import csv
import json
import os
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from steelexp.command_line import program
from steelexp.data.generator.steel import generate_sheet, photograph
from steelexp.errors import UserError
from steelexp.inference import tables as prediction_tables
from steelexp.inference.image_files import image_files
from steelexp.inference.predict import predict
from steelexp.inference.predictor import onnx_predictor
from steelexp.inference.scoring import NetworkScores
from tests.file_schemas import check_files
from tests.kaggle_rules import broken_rules
from tests.predictors import card, pixel_onnx, pixel_predictor, write_images


def predicted(folder, out, predictor=None, **settings):
    return predict(predictor or pixel_predictor(), image_files([str(folder)]), out, **settings)


def table(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def files(out):
    """The final files and their bytes; the journal's order and the lock are the job's own."""
    every = (path for path in sorted(out.rglob("*")) if path.is_file())
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in every
        if path.name not in {"journal.jsonl", ".lock"}
    }


def test_one_image_by_hand(tmp_path):
    image = np.full((20, 50), 128, np.uint8)
    image[4:6, 10:20] = 204  # 0.8
    image[10, 30] = 0
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "a.png"), image)
    summary = predicted(tmp_path / "in", tmp_path / "out", mm_per_pixel=0.5)

    assert (summary.images, summary.clean, summary.errors) == (1, 0, [])
    assert check_files(tmp_path / "out") == {"prediction"}
    bright, dark = table(tmp_path / "out" / "defects.csv")
    assert bright == {
        "image": "a.png",
        "class": "bright",
        "component": "1",
        "area_px": "20",
        "left_px": "10",
        "top_px": "4",
        "width_px": "10",
        "height_px": "2",
        "centre_x_px": "15.0",
        "centre_y_px": "5.0",
        "length_px": "10.0",
        "breadth_px": "2.0",
        "orientation_deg": "0.0",
        "mean_score": "0.8",
        "max_score": "0.8",
        "area_mm2": "5.0",
        "left_mm": "5.0",
        "top_mm": "2.0",
        "width_mm": "5.0",
        "height_mm": "1.0",
        "centre_x_mm": "7.5",
        "centre_y_mm": "2.5",
        "length_mm": "5.0",
        "breadth_mm": "1.0",
    }
    assert (dark["class"], dark["area_px"], dark["max_score"]) == ("dark", "1", "1.0")
    with Image.open(tmp_path / "out" / "masks" / "a.png") as mask:
        pixels = np.array(mask)
    assert pixels.shape == (20, 50)
    assert (pixels == (image == 204) + 2 * (image == 0)).all()
    assert table(tmp_path / "out" / "submission.csv") == [
        # Column 10, row 4 is pixel 10 x 20 + 4 + 1; column 30, row 10 is pixel 611.
        {
            "ImageId": "a.png",
            "ClassId": "bright",
            "EncodedPixels": " ".join(f"{20 * column + 5} 2" for column in range(10, 20)),
        },
        {"ImageId": "a.png", "ClassId": "dark", "EncodedPixels": "611 1"},
    ]


def test_frames_of_one_name_size_and_time_overwrite_no_others(tmp_path):
    """Two cameras, one folder of results: the second is refused, the first one's masks stay."""
    for line, grey in (("line1", 250), ("line2", 0)):
        (tmp_path / line).mkdir()
        cv2.imwrite(str(tmp_path / line / "0001.bmp"), np.full((8, 8), grey, np.uint8))
        os.utime(tmp_path / line / "0001.bmp", ns=(1, 1))
    predicted(tmp_path / "line1", tmp_path / "out")
    before = files(tmp_path / "out")
    with pytest.raises(UserError, match=r"holds the results of .*line1/0001\.bmp, which .*line2/"):
        predicted(tmp_path / "line2", tmp_path / "out")
    assert files(tmp_path / "out") == before


def test_an_image_that_changes_in_its_folder_is_predicted_again(tmp_path):
    """Also of the same size and time."""
    (tmp_path / "in").mkdir()
    for grey, classes in ((250, {"bright"}), (0, {"dark"})):
        cv2.imwrite(str(tmp_path / "in" / "0001.bmp"), np.full((8, 8), grey, np.uint8))
        os.utime(tmp_path / "in" / "0001.bmp", ns=(1, 1))
        predicted(tmp_path / "in", tmp_path / "out")
        assert {row["class"] for row in table(tmp_path / "out" / "defects.csv")} == classes


def test_a_network_of_one_card_and_other_weights_is_refused(tmp_path):
    """As after training again with the same digest and the same rules."""
    write_images(tmp_path / "in", 1)
    networks = [pixel_onnx(tmp_path / f"{white}.onnx", white=white) for white in (255, 100)]
    predicted(tmp_path / "in", tmp_path / "out", onnx_predictor(networks[0]))
    cards = [onnx_predictor(file).card for file in networks]
    assert len({each.model_copy(update={"network": None}).model_dump_json() for each in cards}) == 1
    with pytest.raises(UserError, match="holds a prediction with another network; give --out"):
        predicted(tmp_path / "in", tmp_path / "out", onnx_predictor(networks[1]))
    predicted(tmp_path / "in", tmp_path / "out", onnx_predictor(networks[0]))


def test_parquet_holds_what_csv_does(tmp_path, monkeypatch):
    monkeypatch.setattr(prediction_tables, "ROW_GROUP", 2)
    write_images(tmp_path / "in", 5)
    for name, mm_per_pixel in (("px", None), ("mm", 0.4)):
        predicted(tmp_path / "in", tmp_path / name, mm_per_pixel=mm_per_pixel, overlays=False)
        written = pd.read_csv(tmp_path / name / "defects.csv", dtype={"class": str})
        stored = pd.read_parquet(tmp_path / name / "defects.parquet")
        assert len(stored) == 3
        pd.testing.assert_frame_equal(written, stored, check_dtype=False)


def test_names_that_are_too_long_for_a_mask_cost_their_image_alone(tmp_path):
    write_images(tmp_path / "in", 1)
    picture = next((tmp_path / "in").iterdir())
    longest = picture.with_name("x" * 251 + ".png")
    picture.rename(longest)
    too_long = picture.with_name("y" * 255)  # its mask would need 259
    too_long.write_bytes(longest.read_bytes())
    images = image_files([str(longest), str(too_long)])
    summary = predict(pixel_predictor(), images, tmp_path / "out", overlays=False)
    assert (summary.images, len(summary.errors)) == (1, 1)
    assert (tmp_path / "out" / "masks" / longest.name).is_file()
    (row,) = table(tmp_path / "out" / "errors.csv")
    assert row == {
        "image": str(too_long),
        "reason": "its mask cannot be written (file name too long); give the image a shorter name",
    }
    assert len(table(tmp_path / "out" / "submission.csv")) == 4


def test_a_spreadsheet_calculates_no_cell_and_kaggle_gets_the_names(tmp_path):
    image = np.full((20, 50), 128, np.uint8)
    image[4:6, 10:20] = 204
    folder = tmp_path / "in"
    folder.mkdir()
    cv2.imwrite(str(folder / "=1+1;a.png"), image)
    (folder / "-2+3.png").write_bytes(b"")
    summary = predicted(folder, tmp_path / "out")
    assert [row["image"] for row in table(tmp_path / "out" / "defects.csv")] == ["'=1+1;a.png"]
    assert {row["ImageId"] for row in table(tmp_path / "out" / "submission.csv")} == {
        "=1+1;a.png",
        "-2+3.png",
    }
    assert sorted(summary.formulas) == ["-2+3.png", "=1+1;a.png"]
    assert pd.read_parquet(tmp_path / "out" / "defects.parquet")["image"].tolist() == ["=1+1;a.png"]


def test_without_a_defect_the_tables_are_there_and_empty(tmp_path):
    write_images(tmp_path / "in", 1)
    summary = predicted(tmp_path / "in", tmp_path / "out")
    assert (summary.images, summary.clean) == (1, 1)
    assert table(tmp_path / "out" / "defects.csv") == []
    assert len(pd.read_parquet(tmp_path / "out" / "defects.parquet")) == 0
    assert [row["EncodedPixels"] for row in table(tmp_path / "out" / "submission.csv")] == ["", ""]


@pytest.mark.parametrize("size", [(1, 1), (1, 100), (31, 33), (32, 64), (97, 5)])
def test_any_size_is_predicted_to_its_last_pixel(tmp_path, size):
    image = np.zeros(size, np.uint8)
    image[-1, -1] = 255
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "a.png"), image)
    predicted(tmp_path / "in", tmp_path / "out")
    with Image.open(tmp_path / "out" / "masks" / "a.png") as mask:
        assert (np.array(mask) == np.where(image == 255, 1, 2)).all()


def test_an_image_is_continued_by_its_reflection_as_images_are_when_evaluated():
    inner, calls = pixel_predictor(), []
    observed = inner._replace(score=lambda grey: (calls.append(grey), inner.score(grey))[1])
    grey = np.random.default_rng(0).integers(0, 256, (40, 70), np.uint8)
    assert observed.scores(grey).pixels.shape == (40, 70, 2)
    padded = calls[0][0, ..., 0]
    assert padded.shape == (64, 96)
    assert (padded[40:43, :70] == grey[[38, 37, 36]]).all()
    assert (padded[:40, 70:73] == grey[:, [68, 67, 66]]).all()


def test_a_large_image_is_scored_in_windows_as_if_it_were_scored_at_once():
    inner, calls = pixel_predictor(), []
    observed = inner._replace(score=lambda grey: (calls.append(grey.shape), inner.score(grey))[1])
    grey = np.random.default_rng(0).integers(0, 256, (2100, 2050), np.uint8)
    scores = observed.scores(grey).pixels
    assert set(calls) == {(1, 1024, 1024, 1)}
    assert np.abs(scores[..., 0] - grey / 255).max() < 1e-6


def test_rules_are_applied(tmp_path):
    image = np.full((32, 32), 128, np.uint8)
    image[0, 0] = image[5:7, 5:7] = 255
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "a.png"), image)
    rules = {
        "bright": {"threshold": 0.75, "min_component": 2},
        "dark": {"threshold": 0.1, "disabled": True},
    }
    predicted(tmp_path / "in", tmp_path / "out", pixel_predictor(**rules))
    assert [row["area_px"] for row in table(tmp_path / "out" / "defects.csv")] == ["4"]


def test_colour_and_deep_images_are_read_as_grey(tmp_path):
    (tmp_path / "in").mkdir()
    colour = np.full((32, 32, 3), 128, np.uint8)
    colour[3, 4:6] = 255
    cv2.imwrite(str(tmp_path / "in" / "colour.png"), colour)
    cv2.imwrite(str(tmp_path / "in" / "deep.tif"), colour[..., 0].astype(np.uint16) * 16)
    inner = pixel_predictor()
    card = inner.card.model_copy(update={"white": 4095})
    predicted(tmp_path / "in", tmp_path / "out", inner._replace(card=card))
    assert [row["area_px"] for row in table(tmp_path / "out" / "defects.csv")] == ["2", "2"]


@pytest.mark.parametrize(
    ("white", "reason"),
    [
        (None, "16 bits a channel and no white level; say which value is white"),
        (1023, "a value of 4080 is over the white level 1023; raise data.grey.white"),
    ],
)
def test_a_deep_image_that_does_not_fit_the_white_level_is_listed(tmp_path, white, reason):
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "deep.png"), np.full((32, 32), 4080, np.uint16))
    inner = pixel_predictor()
    card = inner.card.model_copy(update={"white": white})
    predicted(tmp_path / "in", tmp_path / "out", inner._replace(card=card))
    [row] = table(tmp_path / "out" / "errors.csv")
    assert row["reason"].startswith(reason)


def test_an_unreadable_image_is_listed_and_the_rest_goes_on(tmp_path):
    _, second, third = write_images(tmp_path / "in", 3)
    second.write_bytes(second.read_bytes()[:60])
    (tmp_path / "in" / "empty.jpg").write_bytes(b"")
    summary = predicted(tmp_path / "in", tmp_path / "out")
    assert summary.images == 2
    rows = table(tmp_path / "out" / "errors.csv")
    assert [row["image"] for row in rows] == [str(second), str(tmp_path / "in" / "empty.jpg")]
    assert "broken or cut short" in rows[0]["reason"]
    assert rows[1]["reason"].startswith("the file is empty")
    assert {row["image"] for row in table(tmp_path / "out" / "defects.csv")} == {third.name}
    # It has its rows in the submission, as Kaggle wants.
    assert len(table(tmp_path / "out" / "submission.csv")) == 8

    write_images(tmp_path / "in", 3)  # mended
    (tmp_path / "in" / "empty.jpg").unlink()
    cv2.imwrite(str(tmp_path / "in" / "empty.jpg"), np.full((32, 32), 128, np.uint8))
    assert predicted(tmp_path / "in", tmp_path / "out").errors == []
    assert not (tmp_path / "out" / "errors.csv").exists()


def test_a_second_time_nothing_is_predicted_again_but_what_changed(tmp_path):
    write_images(tmp_path / "in", 4)
    calls = []

    def counting():
        inner = pixel_predictor()
        return inner._replace(score=lambda grey: (calls.append(1), inner.score(grey))[1])

    predicted(tmp_path / "in", tmp_path / "out", counting())
    before = files(tmp_path / "out")
    assert len(calls) == 4
    predicted(tmp_path / "in", tmp_path / "out", counting())
    assert len(calls) == 4
    assert files(tmp_path / "out") == before

    cv2.imwrite(str(tmp_path / "in" / "0000.png"), np.full((32, 32), 255, np.uint8))
    predicted(tmp_path / "in", tmp_path / "out", counting())
    assert len(calls) == 5
    rows = table(tmp_path / "out" / "defects.csv")
    assert [row["area_px"] for row in rows if row["image"] == "0000.png"] == ["1024"]


def test_images_that_are_added_are_predicted_and_the_rows_stay_in_order(tmp_path):
    write_images(tmp_path / "in", 4)
    (tmp_path / "in" / "0001.png").rename(tmp_path / "later.png")
    predicted(tmp_path / "in", tmp_path / "out")
    (tmp_path / "later.png").rename(tmp_path / "in" / "0001.png")
    predicted(tmp_path / "in", tmp_path / "out")
    predicted(tmp_path / "in", tmp_path / "once")
    assert files(tmp_path / "out") == files(tmp_path / "once")


def test_another_model_or_other_images_are_refused(tmp_path):
    write_images(tmp_path / "in", 2)
    predicted(tmp_path / "in", tmp_path / "out")
    with pytest.raises(UserError, match="another model; give --out another folder, or --fresh"):
        predicted(tmp_path / "in", tmp_path / "out", pixel_predictor(bright={"threshold": 0.5}))
    with pytest.raises(UserError, match="another overlays"):
        predicted(tmp_path / "in", tmp_path / "out", overlays=False)
    (tmp_path / "in" / "0000.png").unlink()
    with pytest.raises(
        UserError, match=r"images that are not among those to predict \(0000\.png\)"
    ):
        predicted(tmp_path / "in", tmp_path / "out")


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    write_images(tmp_path / "in", 1)
    (tmp_path / "set" / "masks").mkdir(parents=True)
    with pytest.raises(UserError, match="not empty"):
        predicted(tmp_path / "in", tmp_path / "set")


def test_submissions_of_random_masks_keep_kaggles_rules(tmp_path):
    (tmp_path / "in").mkdir()
    draw, pixels = np.random.default_rng(0), {}
    for number in range(6):
        image = draw.integers(0, 256, (13 + number, 40), np.uint8)
        cv2.imwrite(str(tmp_path / "in" / f"{number}.png"), image)
        pixels[f"{number}.png"] = image.size
    predicted(tmp_path / "in", tmp_path / "out", overlays=False)
    for name in ("submission.csv", "submission_2019.csv"):
        file = tmp_path / "out" / name
        assert broken_rules(file, list(pixels), ["bright", "dark"], pixels) == []


def test_submissions_on_real_images_keep_kaggles_rules(tmp_path, realdata):
    folder = realdata / "severstal_sample" / "test_images"
    rules = {
        label: {"threshold": 0.6 + 0.05 * c, "min_component": 9} for c, label in enumerate("1234")
    }
    inner = pixel_predictor(**rules)
    four = inner._replace(score=lambda grey: NetworkScores(np.tile(inner.score(grey).pixels, 2)))
    assert predicted(folder, tmp_path / "out", four, overlays=False).images == 15
    pixels = {path.name: 256 * 1600 for path in folder.iterdir()}
    for name in ("submission.csv", "submission_2019.csv"):
        assert broken_rules(tmp_path / "out" / name, list(pixels), "1234", pixels) == []


JOB = """
import sys, time
from pathlib import Path
from steelexp.data.generator.steel import generate_sheet, photograph
from steelexp.inference.predictor import onnx_predictor
from steelexp.inference.image_files import image_files
from steelexp.inference.predict import predict
model, images, out, pause = sys.argv[1:]
detector = onnx_predictor(Path(model), threads=1)
slow = detector._replace(score=lambda grey: (time.sleep(float(pause)), detector.score(grey))[1])
predict(slow, image_files([images]), Path(out))
assert "tensorflow" not in sys.modules
"""


def job(*words):
    return subprocess.Popen([sys.executable, "-c", JOB, *map(str, words)])


def test_a_killed_job_goes_on_and_ends_as_an_undisturbed_one(tmp_path):
    write_images(tmp_path / "in", 30)
    model = pixel_onnx(tmp_path / "model.onnx")
    journal = tmp_path / "out" / "journal.jsonl"
    for wanted in (5, 14):
        killed = job(model, tmp_path / "in", tmp_path / "out", 0.1)
        while not (journal.is_file() and journal.read_bytes().count(b"\n") >= wanted):
            assert killed.poll() is None
            time.sleep(0.02)
        killed.send_signal(signal.SIGKILL)
        assert killed.wait() == -signal.SIGKILL
    done = journal.read_bytes().count(b"\n")
    assert 14 <= done < 30
    assert not (tmp_path / "out" / "defects.csv").exists()
    assert job(model, tmp_path / "in", tmp_path / "out", 0).wait() == 0
    assert job(model, tmp_path / "in", tmp_path / "once", 0).wait() == 0
    assert files(tmp_path / "out") == files(tmp_path / "once")
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    names = [line["image"] for line in lines]
    assert sorted(names) == [f"{number:04d}.png" for number in range(30)]  # nothing twice


MEMORY = """
import resource, sys
from pathlib import Path
from steelexp.data.generator.steel import generate_sheet, photograph
from steelexp.inference.predictor import onnx_predictor
from steelexp.inference.image_files import image_files
from steelexp.inference.predict import predict
model, images, out = sys.argv[1:]
predict(onnx_predictor(Path(model), threads=1), image_files([images]), Path(out), mm_per_pixel=0.4)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_thousand_images_need_the_memory_of_a_hundred(tmp_path):
    draw = np.random.default_rng(0)
    strips = [
        cv2.imencode(".jpg", photograph(draw, generate_sheet(draw)))[1].tobytes() for _ in range(20)
    ]
    rules = {label: {"threshold": 0.75, "min_component": 50} for label in ("bright", "dark")}
    model, peaks = pixel_onnx(tmp_path / "model.onnx", named=card(**rules)), {}
    for count in (100, 1000):
        folder = tmp_path / str(count)
        folder.mkdir()
        for number in range(count):
            (folder / f"{number:04d}.jpg").write_bytes(strips[number % len(strips)])
        words = map(str, [sys.executable, "-c", MEMORY, model, folder, tmp_path / f"out_{count}"])
        done = subprocess.run([*words], check=True, capture_output=True, text=True)
        peaks[count] = int(done.stdout.split()[-1])
    assert peaks[1000] <= 1.1 * peaks[100], peaks


def test_an_onnx_file_scores_as_it_is_asked_to(tmp_path):
    grey = np.arange(33 * 40, dtype=np.uint8).reshape(33, 40)
    observed = onnx_predictor(pixel_onnx(tmp_path / "model.onnx"))
    assert observed.card.model_copy(update={"network": None}) == card()
    assert np.allclose(observed.scores(grey).pixels, pixel_predictor().scores(grey).pixels)


def test_what_is_not_an_export_is_refused(tmp_path):
    with pytest.raises(UserError, match=f"no such file; make it: {program()} export RUN"):
        onnx_predictor(tmp_path / "gone.onnx")
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(UserError, match="not written by the command export"):
        onnx_predictor(tmp_path / "text.onnx")
    with pytest.raises(UserError, match="not written by the command export"):
        onnx_predictor(pixel_onnx(tmp_path / "other.onnx", key="other", text="{}"))
    newer = card().model_dump_json().replace('"schema_version":2', '"schema_version":9')
    file = pixel_onnx(tmp_path / "newer.onnx", text=newer)
    with pytest.raises(UserError, match=r"schema_version.*export the run again"):
        onnx_predictor(file)


def test_scores_that_are_no_numbers_end_the_prediction_with_image_and_file(tmp_path):
    paths = write_images(tmp_path / "in", 3)
    file = pixel_onnx(tmp_path / "model.onnx", white=0.0)  # 128 / 0
    with pytest.raises(UserError) as error:
        predicted(tmp_path / "in", tmp_path / "out", onnx_predictor(file))
    assert str(error.value).startswith(f"{file}: gives a score of -inf on {paths[0]}, and scores")
    assert not (tmp_path / "out" / "defects.csv").exists()


def test_a_card_of_other_classes_than_the_networks_is_refused(tmp_path):
    rules = {label: {"threshold": 0.5} for label in "abc"}
    file = pixel_onnx(tmp_path / "model.onnx", named=card(**rules))
    with pytest.raises(UserError) as error:
        onnx_predictor(file)
    assert str(error.value).startswith(
        f"{file}: its output is scores tensor(float) [2], and its model card says scores "
        "tensor(float) [N, H, W, 3]; export the run again: "
    )
