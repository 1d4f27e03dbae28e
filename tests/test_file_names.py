import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelexp.__main__ import main
from steelexp.errors import UserError
from steelexp.file_names import PATH_BYTES, check_folder, short_name
from steelexp.records.store import RunFolder
from tests.predictors import pixel_onnx, write_images

NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), max_size=400)
LATIN = os.fsdecode("Bänder".encode("latin-1"))


@given(NAMES, NAMES)
def test_short_names_fit_and_differ(one, other):
    for name in (one, other):
        assert len(os.fsencode(short_name(name))) <= 240
        assert short_name(name) == name or len(name.encode()) > 240
    assert (short_name(one) == short_name(other)) == (one == other)


def test_an_overlay_can_be_written_however_long_the_images_name_is(tmp_path):
    folder = RunFolder(tmp_path)
    names = [f"{'a' * 200}/{'ß' * 100}{end}.png" for end in "xy"]
    paths = {folder.overlay(1, name) for name in names}
    assert len(paths) == 2
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        path.with_suffix(".json").touch()


def test_a_folder_whose_files_could_have_no_paths(tmp_path):
    check_folder(Path("runs"), "--runs")
    deep = tmp_path.joinpath(*["a" * 250] * 15)
    size = rf"^--runs: the path of a+ has \d+ bytes, and at most {PATH_BYTES} fit; "
    said = f"{size}choose a shorter one$"
    with pytest.raises(UserError, match=said):
        check_folder(deep, "--runs")


def test_the_name_of_a_spec_is_at_most_200_characters(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(Path(__file__).parents[1])
    spec = tmp_path / "long.yaml"
    spec.write_text(
        f"extends: {Path('experiments/quickstart.yaml').absolute()}\nname: {'a' * 201}\n"
    )
    assert main(["check", str(spec)]) == 2
    assert "long.yaml:2: name: " in (err := capsys.readouterr().err)
    assert "at most 200 characters" in err
    spec.write_text(spec.read_text()[:-2] + "\n")
    assert main(["check", str(spec)]) == 0


@pytest.mark.parametrize(
    "words",
    [
        ["check", f"{LATIN}.yaml"],
        ["run", "a.yaml", "--runs", LATIN],
        ["predict", f"{LATIN}/model.onnx", "images"],
        ["predict", "model.onnx", "images", "--out", LATIN],
        ["export", LATIN],
        ["evaluate", LATIN],
        ["reproduce", LATIN],
        ["report", LATIN],
        ["data", "generate", LATIN],
        ["data", "convert", "set", LATIN, "--form", "coco"],
    ],
)
def test_names_that_are_not_utf8_are_refused(tmp_path, monkeypatch, capsys, words):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("steelexp: B\\xe4nder")
    assert line.endswith(": not a UTF-8 name; rename it")
    assert list(tmp_path.iterdir()) == []


def test_images_may_have_other_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "images", 2)  # OpenCV crashes at the other name
    (tmp_path / "images").rename(LATIN)
    pixel_onnx(tmp_path / "model.onnx")
    assert main(["predict", "model.onnx", LATIN, "--out", "out"]) == 0
    assert (tmp_path / "out" / "defects.csv").is_file()
