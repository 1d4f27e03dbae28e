"""A new data source is a function and an entry of the list: run, check and doctor know it then."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from steelexp.checksum import hash_bytes
from steelexp.commands import check as command
from steelexp.data.dataset import DataError, Dataset
from steelexp.data.doctor import diagnosis
from steelexp.data.sources import LOADERS, SOURCES, Layout, Source
from steelexp.plan import COMPONENTS, prepare
from steelexp.spec import experiment_model, load


def stacked(*, root: str, class_count: int = 2) -> Dataset:
    """Images in one PNG, one below the other; the lower left quarter of each is a defect.

    Args:
        root: Folder of stack.png.
        class_count: Number of classes; image k has class k modulo their number.
    """
    file = Path(root, "stack.png")
    stack = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
    if stack is None:
        raise DataError(f"{file}: not a stack", f"{file}: look at it")
    images = np.split(stack, len(stack) // 32)
    names = tuple(f"{k:02d}.png" for k in range(len(images)))
    for name, image in zip(names, images, strict=True):
        cv2.imwrite(str(Path(root, name)), image)
    pixels = np.zeros((len(images), class_count), np.int64)
    pixels[np.arange(len(images)), np.arange(len(images)) % class_count] = 16 * 16

    def read_mask(row: int) -> np.ndarray:
        mask = np.zeros((32, 32), np.uint8)
        mask[16:, :16] = 1 << row % class_count
        return mask

    return Dataset(
        names=names,
        paths=tuple(Path(root, name) for name in names),
        sizes=np.full((len(images), 2), 32, np.int32),
        classes=tuple(f"c{k}" for k in range(class_count)),
        pixels=pixels,
        read_mask=read_mask,
        image_hashes=tuple(hash_bytes(image.tobytes()) for image in images),
        label_hashes=names,
    )


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A folder of 12 images of the new source, which is in the list."""
    layout = Layout("stack.png", lambda root: (root / "stack.png").is_file())
    monkeypatch.setitem(SOURCES, "stacked", Source(stacked, layout))
    monkeypatch.setitem(LOADERS, "stacked", stacked)
    stack = np.random.default_rng(0).integers(0, 256, (12 * 32, 32), np.uint8)
    (tmp_path / "set").mkdir()
    cv2.imwrite(str(tmp_path / "set" / "stack.png"), stack)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STEELEXP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "set"


@pytest.fixture
def spec(root):
    """Load a spec of the new source."""

    def load_spec(settings=""):
        Path("s.yaml").write_text(
            f"name: s\ndata: {{source: stacked, root: {root}{settings}}}\n"
            "split: {kind: random}\ntiling: {kind: whole}\n"
            "model: {architecture: unet, backbone: mobilenet, weights: none}\n"
            "loss: {name: dice}\noptimizer: {name: adam}\n"
            "training: {epochs: 1, batch_size: 2}\ntracking: {name: none}\nseed: 1\n"
        )
        return load(Path("s.yaml"), model=experiment_model(COMPONENTS | {"data": LOADERS}))

    return load_spec


def test_run_reads_it(spec):
    plan = prepare(spec(), Path("runs"))
    assert (len(plan.dataset), plan.dataset.classes) == (12, ("c0", "c1"))


def test_the_doctor_recognises_and_examines_it(root):
    result = diagnosis.diagnose(root)
    assert (result.layout, result.classes, len(result.names)) == ("stacked", ("c0", "c1"), 12)
    assert result.statistics.pixels[:, :2].sum(axis=0).tolist() == [6 * 256, 6 * 256]
    assert result.issues == []


def test_the_doctor_lists_what_its_loader_refuses(root):
    (root / "stack.png").write_bytes(b"no picture")
    result = diagnosis.diagnose(root)
    texts = [(issue.kind, issue.text) for issue in result.issues]
    kind = "refused by its loader"
    assert texts == [
        (kind, f"{root}/stack.png: not a stack"),
        (kind, f"{root}/stack.png: look at it"),
    ]


def test_an_unknown_folder_is_told_every_layout(root, tmp_path):
    (tmp_path / "other").mkdir()
    layouts = [source.layout.content for source in SOURCES.values() if source.layout is not None]
    assert {"train.csv beside train_images/", "stack.png"} < set(layouts)
    expected = ", or ".join(dict.fromkeys(layouts))
    with pytest.raises(DataError) as caught:
        diagnosis.diagnose(tmp_path / "other")
    assert str(caught.value).endswith(
        f"it needs {expected} (it holds nothing); where folders have other names, give a spec file "
        "in place of the folder"
    )


def test_check_says_that_its_data_is_absent(spec, root):
    present = spec()
    assert command._absence(present) == ""
    (root / "stack.png").unlink()
    for image in root.iterdir():
        image.unlink()
    root.rmdir()
    assert command._absence(present) == f" (its data is not at {root})"


def test_too_many_classes_are_refused_before_any_training(spec):
    names = ", ".join(f"c{k}" for k in range(33))
    message = (
        f"the data set has 33 classes ({names}), and at most 32 are supported; merge some, or "
    )
    with pytest.raises(DataError) as caught:
        prepare(spec(", class_count: 33"), Path("runs"))
    assert str(caught.value) == f"{message}leave some out"
    assert not Path("runs").exists()


def test_eight_classes_are_planned(spec):
    plan = prepare(spec(", class_count: 8"), Path("runs"))
    assert plan.class_count == 8
    assert plan.dataset.mask(7).max() == 1 << 7
