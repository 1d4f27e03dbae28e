"""Forecasts from the folders of finished runs, as document, table and figure."""

import io
import json
from dataclasses import replace

import pytest
from PIL import Image

from steelexp.errors import UserError
from steelexp.forecast.figure import forecast_picture
from steelexp.forecast.result import forecast
from steelexp.forecast.table import forecast_lines, forecast_table
from steelexp.records.forecast_file import read_forecast, write_forecast
from tests.file_schemas import check_files
from tests.simulated_sizes import effect, sizes_of

AT_1600 = 0.6 + effect(1600)
"""Score of the simulated runs with 1,600 training images."""


@pytest.fixture(scope="module")
def sizes(tmp_path_factory):
    return sizes_of(tmp_path_factory.mktemp("runs"), groups=300)


@pytest.fixture(scope="module")
def result(sizes):
    return forecast(sizes, "dice_positive", AT_1600)


def test_it_has_a_curve_over_all_classes_and_one_for_each(result):
    assert [curve.label for curve in result.curves] == [None, "1", "2", "3", "4"]
    assert [size.images for size in result.sizes] == [100, 200, 400, 800]
    assert [len(scores) for scores in result.curves[0].scores] == [3, 3, 3, 3]
    assert result.name == "share_1.0"


def test_the_intervals_hold_the_truth_and_these_images_alone_have_narrower_ones(result):
    like, own = result.curves[0].fits
    assert like.images.low < 1600 < (like.images.high or 3200)
    scores = {}
    for fit in (like, own):
        far = next(point.score for point in fit.points if point.images == 1600)
        scores[fit.scope] = far.high - far.low
    assert scores["these images"] < scores["images like these"]
    point = next(point.score for point in like.points if point.images == 1600)
    assert point.low < AT_1600 < point.high


def test_scores_are_those_of_the_records(sizes, result):
    first = sizes[0].runs[0]
    assert result.curves[0].scores[0][0] == pytest.approx(first.metric("dice_positive"), abs=1e-6)
    assert result.curves[2].scores[0][0] == pytest.approx(first.metric("dice_positive/2"), abs=1e-6)


def test_it_is_the_same_after_reading_and_fits_its_schema(result, tmp_path):
    write_forecast(tmp_path, result)
    assert read_forecast(tmp_path) == result
    assert check_files(tmp_path) == {"forecast"}
    values = json.loads((tmp_path / "forecast.json").read_text())
    values["target"] = 0.5
    (tmp_path / "forecast.json").write_text(json.dumps(values))
    with pytest.raises(UserError, match=r"forecast\.json: damaged: .*; repeat the forecast"):
        read_forecast(tmp_path)


def test_table_and_lines_say_the_same(result):
    table = forecast_table(result)
    cells = [list(column.cells) for column in table.columns]
    heads = [column.header for column in table.columns]
    assert heads == ["class", "100", "200", "400", "800", "1,600", "3,200", "images at target"]
    assert cells[0] == ["all", "1", "2", "3", "4"]
    images = result.curves[0].fits[0].images
    assert cells[-1][0].startswith(f"{images.median:,.0f} ({images.low:,.0f} to ")
    line = forecast_lines(result)[0]
    assert cells[-1][0] in line
    assert f", {images.median - 800:,.0f} (" in line


def test_a_refusal_is_a_line(sizes):
    result = forecast(sizes, "dice_positive", 0.3)
    assert forecast_lines(result)[0].startswith(
        "dice_positive 0.3 on images like these: no forecast: reached already: 0."
    )
    assert list(forecast_table(result).columns[-1].cells) == ["-"] * 5


def test_the_figure_is_a_picture_of_all_curves(result):
    picture = Image.open(io.BytesIO(forecast_picture(result)))
    assert picture.size[0] > 1000
    assert len(picture.convert("RGB").getcolors(1_000_000)) > 100


def test_a_class_on_few_groups_has_no_forecast(tmp_path):
    sizes = sizes_of(tmp_path, groups=4)
    result = forecast(sizes, "dice_positive", 0.9)
    assert {curve.fits == [] for curve in result.curves} == {True}
    assert "of near-duplicates" in forecast_lines(result)[0]
    assert len(forecast_picture(result)) > 1000


def test_sizes_with_the_same_images_are_refused(sizes):
    with pytest.raises(UserError, match=r"--shares: 0\.125 and 0\.3 both keep 100 training images"):
        forecast([sizes[0], sizes[0]._replace(share=0.3), *sizes[1:]], "dice_positive", 0.7)


def test_runs_on_other_data_or_other_labels_are_refused(sizes):
    run = sizes[2].runs[1]
    labelled = run.images.labelled.copy()
    labelled[0, 0] += 1
    others = {
        "other data set": replace(run, record=run.record.model_copy(update={"data": "0" * 64})),
        "other labelled pixels": replace(run, images=run.images._replace(labelled=labelled)),
    }
    for words, other in others.items():
        runs = [sizes[2].runs[0], other, sizes[2].runs[2]]
        changed = [*sizes[:2], sizes[2]._replace(runs=runs), sizes[3]]
        with pytest.raises(UserError, match=words):
            forecast(changed, "dice_positive", 0.7)
