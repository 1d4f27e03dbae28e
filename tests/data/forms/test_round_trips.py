"""What a form's writer writes, its reader reads: to the pixel."""

import functools
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from steelexp.data.dataset import DataError
from steelexp.data.forms.writers import WRITERS, has_polygons
from steelexp.data.severstal import severstal
from steelexp.data.sources import LOADERS
from tests.data.forms.random_sets import assert_same, make_dataset, random_masks

CLASSES = ("a", "b")
OWN_CLASSES = "severstal"
"""Form with classes of its own."""

WITHOUT_IGNORE = ("mask_folder", "severstal")
POLYGONS = {f"{form} polygons": WRITERS[form] for form in WRITERS if has_polygons(form)}
FORMS = {form: writer for form, writer in WRITERS.items() if form != OWN_CLASSES} | {
    name: functools.partial(writer, polygons=True) for name, writer in POLYGONS.items()
}


@pytest.fixture(params=FORMS)
def form(request):
    """Writer of a form."""
    return FORMS[request.param]


def round_trip(form, masks, classes=CLASSES, **source):
    with tempfile.TemporaryDirectory() as folder:
        dataset = make_dataset(Path(folder, "source"), masks, classes, **source)
        written = form(dataset, Path(folder, "written"))
        reader, settings = bind(written.settings)
        assert_same(reader(root=str(Path(folder, "written")), **settings), dataset)


def bind(settings):
    """Loader and its arguments of the settings that a writer reports."""
    rest = {key: value for key, value in settings.items() if key != "source"}
    return LOADERS[settings["source"]], {
        key: tuple(value) if key == "classes" else value for key, value in rest.items()
    }


@given(masks=random_masks())
@settings(max_examples=50, deadline=None)
@pytest.mark.parametrize("name", FORMS)
def test_every_mask_comes_back(name, masks):
    round_trip(FORMS[name], masks)


@given(masks=random_masks(values=(0, 1, 2, 4, 5)))
@settings(max_examples=25, deadline=None)
@pytest.mark.parametrize("name", [name for name in FORMS if name not in WITHOUT_IGNORE])
def test_ignored_pixels_come_back(name, masks):
    round_trip(FORMS[name], masks, has_ignore=True)


@given(masks=random_masks(values=(0, 1, 2, 4, 8, 12)))
@settings(max_examples=25, deadline=None)
def test_severstals_own_form(masks):
    round_trip(WRITERS[OWN_CLASSES], masks, classes=("1", "2", "3", "4"))


@given(masks=random_masks(values=(0, 1, 2, 3, 4)))
@settings(max_examples=50, deadline=None)
def test_ignored_pixels_without_a_class_come_back_in_masks(masks):
    round_trip(WRITERS["mask_folder"], masks, has_ignore=True)


def test_masks_keep_no_class_of_ignored_pixels(tmp_path):
    mask = np.array([[0, 1, 4, 5]], np.uint8)  # 4 is ignored, 5 is ignored and of the first class
    dataset = make_dataset(tmp_path / "source", [mask], has_ignore=True)
    written = WRITERS["mask_folder"](dataset, tmp_path / "written")
    assert written.losses == ["1 ignored pixels lose their class"]
    reader, settings = bind(written.settings)
    read = reader(root=str(tmp_path / "written"), **settings)
    assert read.mask(0).tolist() == [[0, 1, 4, 4]]


@pytest.mark.parametrize("name", FORMS)
def test_folders_in_names_are_kept(name):
    round_trip(FORMS[name], [np.eye(4, dtype=np.uint8)] * 2, names=["day 1/x.png", "night/x.png"])


def test_a_data_set_without_a_defect(form):
    round_trip(form, [np.zeros((3, 5), np.uint8)])


def test_an_existing_folder_is_left_alone(form, tmp_path):
    dataset = make_dataset(tmp_path / "source", [np.eye(3, dtype=np.uint8)])
    (tmp_path / "there").mkdir()
    with pytest.raises(DataError, match=r"there: exists; name another folder, or remove this one"):
        form(dataset, tmp_path / "there")
    assert list((tmp_path / "there").iterdir()) == []


def test_a_failed_writer_leaves_nothing(form, tmp_path):
    dataset = make_dataset(tmp_path / "source", [np.eye(3, dtype=np.uint8)] * 2)
    dataset.paths[1].unlink()
    with pytest.raises(OSError, match=r"1.png"):
        form(dataset, tmp_path / "written")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


@pytest.mark.parametrize("name", FORMS)
def test_real_masks_come_back(name, realdata, tmp_path):
    """The 25 strips of the sample, 18 of them with defects, some of which have holes."""
    source = severstal(root=str(realdata / "severstal_sample"))
    reader, settings = bind(FORMS[name](source, tmp_path / "written").settings)
    assert_same(reader(root=str(tmp_path / "written"), **settings), source)
