import copy
import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from steelexp.__main__ import main
from steelexp.data.augment import AUGMENTATIONS
from steelexp.metrics import MONITORS
from steelexp.plan import COMPONENTS, SpecModel
from steelexp.spec import json_schema, load
from steelexp.spec.experiment_model import PREFIXES
from steelexp.spec.schema import CHAINS, SECTIONS, ExperimentSpec

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
SHIPPED = sorted(EXPERIMENTS.glob("**/*.yaml"))
IDS = [path.relative_to(EXPERIMENTS).as_posix() for path in SHIPPED]
SCHEMA = json_schema(SpecModel)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def header(path: Path) -> list[str]:
    """Return the comment lines that a spec opens with."""
    lines = path.read_text().splitlines()
    return lines[: next(i for i, line in enumerate(lines) if not line.startswith("#"))]


class TestJsonSchema:
    def test_is_one(self):
        jsonschema.Draft202012Validator.check_schema(SCHEMA)

    def test_the_command_prints_it(self, capsys):
        assert main(["schema"]) == 0
        assert json.loads(capsys.readouterr().out) == SCHEMA

    @pytest.mark.parametrize("path", SHIPPED, ids=IDS)
    def test_shipped_specs_are_valid(self, path):
        VALIDATOR.validate(yaml.safe_load(path.read_text()))

    @pytest.mark.parametrize(
        "text",
        [
            "extends: b4_dice.yaml\nname: child\n",
            "loss: {gamma: 2.0}",
            "loss: {reduce: batch}",  # fits dice and bce_dice: which it is, the ancestor says
            "tiling: {size: 128}",
            "data: {root: elsewhere}",
            "optimizer: {learning_rate: 1}",
            "training: {early_stopping_patience: null}",
            "published: null",
            "augment: {flips: {}, shift: {pixels: 8}, noise: false}",
            "search: {trials: 3, space: {loss.gamma: {float: [1, 2], when: {loss.name: [focal]}}}}",
            "search: {tuner: {beta: 2}}",
        ],
    )
    def test_a_spec_that_inherits_gives_what_differs(self, text):
        VALIDATOR.validate(yaml.safe_load(text))

    @pytest.mark.parametrize(
        "text",
        [
            "los: {name: dice}",
            "loss: {name: dise}",
            "loss: {name: dice, gamma: 2.0}",
            "loss: {gamma: high}",
            "loss: {name: focal, alpha: 1.5}",
            "loss: dice",
            "tiling: {kind: columns, size: 100}",
            "tiling: {kind: columns, size: 16}",
            "model: {backbone: mobilnet}",
            "model: {decoder_filters: [1, 2, 3]}",
            "model: {decoder_filters: [1, 2, 3, 4, 0]}",
            "training: {epochs: 0}",
            "training: {epochs: 1.5}",
            "training: {epochs: ten}",
            "training: {monitor: dice}",
            "optimizer: {learning_rate: 0}",
            "optimizer: {beta_1: 1.0}",
            "seed: -1",
            "seed: 4294967296",
            "name: a b",
            "question: 5",
            "extends: [a.yaml, b.yaml]",
            "tracking: {mode: live}",
            "augment: {flps: {}}",
            "augment: {flips: true}",
            "augment: {flips: null}",
            "augment: {shift: {pixels: 0}}",
            "augment: [flips]",
            "data: {cache: ram}",
            "search: {tuner: {name: bayes}}",
            "search: {space: {loss.gamma: {flaot: [1, 2]}}}",
            "search: {space: {training.batch_size: {int: [1.5, 2]}}}",
        ],
    )
    def test_a_wrong_one_is_not(self, text):
        assert not VALIDATOR.is_valid(yaml.safe_load(text))

    def test_names_every_component_with_its_summary(self):
        for section in SECTIONS:
            registry = COMPONENTS[section]
            selector = SECTIONS[section].selector
            for name, function in registry.items():
                part = SCHEMA["$defs"][PREFIXES.get(section, "") + name]
                assert part["description"] == function.__doc__.partition("\n")[0]
                assert part["properties"][selector]["const"] == name

    def test_names_every_augmentation_with_its_summary(self):
        part = SCHEMA["$defs"]["AugmentSpec"]
        assert list(part["properties"]) == list(AUGMENTATIONS)
        for name, function in AUGMENTATIONS.items():
            described = SCHEMA["$defs"][name]["description"]
            assert described == function.__doc__.partition("\n")[0]

    def test_leaves_the_model_as_it_is(self):
        before = copy.deepcopy(SpecModel.model_json_schema())
        json_schema(SpecModel)
        assert SpecModel.model_json_schema() == before
        assert "oneOf" in before["properties"]["loss"]


class TestShippedSpecs:
    def test_there_are_some(self):
        assert len(SHIPPED) >= 5

    @pytest.mark.parametrize("path", SHIPPED, ids=IDS)
    def test_names_its_schema(self, path):
        prefix = "# yaml-language-server: $schema="
        (named,) = [line for line in header(path) if line.startswith(prefix)]
        target = path.parent / named.removeprefix(prefix)
        assert target.resolve() == (EXPERIMENTS / "spec.schema.json").resolve()
        assert not Path(named.removeprefix(prefix)).is_absolute()

    @pytest.mark.parametrize("path", SHIPPED, ids=IDS)
    def test_opens_with_its_command(self, path):
        relative = path.relative_to(EXPERIMENTS.parent).as_posix()
        assert f"# python -m steelexp run {relative}" in header(path)

    @pytest.mark.parametrize("path", SHIPPED, ids=IDS)
    def test_loads_under_the_name_of_its_file(self, path):
        spec = load(path, model=SpecModel)
        study = path.parent.name in {
            "ablation",
            "imbalance",
            "search",
            "unlabelled",
        }  # runs apart, their names in tables
        folders = () if study else path.parent.relative_to(EXPERIMENTS).parts
        if folders == ("synthetic_ablation",):  # beside those of neu_seg/ablation in a list of runs
            folders = ("strips",)
        assert spec.name == "_".join([*folders, path.stem])
        assert spec.question.endswith("?")

    def test_the_published_recipe(self):
        spec = load(EXPERIMENTS / "b4_dice.yaml", model=SpecModel)
        assert (spec.model.settings["backbone"], spec.loss.choice) == ("efficientnetb4", "dice")
        assert spec.tiling.settings == {"size": 256, "count": 6}
        assert (spec.training.epochs, spec.training.batch_size) == (40, 16)
        assert (spec.published.metric, spec.published.value) == ("val_dice_batch", 0.7172)

    @pytest.mark.parametrize("name", ["b4_focal", "b4_bce_dice"])
    def test_a_question_about_the_loss_changes_the_loss_alone(self, name):
        dice, other = (
            load(EXPERIMENTS / f"{stem}.yaml", model=SpecModel).model_dump()
            for stem in ("b4_dice", name)
        )
        assert {key for key in dice if dice[key] != other[key]} == {"name", "question", "loss"}


def test_every_section_of_the_spec_has_components():
    assert {*SECTIONS, *CHAINS} == set(COMPONENTS)
    assert set(SpecModel.model_fields) == set(ExperimentSpec.model_fields)


def test_every_metric_can_be_monitored(spec):
    for metric in MONITORS:
        assert spec("", f"training.monitor={metric}").training.monitor == metric
