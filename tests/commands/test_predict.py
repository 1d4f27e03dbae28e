import json
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from steelexp.__main__ import main
from steelexp.command_line import program
from steelexp.records.machine import instruction_sets
from steelexp.records.store import RunFolder
from tests.finished_runs import record, unfinished
from tests.predictors import card, pixel_onnx, write_images


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory: images/, and a run with an exported network."""
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "images", 4)
    unfinished(tmp_path / "runs" / "a" / "0a1b2c3d", "0a1b2c3d")
    pixel_onnx(tmp_path / "runs" / "a" / "0a1b2c3d" / "exports" / "model.onnx")
    return tmp_path


@pytest.fixture
def steelexp(capsys):
    """Run the command in this process: exit code, lines of stdout, lines of stderr."""

    def run(*arguments):
        code = main(arguments)
        out, err = capsys.readouterr()
        return code, out.splitlines(), err.splitlines()

    return run


def test_a_run_and_its_export_give_the_same(folder, steelexp):
    code, out, err = steelexp("predict", "runs/a", "images", "--runtime", "onnx")
    assert (code, err) == (0, [])
    results = Path("runs/a/0a1b2c3d/predictions/images")
    assert out[0] == "pixels 0a1b2c3d on 4 images, by onnx"
    assert out[1] == (
        "Post-processing, tuned on the validation images for dice_kaggle: bright: score threshold "
        "0.75; dark: score threshold 0.75."
    )
    assert out[-1] == (
        f"Results in {results}: look at {results}/grid.png, then open {results}/defects.csv; "
        "masks/ has the pixels, submission.csv is for Kaggle"
    )
    file = "runs/a/0a1b2c3d/exports/model.onnx"
    assert steelexp("predict", file, "images", "--out", "other", "--no-overlays")[0] == 0
    assert not (folder / "other" / "overlays").exists()
    assert not (folder / "other" / "grid.png").exists()
    for name in ("defects.csv", "submission.csv", "masks/0001.png"):
        assert (folder / "other" / name).read_bytes() == (results / name).read_bytes()


def test_an_export_of_other_weights_than_the_runs_is_refused(folder, steelexp):
    run = folder / "runs" / "a" / "0a1b2c3d"
    RunFolder(run).finish(record(weights="of now", digest="0a1b2c3d"))
    code, _, (line,) = steelexp("predict", "runs/a", "images", "--runtime", "onnx")
    assert code == 2
    assert "model.onnx: exported from other weights than the run's now; export it again: " in line
    assert line.endswith(" export runs/a/0a1b2c3d")
    named = card().model_copy(update={"weights": "of now"})
    pixel_onnx(run / "exports" / "model.onnx", named=named)
    assert steelexp("predict", "runs/a", "images", "--runtime", "onnx")[0] == 0


def test_the_export_of_another_run_is_refused(folder, steelexp):
    run = folder / "runs" / "a" / "0a1b2c3d"
    RunFolder(run).finish(record(digest="0a1b2c3d"))
    pixel_onnx(
        run / "exports" / "model.onnx", named=card().model_copy(update={"digest": "ffffffff"})
    )
    code, _, (line,) = steelexp("predict", "runs/a", "images", "--runtime", "onnx")
    assert code == 2
    assert "model.onnx: exported from another run, pixels ffffffff; export this one: " in line
    assert line.endswith(" export runs/a/0a1b2c3d")


def test_a_model_card_of_version_01_is_refused_in_a_line(folder, steelexp):
    """Its rules had other names."""
    values = json.loads(card().model_dump_json()) | {"schema_version": 1}
    values["classes"]["bright"]["component"] = 20
    values["tuned_for"] = values.pop("postprocessing_metric")
    file = pixel_onnx(folder / "old.onnx", text=json.dumps(values))
    code, _, (line,) = steelexp("predict", str(file), "images")
    assert code == 2
    assert f"{file}: schema_version 1, and this version of steelexp reads 2; export the" in line
    assert line.endswith(f"export the run again: {program()} export RUN")
    assert not (folder / "predictions" / "images").exists()


def test_every_rule_is_printed(folder, steelexp):
    rules = card(
        a={"threshold": 0.5, "min_component": 20, "min_area": 600, "min_peak_score": 0.9},
        b={"threshold": 0.5, "disabled": True},
    )
    file = pixel_onnx(folder / "model.onnx", named=rules)
    _, out, _ = steelexp("predict", str(file), "images", "--out", "out")
    assert out[1] == (
        "Post-processing, tuned on the validation images for dice_kaggle: a: score threshold 0.5, "
        "minimum component size 20 pixels, minimum area per image 600 pixels, minimum peak score "
        "0.9; b: disabled."
    )
    fixed = rules.model_copy(update={"postprocessing_metric": None})
    file = pixel_onnx(folder / "model.onnx", named=fixed)
    _, out, _ = steelexp("predict", str(file), "images", "--out", "fixed")
    assert "no tuned post-processing: score threshold 0.5 for every class" in out[1]


def test_the_table_counts_in_millimetres_where_it_is_asked_to(folder, steelexp):
    _, out, _ = steelexp(
        "predict", "runs/a", "images", "--runtime", "onnx", "--mm-per-pixel", "0.5"
    )
    text = "\n".join(out)
    assert "area mm²" in text
    bright = next(line for line in out if line.startswith("│ bright"))
    # Two images have a block of 4 x 10 pixels.
    assert bright.replace("│", " ").split() == ["bright", "2", "2", "20", "5.0"]
    assert "2 of 4" in text


def test_unreadable_images_give_exit_code_1(folder, steelexp):
    (folder / "images" / "broken.jpg").write_bytes(b"broken")
    code, out, _ = steelexp("predict", "runs/a", "images", "--runtime", "onnx")
    assert code == 1
    assert "1 of 5 images could not be predicted" in "\n".join(out)
    assert "images/broken.jpg" in "\n".join(out)


def test_links_to_nowhere_are_among_the_images_that_could_not_be_predicted(folder, steelexp):
    (folder / "images" / "link.png").symlink_to("../store/gone.png")
    code, out, _ = steelexp("predict", "runs/a", "images", "--runtime", "onnx", "--out", "out")
    assert code == 1
    assert "1 of 5 images could not be predicted" in "\n".join(out)
    (row,) = Path("out/errors.csv").read_text().splitlines()[1:]
    assert row.startswith('images/link.png,"a link to ../store/gone.png, which is not there')


@pytest.mark.parametrize("form", ["mask_folder", "coco", "labelme"])
def test_the_command_that_adds_the_labels_adds_them(folder, steelexp, form):
    """Also where classes overlap: grey 128 is bright and dark at a threshold of 0.4."""
    rules = {label: {"threshold": 0.4} for label in ("bright", "dark")}
    file = pixel_onnx(folder / "model.onnx", named=card(**rules))
    cv2.imwrite("other.png", np.full((40, 70), 7, np.uint8))
    labels = ("--labels", "coco", "--labels", form)
    steelexp("predict", str(file), "other.png", "--out", "root", *labels)
    images = ("images/0001.png", "images/0002.png")
    out = steelexp("predict", str(file), *images, "--out", "new", *labels)[1]
    line = next(line for line in out if line.startswith(f"Correct the labels in new/labels/{form}"))
    words = shlex.split(line.partition(" ROOT: ")[2].removeprefix(program()))
    words[words.index("ROOT")] = "root/labels/coco"
    code, (said, *_), err = steelexp(*words)
    assert (code, err) == (0, [])
    assert said.startswith("root/labels/coco: 2 images added ")
    content = json.loads(Path("root/labels/coco/annotations.json").read_text())
    assert len(content["images"]) == 3
    assert {each["name"] for each in content["categories"]} == {"bright", "dark"}


def test_fresh_keeps_what_was_there(folder, steelexp):
    command = ("predict", "runs/a", "images", "--runtime", "onnx", "--out", "out")
    assert steelexp(*command)[0] == 0
    assert "out: 4 of 4 images are predicted already" in steelexp(*command)[1]
    assert "The earlier results are kept as out.old-1" in steelexp(*command, "--fresh")[1]
    assert (folder / "out.old-1" / "defects.csv").is_file()


def two_lines(folder):
    """line1/frames and line2/frames, each with a frame 0000.png of its own grey."""
    for line, grey in (("line1", 250), ("line2", 0)):
        (folder / line / "frames").mkdir(parents=True)
        cv2.imwrite(str(folder / line / "frames" / "0000.png"), np.full((8, 8), grey, np.uint8))


def masks(folder):
    return {int(np.array(Image.open(file)).max()) for file in folder.glob("masks/*.png")}


def test_folders_of_one_name_have_results_of_their_own(folder, steelexp):
    two_lines(folder)
    parent = Path("runs/a/0a1b2c3d/predictions")
    for _ in range(2):  # the second time, each continues in its own folder
        assert steelexp("predict", "runs/a", "line1/frames", "--runtime", "onnx")[0] == 0
        code, out, _ = steelexp("predict", "runs/a", "./line2/frames/", "--runtime", "onnx")
        first, second = sorted(path.name for path in parent.iterdir())
        assert (code, first) == (0, "frames")
        assert re.fullmatch("frames-[0-9a-f]{8}", second)
        assert out[-1].startswith(f"Results in {parent / second}: ")
    assert f"{parent / second}: 1 of 1 images are predicted already" in out
    assert (masks(parent / first), masks(parent / second)) == ({1}, {2})


def test_the_other_input_and_both_folders_are_named(folder, steelexp):
    two_lines(folder)
    steelexp("predict", "runs/a", "line1/frames", "--runtime", "onnx")
    out = steelexp("predict", "runs/a", "line2/frames", "--runtime", "onnx")[1]
    parent = "runs/a/0a1b2c3d/predictions"
    (own,) = (path for path in Path(parent).iterdir() if path.name != "frames")
    assert out[0] == (
        f"{parent}/frames has the results of {folder}/line1/frames; these go to {own}"
    )


def test_a_folder_that_was_moved_continues_where_it_was(folder, steelexp):
    two_lines(folder)
    command = ("predict", "runs/a", "line1/frames", "--runtime", "onnx")
    steelexp(*command)
    (folder / "line1").rename(folder / "elsewhere")
    out = steelexp("predict", "runs/a", "elsewhere/frames", "--runtime", "onnx")[1]
    results = "runs/a/0a1b2c3d/predictions/frames"
    assert f"{results}: 1 of 1 images are predicted already" in out
    (folder / "line2").rename(folder / "line1")  # other frames at the old path
    assert steelexp(*command)[0] == 0
    assert masks(Path(results)) == {1}


def test_a_copy_with_more_frames_is_another_input(folder, steelexp):
    two_lines(folder)
    steelexp("predict", "runs/a", "line1/frames", "--runtime", "onnx")
    shutil.copytree("line1", "copy")
    shutil.copy("copy/frames/0000.png", "copy/frames/0001.png")
    out = steelexp("predict", "runs/a", "copy/frames", "--runtime", "onnx")[1]
    assert "has the results of " in out[0]
    assert len(list(Path("runs/a/0a1b2c3d/predictions/frames/masks").iterdir())) == 1


def test_results_of_an_older_version_are_refused_in_a_line(folder, steelexp):
    two_lines(folder)
    steelexp("predict", "runs/a", "line1/frames", "--runtime", "onnx")
    file = folder / "runs/a/0a1b2c3d/predictions/frames/prediction.json"
    settings = json.loads(file.read_text())
    del settings["schema_version"]
    file.write_text(json.dumps(settings))
    code, _, (line,) = steelexp("predict", "runs/a", "line1/frames", "--runtime", "onnx")
    assert code == 2
    assert "prediction.json: no schema_version, and this version" in line
    assert line.endswith("; begin anew with --fresh")


def test_fresh_moves_no_results_of_another_input(folder, steelexp):
    two_lines(folder)
    for line in ("line1", "line2"):
        steelexp("predict", "runs/a", f"{line}/frames", "--runtime", "onnx")
    steelexp("predict", "runs/a", "line2/frames", "--runtime", "onnx", "--fresh")
    names = sorted(path.name for path in Path("runs/a/0a1b2c3d/predictions").iterdir())
    assert names[0] == "frames"
    assert names[2] == f"{names[1]}.old-1"
    assert len(names) == 3


def test_a_refused_prediction_leaves_the_settings_of_the_first(folder, steelexp):
    two_lines(folder)
    out = ("--runtime", "onnx", "--out", "out")
    steelexp("predict", "runs/a", "line1/frames", *out)
    before = Path("out/prediction.json").read_bytes()
    assert steelexp("predict", "runs/a", "line2/frames", *out)[0] == 2
    assert Path("out/prediction.json").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("runs/a", "gone.jpg", "--runtime", "onnx"), "gone.jpg: no such file or folder"),
        (("runs", "images"), "runs: one run folder is expected; here: runs/a/0a1b2c3d, runs/b/1"),
        (("images", "images"), "images: one run folder is expected"),
        (("runs/a", "images"), "runs/a/0a1b2c3d: unfinished; go on with: "),
        (("runs/b", "images", "--runtime", "onnx"), "model.onnx: no such file; make it"),
        (("gone.onnx", "images"), "gone.onnx: no such file; make it"),
        (
            ("a.onnx", "images", "--runtime", "tensorflow"),
            "a.onnx is for onnx; name its run folder",
        ),
        (("runs/a", "images", "--runtime", "onnx", "--out", "images"), "images: the images lie in"),
        (("runs/b", "images", "--runtime", "openvino"), "model.onnx: no such file; make it"),
        (
            ("runs/a", "images", "--runtime", "onnx", "--precision", "bfloat16"),
            "--precision bfloat16: only OpenVINO has this setting",
        ),
        (("runs/a", "images", "--precision", "float32"), "--precision float32: only OpenVINO has"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(folder, steelexp, words, problem):
    unfinished(folder / "runs" / "b" / "1")
    code, _, err = steelexp("predict", *words)
    assert code == 2
    assert len(err) == 1
    assert problem in err[0]


def test_another_runtime_or_precision_is_another_prediction(folder, steelexp):
    command = ("predict", "runs/a", "images", "--out", "out", "--runtime")
    code, out, _ = steelexp(*command, "openvino")
    assert (code, out[0]) == (0, "pixels 0a1b2c3d on 4 images, by openvino")
    assert steelexp(*command, "openvino", "--precision", "float32")[0] == 0  # the same
    code, _, (line,) = steelexp(*command, "onnx")
    assert (code, "out: holds a prediction with another runtime; give --out" in line) == (2, True)
    if "avx512_bf16" in instruction_sets() or "amx_bf16" in instruction_sets():
        code, _, (line,) = steelexp(*command, "openvino", "--precision", "bfloat16")
        assert (code, "out: holds a prediction with another precision; give" in line) == (2, True)
        code, out, _ = steelexp(*command, "openvino", "--precision", "bfloat16", "--fresh")
        assert (code, out[1]) == (0, "pixels 0a1b2c3d on 4 images, by openvino in bfloat16")
    else:
        code, _, (line,) = steelexp(*command, "openvino", "--precision", "bfloat16")
        assert (code, "this processor has neither AMX nor AVX512_BF16" in line) == (2, True)


def test_openvino_and_onnx_runtime_give_the_same_files(folder, steelexp):
    for runtime in ("onnx", "openvino"):
        command = ("predict", "runs/a", "images", "--out", runtime, "--runtime", runtime)
        assert steelexp(*command)[0] == 0
    for name in ("defects.csv", "submission.csv", "masks/0001.png", "overlays/0001.png"):
        assert Path("onnx", name).read_bytes() == Path("openvino", name).read_bytes()


def test_millimetres_have_to_be_above_0(folder, steelexp, capsys):
    with pytest.raises(SystemExit) as caught:
        steelexp("predict", "runs/a", "images", "--mm-per-pixel", "0")
    assert caught.value.code == 2
    assert "a number above 0 is expected" in capsys.readouterr().err


def test_onnx_does_without_tensorflow(folder):
    code = (
        "import sys; from steelexp.__main__ import main; "
        "assert main(sys.argv[1:]) == 0; "
        "assert not {'tensorflow', 'tf_keras', 'keras_tuner', 'ray'} & set(sys.modules)"
    )
    words = ("predict", "runs/a/0a1b2c3d/exports/model.onnx", "images", "--out", "out")
    subprocess.run([sys.executable, "-c", code, *words], check=True, timeout=280)
    assert card().digest in (folder / "out" / "prediction.json").read_text()


def test_an_output_that_cannot_be_written_is_named_with_the_option(folder, steelexp):
    command = ("predict", "runs/a", "images", "--runtime", "onnx", "--out")
    fix = "choose another folder with --out"
    assert steelexp(*command, "/proc/none/a")[::2] == (
        2,
        [f"steelexp: /proc/none: cannot be written: No such file or directory; {fix}"],
    )
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        code, _, err = steelexp(*command, "full")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    fix = "raise the limit of a file's size: ulimit -f unlimited"
    message = f"steelexp: full/prediction.json: cannot be written: File too large; {fix}"
    assert (code, err) == (2, [message])
    assert steelexp(*command, "full")[0] == 0  # there is room again, and it goes on


def test_a_registered_model_is_unpacked_first(tmp_path, capsys):
    (tmp_path / "model.zip").write_bytes(b"PK")
    (tmp_path / "a.png").write_bytes(cv2.imencode(".png", np.zeros((32, 32), np.uint8))[1])
    words = ["predict", str(tmp_path / "model.zip"), str(tmp_path / "a.png")]
    assert main([*words, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert "model.zip: unpack it and name the folder: " in error
    assert f"-m zipfile -e {tmp_path}/model.zip {tmp_path}/model" in error
