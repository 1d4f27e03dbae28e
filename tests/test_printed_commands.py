"""Every command that a message names can be typed as it stands."""

import ast
import re
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest

from steelexp.__main__ import _parsed, main
from steelexp.command_line import RUNS, program
from tests.finished_runs import finished, unfinished
from tests.simulated_searches import THREE_TRIALS, write_search

ROOT = Path(__file__).parents[1]
SOURCES = [path for folder in ("steelexp", "analysis") for path in (ROOT / folder).rglob("*.py")]
TEMPLATES = sorted((ROOT / "steelexp").rglob("*.html"))


def parses(words):
    """Whether the command line takes the words."""
    try:
        _parsed(words)
    except SystemExit:
        return False
    return True


def strings(tree):
    """The strings of a module with their lines, docstrings left out."""
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.lineno, node.value


def calls(tree):
    """The words of each call of `command_line` and `recorded`; "x" for what is not a literal."""
    for node in ast.walk(tree):
        name = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
        if name in {"command_line", "recorded"} and isinstance(node.args[0], ast.Constant):
            optional = [  # such as *runs_words(runs)
                arg
                for arg in node.args
                if isinstance(arg, ast.Starred) and isinstance(arg.value, ast.Call)
            ]
            args = [arg for arg in node.args if arg not in optional]
            yield [arg.value if isinstance(arg, ast.Constant) else "x" for arg in args]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_message_spells_the_program_itself(path):
    if path.name == "command_line.py":
        pytest.skip("it spells the program for all others")
    bad = re.compile(r"python3? -m|(?<![\w./-])steelexp (run|check|evaluate|export|sync|data)\b")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert [(line, text) for line, text in strings(tree) if bad.search(text)] == []
    lists = [node for node in ast.walk(tree) if isinstance(node, ast.List)]
    words = [[getattr(item, "value", "") for item in each.elts] for each in lists]
    assert [each for each in words if each[:3] == ["python", "-m", "steelexp"]] == []


def test_every_command_in_the_source_parses():
    result = [words for path in SOURCES for words in calls(ast.parse(path.read_text("utf-8")))]
    for template in TEMPLATES:
        texts = re.findall(r"\bcommand_line\((.*?)\)", template.read_text("utf-8"))
        args = [text.replace('"', "").split(", ") for text in texts]
        result += [[word if word.isidentifier() else "x" for word in words] for words in args]
    commands = {words[0] for words in result}
    assert commands >= {"run", "evaluate", "export", "sync", "report", "data", "reproduce"}
    assert [words for words in result if not parses(words)] == []


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with a set of 12 images, a spec, two runs and a search."""
    rng = np.random.default_rng(0)
    for name in ("images", "masks"):
        (tmp_path / "a set" / name).mkdir(parents=True)
    for number in range(12):
        image = rng.integers(0, 256, (32, 64), np.uint8)
        mask = np.zeros((32, 64), np.uint8)
        mask[4:20, 4 + number : 20 + number] = 1 + number % 2
        cv2.imwrite(str(tmp_path / "a set" / "images" / f"{number}.png"), image)
        cv2.imwrite(str(tmp_path / "a set" / "masks" / f"{number}.png"), mask)
    (tmp_path / "tiny.yaml").write_text(
        "name: tiny\n"
        "data: {source: mask_folder, root: a set, classes: [a, b]}\n"
        "split: {kind: random}\n"
        "tiling: {kind: whole}\n"
        "model: {architecture: unet, backbone: mobilenet, weights: none}\n"
        "loss: {name: dice}\noptimizer: {name: adam}\n"
        "training: {epochs: 1, batch_size: 2}\ntracking: {name: none}\nseed: 1\n"
    )
    finished(tmp_path / "my runs" / "b4" / "1", command="steelexp run tiny.yaml --runs 'my runs'")
    finished(tmp_path / "my runs" / "b4" / "2", command="steelexp run gone.yaml")
    unfinished(tmp_path / "begun" / "b4" / "3")
    search = tmp_path / "my runs" / "q" / "search"
    search.mkdir(parents=True)
    write_search(search, THREE_TRIALS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STEELEXP_CACHE", str(tmp_path / "cache"))
    return tmp_path


PRINTED = {
    "show 'my runs/b4/1'": ["run tiny.yaml --runs 'my runs' --fresh"],
    "show 'my runs/b4/2'": ["reproduce 'my runs/b4/2'"],
    "show 'my runs/q/search'": ["run 'my runs/q/search/best.yaml' --runs 'my runs'"],
    "run tiny.yaml --dry-run seed=3 --runs 'my runs'": ["run tiny.yaml seed=3 --runs 'my runs'"],
    "run tiny.yaml --dry-run --seeds 4": ["run tiny.yaml seed=4"],
    "predict no.onnx 'a set/images'": ["export RUN"],
    "run tiny.yaml 'data={source: severstal, root: gone}'": ["data generate FOLDER"],
    "evaluate begun": ["run begun/b4/3"],
}


@pytest.mark.parametrize("words", PRINTED)
def test_what_is_printed_is_typed_as_it_stands(folder, capsys, words):
    main(shlex.split(words))
    out, err = capsys.readouterr()
    head = f"{program()} "
    lines = [line.partition(head)[2] for line in (out + err).splitlines() if head in line]
    assert lines == PRINTED[words]
    assert all(parses(shlex.split(line)) for line in lines)


def test_the_printed_dry_run_is_the_one_that_runs(folder, capsys):
    """Typed with --dry-run, the command leads to the same folder as the one that printed it."""
    assert main(["run", "tiny.yaml", "--dry-run", "seed=3", "--runs", "my runs"]) == 0
    first = capsys.readouterr().out.splitlines()
    words = shlex.split(first[-1].partition(f"{program()} ")[2])
    assert main([*words, "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == first[-2:]
    assert Path("runs") == RUNS


def listing(folder):
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size if path.is_file() else None
        for path in folder.rglob("*")
        if "cache" not in path.relative_to(folder).parts
    }


def test_a_dry_run_leaves_nothing_but_the_cache(folder, capsys):
    """No run folder, record, split or tracking event; it says first where it decodes to."""
    before = listing(folder)
    overrides = [
        "tracking={name: comet, mode: offline}",
        "split={kind: grouped, val: 0.3, test: 0.3}",
    ]
    assert main(["run", "tiny.yaml", "--dry-run", *overrides]) == 0
    out = capsys.readouterr().out.splitlines()
    assert listing(folder) == before
    assert out[0].startswith(f"Decoding 12 images into {folder}/cache/")
    assert out[0].endswith(", 0.00 GB, once")
    assert out[1].startswith("Looking for near-duplicates among 12 images, once; the groups go to ")


def test_a_dry_run_says_where_it_generates_a_data_set_and_how_large(folder, capsys):
    data = "data={source: synthetic, root: made, strips: 4}"
    main(["run", "tiny.yaml", "--dry-run", data, "split.val=0.5"])
    out = capsys.readouterr().out.splitlines()
    assert out[0] == f"Generating 5 strips in {folder}/made, about 1 MB, once"
    assert not (folder / "runs").exists()
