"""Added images get rows in the file of a split, together with the images or not at all."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from steelexp.data.dataset import DataError
from steelexp.data.splits.file import append_rows, read_split, read_table
from steelexp.errors import UserError
from tests.data.adding.test_add import OLD, files, killed_at, put, read, write

SOURCE = "mask_folder"
TABLE = "image,part\nc.png,val\na.png,train\nb.png,test\n"


def split_of(folder: Path, text: str = TABLE) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "split.csv"
    path.write_text(text)
    return path


def texture(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(128, 60, (16, 24))
    return np.clip(cv2.resize(noise, (144, 96)), 0, 255).astype(np.uint8)


def save(root: Path, images: dict[str, np.ndarray]) -> None:
    for name, image in images.items():
        for folder, values in (("images", image), ("masks", np.zeros_like(image))):
            (root / folder).mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(root / folder / name), values)


def test_a_near_duplicate_goes_to_the_part_of_the_old_image(tmp_path: Path) -> None:
    root = tmp_path / "set"
    save(root, {f"{name}.png": texture(seed) for seed, name in enumerate("abc")})
    save(tmp_path / "from", {"crop.png": texture(2)[3:, 2:], "exposure.png": texture(1) // 2 + 40})
    path = split_of(tmp_path / "splits")
    incoming = read(SOURCE, tmp_path / "from")
    dry = put(incoming, SOURCE, root, split=path, dry_run=True)
    assert dry.split_parts == {"crop.png": "val", "exposure.png": "test"}  # of c.png and b.png
    assert path.read_text() == TABLE
    assert [file.name for file in path.parent.iterdir()] == ["split.csv"]
    assert put(incoming, SOURCE, root, split=path).split_parts == dry.split_parts
    assert path.read_text().splitlines()[1:4] == TABLE.splitlines()[1:]
    assert read_split(path) == {"c.png": "val", "a.png": "train", "b.png": "test"} | dry.split_parts
    assert put(incoming, SOURCE, root, split=path).split_parts == {}
    assert read_table(path).version == 2


def test_images_that_are_there_without_a_row_get_one(tmp_path: Path) -> None:
    root = write(SOURCE, tmp_path / "set", OLD | {"d.png": 3}, OLD | {"d.png": 3})
    incoming = read(SOURCE, write(SOURCE, tmp_path / "from", {"d.png": 3}, {"d.png": 3}))
    path = split_of(tmp_path / "splits")
    outcome = put(incoming, SOURCE, root, split=path)
    assert (outcome.added, outcome.equal, list(outcome.split_parts)) == ([], 1, ["d.png"])
    assert list(read_split(path)) == ["c.png", "a.png", "b.png", "d.png"]


@pytest.mark.parametrize(
    ("text", "mode", "message"),
    [
        (TABLE + "z.png,val\n", 0o644, "1 of its images are not in .*, such as z.png"),
        (TABLE, 0o444, "read-only; make it writable, or leave --split out"),
        ("ImageId\n", 0o644, "the columns of a split are image,part"),
    ],
)
def test_a_split_that_takes_no_rows_is_refused_and_nothing_is_added(
    tmp_path: Path, text: str, mode: int, message: str
) -> None:
    root = write(SOURCE, tmp_path / "set", OLD, OLD)
    incoming = read(SOURCE, write(SOURCE, tmp_path / "from", {"d.png": 3}, {"d.png": 3}))
    path = split_of(tmp_path / "splits", text)
    path.chmod(mode)
    before = files(root)
    with pytest.raises(UserError, match=message):
        put(incoming, SOURCE, root, split=path)
    assert files(root) == before
    assert path.read_text() == text
    with pytest.raises(DataError, match="not a readable table"):
        put(incoming, SOURCE, root, split=tmp_path / "none.csv")


def test_a_kill_at_any_moment_leaves_the_old_split_or_is_finished(tmp_path: Path) -> None:
    images = {"d.png": 3, "e.png": 4}
    incoming = read(SOURCE, write(SOURCE, tmp_path / "from", images, images))
    states = set()
    for step in range(1, 30):
        root = write(SOURCE, tmp_path / f"set{step}", OLD, OLD)
        path = split_of(tmp_path / f"splits{step}")
        if not killed_at(step, lambda r=root, p=path: put(incoming, SOURCE, r, split=p)):
            break
        extended = len(read_split(path)) == 5
        assert extended or path.read_text() == TABLE
        committed = (root / ".adding" / "moves.json").is_file()
        in_set = {f"{name}.png" for name in "de"} & {p.name for p in (root / "images").iterdir()}
        states.add((committed, len(in_set), extended))
        assert committed or (len(in_set) == 2) == extended  # both, or none of the two
        append_rows(path, {"other.png": "val"})  # a run extends the file before it is finished
        (root / "images" / "other.png").write_bytes((root / "images" / "a.png").read_bytes())
        (root / "masks" / "other.png").write_bytes((root / "masks" / "a.png").read_bytes())
        put(incoming, SOURCE, root, split=path)
        parts = read_split(path)
        assert set(parts) == {*OLD, *images, "other.png"}
        assert list(parts)[:3] == ["c.png", "a.png", "b.png"]
        assert not (root / ".adding").exists()
    assert {(False, 0, False), (True, 2, False), (True, 2, True)} <= states
