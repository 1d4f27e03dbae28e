"""Every command in a place that is full, read-only or limited: one line, and then it goes on."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from steelexp.__main__ import main
from tests.constrained import Answer, Constrained
from tests.predictors import pixel_onnx, write_images
from tests.simulated_runs import Study, write_study

PAGE = 4096

COMMANDS = {
    "predict": (
        *("predict", "model.onnx", "images", "--out", "place/out"),
        *("--labels", "coco", "--labels", "labelme"),
    ),
    "report": ("report", "runs", "--out", "place/page.html"),
    "data generate": ("data", "generate", "place/set", "--strips", "2"),
    "data convert": ("data", "convert", "set", "place/set", "--form", "coco"),
    "data doctor": ("data", "doctor", "set", "--out", "place/look"),
    "cache": ("check", "--data", "set.yaml"),
}
"""Commands that write into `place`, without TensorFlow."""

VOLATILE = ("page.html", ".lock", "files.sqlite3")
"""Files with times in them."""

SPEC = """\
name: cached
data: {source: severstal, root: set}
split: {kind: random, val: 0.5}
tiling: {kind: columns}
model: {architecture: unet, backbone: mobilenet, weights: none}
loss: {name: dice}
optimizer: {name: adam}
training: {epochs: 1, batch_size: 1}
tracking: {name: none}
seed: 1
"""


class Case(NamedTuple):
    """A command beside what it leaves where there is room."""

    server: Constrained
    folder: Path
    name: str
    reference: dict[str, bytes]

    def run(self, kind: str, size: int = 0) -> Answer:
        return run(self.server, self.folder, self.name, kind, size)


def run(server: Constrained, folder: Path, name: str, kind: str, size: int = 0) -> Answer:
    cache = "place/cache" if name == "cache" else str(folder / "cache")
    return server.run(
        *COMMANDS[name], folder=folder, place="place", kind=kind, size=size, STEELEXP_CACHE=cache
    )


@pytest.fixture(scope="module")
def server() -> Iterator[Constrained]:
    process = Constrained()
    yield process
    process.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images, a network, two runs and a data set; `place` is empty."""
    path = tmp_path_factory.mktemp("places")
    write_images(path / "images", 6)
    pixel_onnx(path / "model.onnx")
    write_study(path / "runs", Study(seeds=1, groups=10))
    assert main(["data", "generate", str(path / "set"), "--strips", "4", "--seed", "3"]) == 0
    (path / "set.yaml").write_text(SPEC)
    (path / "place").mkdir()
    return path


@pytest.fixture(params=COMMANDS)
def case(server: Constrained, folder: Path, request: pytest.FixtureRequest) -> Case:
    name = request.param
    answer = run(server, folder, name, "file size", 2**40)
    assert answer.first.code == 0, answer.first
    reset(folder)
    return Case(server, folder, name, answer.left)


@pytest.fixture(autouse=True)
def empty_place(folder: Path) -> Iterator[None]:
    yield
    reset(folder)


def reset(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder / "place")
    (folder / "place").mkdir()


def check(case: Case, answer: Answer) -> bool:
    """Whether the command failed under the constraint; it has to go on to the same files."""
    first = answer.first
    failed = first.code != 0
    if failed:
        *heading, line = first.err
        assert first.code == 2, first
        assert first.err[0].startswith("steelexp: ")
        assert len(heading) == (case.name == "cache"), first  # `check` lists several specs
        assert ": cannot be written: " in line or "GB are free" in line, first
        assert "place" in line, first
        assert "; " in line, first
    for name, content in answer.left.items():
        assert not name.endswith(".partial"), name
        if not name.endswith((*VOLATILE, "labels.json")):  # which names each form when it is done
            whole = case.reference[name]
            is_journal = name.endswith(".jsonl")
            assert whole.startswith(content) if is_journal else content == whole, name
    assert answer.second.code == 0, answer.second
    assert answer.after.keys() == case.reference.keys()
    for name, content in answer.after.items():
        assert content == case.reference[name] or name.endswith(VOLATILE), name
    return failed


def test_a_full_disk_at_every_stage(case: Case) -> None:
    if not case.server.mounts:
        pytest.skip("no tmpfs can be mounted here, neither as root nor in a user namespace")
    pages = sum(len(content) // PAGE + 2 for content in case.reference.values())
    failed = [
        check(case, case.run("full", PAGE * max(1, pages * share // 8))) for share in (0, 2, 4, 6)
    ]
    assert failed[0]
    assert sum(failed) >= 2


def test_a_read_only_file_system(case: Case) -> None:
    if not case.server.mounts:
        pytest.skip("no tmpfs can be mounted here, neither as root nor in a user namespace")
    answer = case.run("read-only")
    assert check(case, answer)
    assert "Read-only file system" in answer.first.err[-1]


def test_a_folder_of_another_account(case: Case) -> None:
    answer = case.run("unprivileged")
    assert check(case, answer)
    assert "Permission denied" in answer.first.err[-1]


def test_a_limit_of_the_size_of_files(case: Case) -> None:
    largest = max(len(content) for content in case.reference.values())
    for size in (0, largest // 2):
        answer = case.run("file size", size)
        assert check(case, answer)
        assert "File too large; raise the limit" in answer.first.err[-1]
        reset(case.folder)
