from pathlib import Path

import pytest

from steelexp.plan import SpecModel
from steelexp.spec import SpecError, load, read_resolved
from steelexp.spec.renamed import KEYS, VALUES

OLD = {
    "baseline": "baseline: {metric: val_loss, value: 1.0, source: a paper}",
    "decision": "decision: {metric: dice_positive}",
    "warm_up": "warm_up: {name: bce, epochs: 2}",
    "data.copies": "data: {copies: one}",
    "data.keep": "data: {keep: {'1': 0.5}}",
    "data.keep_seed": "data: {keep_seed: 1}",
    "split.tune": "split: {kind: grouped, tune: 0.1}",
    "split.validation": "split: {validation: 0.1}",
    "loss.absent": "loss: {name: dice, absent: ignored}",
    "loss.over": "loss: {name: dice, over: batch}",
    "loss_warm_up.absent": "loss_warm_up: {name: dice, epochs: 1, absent: ignored}",
    "loss_warm_up.over": "loss_warm_up: {name: dice, epochs: 1, over: batch}",
    "training.early_stopping": "training: {early_stopping: 5}",
    "training.reduce_lr": "training: {reduce_lr: 5}",
}


def test_every_key_is_tried():
    assert set(OLD) == set(KEYS)


@pytest.mark.parametrize("key", OLD)
def test_an_old_key_gives_one_line_with_the_new_one(spec, key):
    with pytest.raises(SpecError) as caught:
        spec(OLD[key])
    assert str(caught.value) == f"spec.yaml:2: {key}: renamed; write {KEYS[key]}"


@pytest.mark.parametrize(
    ("key", "old", "new"), [(k, old, new) for k, v in VALUES.items() for old, new in v.items()]
)
def test_an_old_value_gives_one_line_with_the_new_one(spec, key, old, new):
    section, _, setting = key.partition(".")
    with pytest.raises(SpecError) as caught:
        spec(f"{section}: {{{setting}: {old}}}")
    assert str(caught.value) == f"spec.yaml:2: {key}: {old!r}: renamed; write {new}"


def test_an_old_name_in_an_override_and_in_a_space(spec):
    with pytest.raises(SpecError) as caught:
        spec("", "training.reduce_lr=5")
    message = "argument 'training.reduce_lr=5': training.reduce_lr: renamed; write "
    assert str(caught.value) == f"{message}training.reduce_lr_patience"
    space = "{sampling.kind: {choice: [uniform, capped]}}"
    with pytest.raises(SpecError) as caught:
        spec(f"search: {{tuner: {{name: grid}}, space: {space}}}")
    assert "sampling.kind: 'capped': renamed; write repeat_factor" in str(caught.value)


def test_new_names_are_known(spec):
    """Every new key is a setting by now, so that the advice can be followed."""
    text = "loss: {name: dice}\nloss_warm_up: {name: dice, epochs: 1}\nsplit: {kind: grouped}"
    values = spec(text).model_dump()
    for new in KEYS.values():
        section, _, setting = new.partition(",")[0].partition(".")
        assert section in values
        assert not setting or setting in values[section]
    for key, names in VALUES.items():
        for new in names.values():
            section, _, setting = key.partition(".")
            assert spec(f"{section}: {{{setting}: {new}}}")


def test_a_resolved_spec_of_version_0_1_is_one_line(folder):
    Path("old.yaml").write_text("name: a\ndecision: {metric: dice_kaggle}\nwarm_up: {epochs: 0}\n")
    with pytest.raises(SpecError) as caught:
        read_resolved(Path("old.yaml"))
    message = "old.yaml: version 0.1 of steelexp wrote this spec (decision is postprocessing now); "
    assert str(caught.value) == f"{message}write one with the new names"
    with pytest.raises(SpecError, match="decision: renamed; write postprocessing"):
        load(Path("old.yaml"), model=SpecModel)
