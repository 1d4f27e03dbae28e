from collections.abc import Callable
from pathlib import Path

import pytest

from steelexp.plan import SpecModel
from steelexp.spec import ExperimentSpec, load

GOOD = """\
name: good
data: {source: synthetic, root: drawn}
split: {kind: random}
tiling: {kind: columns}
model: {architecture: unet, backbone: mobilenet, weights: none}
loss: {name: focal, gamma: 3.0}
optimizer: {name: adam, learning_rate: 1.0e-4}
training: {epochs: 2, batch_size: 4}
tracking: {name: none}
seed: 1
"""

Write = Callable[..., ExperimentSpec]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with good.yaml in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.yaml").write_text(GOOD)
    return tmp_path


@pytest.fixture
def spec(folder: Path) -> Write:
    """Write spec.yaml, which inherits from good.yaml, and load it."""

    def write(text: str = "", *overrides: str) -> ExperimentSpec:
        (folder / "spec.yaml").write_text(f"extends: good.yaml\n{text}")
        return load(Path("spec.yaml"), overrides, model=SpecModel)

    return write
