from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field, PositiveInt

from steelexp.plan import COMPONENTS, SpecModel
from steelexp.spec import SpecError, experiment_model, load, substitute

Rate = Annotated[float, Field(ge=0, le=1)]


def unet(classes, *, backbone: str, weights: str = "imagenet", filters: PositiveInt = 8):
    """A network."""


def linknet(
    classes, *, backbone: str, weights: str = "none", filters: Rate = 0.5, dropout: Rate = 0.0
):
    """Another one, whose `filters` are another thing."""


TWO = experiment_model(COMPONENTS | {"model": {"unet": unet, "linknet": linknet}})
PARENT = "model: {architecture: unet, backbone: b4, weights: none, filters: 16}\n"


@pytest.fixture
def read(folder):
    """Load child.yaml, which inherits from parent.yaml; the spec and the notes."""

    def load_child(text, *overrides, parent=PARENT):
        lines = (folder / "good.yaml").read_text().splitlines(keepends=True)
        remaining = [line for line in lines if not line.startswith("model:")]
        (folder / "parent.yaml").write_text("".join(remaining) + parent)
        (folder / "child.yaml").write_text(f"extends: parent.yaml\n{text}")
        notes = []
        return load(Path("child.yaml"), overrides, model=TWO, notes=notes), notes

    return load_child


class TestArchitecture:
    def test_keeps_the_settings_that_the_new_one_has_too(self, read):
        spec, notes = read("model: {architecture: linknet, dropout: 0.1}")
        assert spec.model.settings == {
            "backbone": "b4",
            "weights": "none",
            "filters": 0.5,  # of another type there, so its own default
            "dropout": 0.1,
        }
        message = "child.yaml:2: model.architecture: linknet does not have the inherited filters; "
        assert notes == [f"{message}dropped"]

    def test_nothing_is_said_where_nothing_is_dropped(self, read):
        parent = "model: {architecture: unet, backbone: b4}\n"
        spec, notes = read("model: {architecture: linknet}", parent=parent)
        assert (spec.model.settings["backbone"], notes) == ("b4", [])

    def test_a_setting_in_the_same_file_that_it_lacks_is_refused(self, read):
        with pytest.raises(SpecError, match=r"child.yaml:2: model.dropout: unknown setting"):
            read("model: {architecture: unet, dropout: 0.1}", parent=PARENT)

    def test_by_an_override(self, read):
        spec, notes = read("", "model.architecture=linknet")
        assert spec.model.settings["backbone"] == "b4"
        (note,) = notes
        assert note.startswith("argument 'model.architecture=linknet': model.architecture: ")

    def test_by_a_value_of_a_search(self, read):
        spec, _ = read("")
        result = substitute(spec, {"model.architecture": "linknet"})
        assert result.model.settings["backbone"] == "b4"
        assert result.model.settings["filters"] == 0.5

    def test_an_unknown_one_is_the_only_problem(self, read):
        with pytest.raises(SpecError) as caught:
            read("model: {architecture: linknot}")
        assert str(caught.value).startswith("child.yaml:2: model.architecture: 'linknot' is not ")
        assert "\n" not in str(caught.value)


class TestOtherSections:
    def test_another_loss_starts_anew(self, read):
        spec, notes = read("loss: {name: dice, smooth: 2.0}")
        assert spec.loss.settings["smooth"] == 2.0
        spec, notes = read("loss: {name: bce_dice}", "loss.name=tversky")
        assert "gamma" not in spec.loss.settings
        assert notes == []

    def test_a_shared_name_of_losses_is_not_inherited(self, folder):
        (folder / "a.yaml").write_text("extends: good.yaml\nloss: {name: dice, smooth: 9.0}\n")
        (folder / "b.yaml").write_text("extends: a.yaml\nloss: {name: tversky}\n")
        anew = load(Path("b.yaml"), model=SpecModel).loss.settings["smooth"]
        (folder / "c.yaml").write_text("extends: good.yaml\nloss: {name: tversky}\n")
        assert anew == load(Path("c.yaml"), model=SpecModel).loss.settings["smooth"] != 9.0

    def test_settings_of_the_section_itself_stay(self, folder):
        (folder / "a.yaml").write_text(
            "extends: good.yaml\ndata: {cache: memory, strips: 5}\n"
            "loss_warm_up: {name: bce, epochs: 3}\n"
        )
        (folder / "b.yaml").write_text(
            "extends: a.yaml\ndata: {source: severstal, root: there}\nloss_warm_up: {name: dice}\n"
        )
        spec = load(Path("b.yaml"), model=SpecModel)
        assert (spec.data.cache, spec.data.settings["subset"]) == ("memory", None)
        assert (spec.loss_warm_up.name, spec.loss_warm_up.epochs) == ("dice", 3)

    def test_the_folder_of_the_data_does_not(self, spec):
        with pytest.raises(SpecError, match=r"spec.yaml:2: data.root: missing"):
            spec("data: {source: severstal}")
