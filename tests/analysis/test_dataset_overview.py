import json

import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from analysis.dataset_overview import draw, main, read_overview
from steelexp.command_line import program
from steelexp.palette import CLASS_COLOURS


def figures(**changes):
    """A doctor.json of four images of 20 x 100, by hand; class 2 is never labelled."""
    return {
        "schema_version": 3,
        "root": "data/steel",
        "layout": "severstal",
        "images": 4,
        "clean": 1,
        "sizes": [{"height": 20, "width": 100, "images": 4}],
        "classes": [
            {"class": "1", "images": 3, "components": 5, "pixels": 300},
            {"class": "2", "images": 0, "components": 0, "pixels": 0},
            {"class": "3", "images": 1, "components": 1, "pixels": 100},
        ],
        "co_occurrence": [[3, 0, 1], [0, 0, 0], [1, 0, 1]],
        "area_shares": [[0.05, 0.05, 0.05], [], [0.05]],
        "heatmap": [[[0.0, 0.5]], [[0.0, 0.0]], [[1.0, 0.0]]],
        "issues": [],
        "distinct_images": 3,
        "near_duplicates": [["a.jpg", "b.jpg"]],
        "leaks": [],
        **changes,
    }


def write(tmp_path, **changes):
    path = tmp_path / "doctor.json"
    path.write_text(json.dumps(figures(**changes)))
    return path


def panels(tmp_path, **changes):
    """The axes by their title."""
    figure = draw(read_overview(write(tmp_path, **changes)))
    return {axes.get_title(): axes for axes in figure.axes}


def texts(axes):
    return [text.get_text() for text in axes.texts]


def rows(axes):
    return [label.get_text() for label in axes.get_yticklabels()]


def test_every_panel_is_there(tmp_path):
    assert set(panels(tmp_path)) - {""} == {
        "images with the class",
        "share of the labelled pixels",
        "area where present",
        "images with both classes",
        "class 1: 3 images",
        "class 2: 0 images",
        "class 3: 1 image",
    }


def test_images_of_each_class(tmp_path):
    axes = panels(tmp_path)["images with the class"]
    assert [bar.get_width() for bar in axes.patches] == [3, 0, 1, 1]
    assert texts(axes) == ["3", "0", "1", "1"]
    assert rows(axes) == ["class 1", "class 2", "class 3", "clean"]
    assert to_hex(axes.patches[2].get_facecolor()) == CLASS_COLOURS[2]
    assert axes.yaxis_inverted()


def test_imbalance_in_pixels(tmp_path):
    axes = panels(tmp_path)["share of the labelled pixels"]
    (dots,) = axes.collections
    assert dots.get_offsets().tolist() == [[300, 0], [100, 2]]  # a log axis has no place for 0
    assert [to_hex(colour) for colour in dots.get_facecolors()] == [
        CLASS_COLOURS[0],
        CLASS_COLOURS[2],
    ]
    assert texts(axes) == ["75.0%", "25.0%"]
    assert axes.get_xscale() == "log"


def test_areas_are_boxes_over_the_images(tmp_path):
    areas = [[0.01, 0.02, 0.03, 0.04, 0.05], [], [0.1]]
    axes = panels(tmp_path, area_shares=areas)["area where present"]
    boxes = [patch.get_path().get_extents() for patch in axes.patches]
    assert (boxes[0].x0, boxes[0].x1) == pytest.approx((0.02, 0.04))
    assert axes.xaxis.get_major_formatter()(0.02, 0) == "2"
    assert boxes[2].y0 < 2 < boxes[2].y1


def test_co_occurrence_is_written_out(tmp_path):
    axes = panels(tmp_path)["images with both classes"]
    assert texts(axes) == ["3", "0", "1", "0", "0", "0", "1", "0", "1"]
    np.testing.assert_allclose(axes.images[0].get_array(), np.log1p(figures()["co_occurrence"]))


def test_places_on_the_image_in_pixels(tmp_path):
    axes = panels(tmp_path)["class 1: 3 images"]
    assert axes.images[0].get_array().tolist() == [[0.0, 0.5]]
    assert axes.images[0].get_extent() == [0, 100, 20, 0]
    assert axes.images[0].get_clim() == (0.0, 0.5)


def test_the_title_counts(tmp_path):
    figure = draw(read_overview(write(tmp_path)))
    assert figure.subfigs[0].get_suptitle() == ("steel: 4 images of 20 × 100, 1 clean, 3 distinct")


@pytest.mark.parametrize(
    ("count", "height", "width"), [(1, 256, 1600), (8, 200, 200), (8, 900, 300)]
)
def test_many_classes_of_any_shape_stay_within_the_picture(tmp_path, count, height, width):
    path = write(
        tmp_path,
        sizes=[{"height": height, "width": width, "images": 4}],
        classes=[
            {"class": f"a rather long name {c}", "images": 12568, "pixels": 10**c}
            for c in range(count)
        ],
        co_occurrence=np.full((count, count), 12568).tolist(),
        area_shares=[[0.1, 0.001]] * count,
        heatmap=np.ones((count, 16, 16)).tolist(),
    )
    figure = draw(read_overview(path))
    figure.savefig(tmp_path / "x.png")
    whole = figure.bbox
    for axes in figure.axes:
        box = axes.get_tightbbox()
        if box is not None and axes.axison:
            assert box.x0 >= whole.x0 - 1
            assert box.x1 <= whole.x1 + 1
            assert box.y0 >= whole.y0 - 1
            assert box.y1 <= whole.y1 + 1


def test_the_command_writes_the_picture(tmp_path, capsys):
    out = tmp_path / "pictures" / "overview.png"
    assert main([str(write(tmp_path)), "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"overview of the data set: {out}\n"
    with Image.open(out) as picture:
        assert picture.width == 2080


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", "not json", json.dumps(figures(schema_version=1)), "\x00"],
)
def test_another_file_is_refused(tmp_path, capsys, content):
    path = tmp_path / "doctor.json"
    path.write_text(content)
    assert main([str(path), "--out", str(tmp_path / "x.png")]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"dataset_overview: {path}: not a doctor.json of this version")
    assert f"{program()} data doctor ROOT" in said
    assert not (tmp_path / "x.png").exists()


def test_what_cannot_be_read_or_written_is_said(tmp_path, capsys):
    assert main([str(tmp_path / "none.json")]) == 2
    assert "none.json" in capsys.readouterr().err
    assert main([str(write(tmp_path)), "--out", str(tmp_path / "x.gif")]) == 2
    assert "the suffix has to be one of .png, .pdf, .svg" in capsys.readouterr().err


def test_a_set_without_labels_is_refused(tmp_path, capsys):
    path = write(tmp_path, classes=[], co_occurrence=[], area_shares=[], heatmap=[])
    assert main([str(path), "--out", str(tmp_path / "x.png")]) == 2
    assert "nothing is labelled in steel" in capsys.readouterr().err


def test_what_the_doctor_writes_can_be_drawn(tmp_path):
    """The doctor's own file, of synthetic strips."""
    from steelexp.data.doctor.diagnosis import diagnose
    from steelexp.data.doctor.diagnosis import write as write_figures
    from steelexp.data.synthetic import generate

    generate(tmp_path / "drawn", strips=6, seed=1, defect_share=1.0)
    path = write_figures(diagnose(tmp_path / "drawn"), tmp_path)
    overview = read_overview(path)
    assert overview.images == 6
    assert overview.heatmap.shape == (4, 16, 100)
    assert main([str(path), "--out", str(tmp_path / "drawn.png")]) == 0
