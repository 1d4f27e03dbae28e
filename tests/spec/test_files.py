from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from steelexp.metrics import MONITORS
from steelexp.model.losses import LOSSES
from steelexp.plan import SpecModel
from steelexp.spec import SpecError, dump, load, read_resolved

KNOWN = ", ".join(LOSSES)
DICE = {"reduce": "tile_and_class", "smooth": 1.0, "empty_class": "smoothed"}

TOP = ", ".join([*SpecModel.model_fields, "extends"])


def messages(load_it, *arguments):
    with pytest.raises(SpecError) as caught:
        load_it(*arguments)
    return str(caught.value).splitlines()


# What is wrong below `extends: good.yaml`, and what is said; a place is a line of spec.yaml.
WRONG = {
    "exponent without point": (
        "optimizer: {learning_rate: 1e-3}",
        "2: optimizer.learning_rate: 1e-3 is read as text by YAML; write 1.0e-3",
    ),
    "no": (
        "model: {weights: no}",
        "2: model.weights: no is read as false by YAML; write false, or 'no' for the word",
    ),
    "octal": ("seed: 010", "2: seed: 010 is read as 8 by YAML; write 8, or '010' for the word"),
    "thousands": (
        "seed: 1_000",
        "2: seed: 1_000 is read as 1000 by YAML; write 1000, or '1_000' for the word",
    ),
    "key twice": (
        "seed: 1\nloss: {gamma: 1.0}\nseed: 2",
        "4: seed: given twice, first at spec.yaml:2; keep one",
    ),
    "nested key twice": (
        "loss:\n  gamma: 1.0\n  gamma: 2.0",
        "4: loss.gamma: given twice, first at spec.yaml:3; keep one",
    ),
    "unknown section": (
        "los: {gamma: 2.0}",
        f"2: los: unknown setting; allowed: {TOP}; did you mean loss?",
    ),
    "unknown setting": (
        "loss: {gama: 2.0}",
        "2: loss.gama: unknown setting; allowed: name, gamma, alpha; did you mean gamma?",
    ),
    "unknown setting of a plain section": (
        "training: {epoch: 3}",
        (
            "2: training.epoch: unknown setting; allowed: epochs, batch_size, phases, "
            "monitor, early_stopping_patience, reduce_lr_patience, reduce_lr_factor, threshold, "
            "precision, devices, workers, overlays, tile_validation_interval, xla, "
            "freeze_encoder_epochs, encoder_lr_factor, accumulate, convolutions; did you mean "
            "epochs?"
        ),
    ),
    "setting of another component": (
        "loss: {name: dice, gamma: 2.0}",
        (
            "2: loss.gamma: unknown setting, it is one of focal and focal_tversky and focal_dice "
            "and unified_focal; allowed: name, reduce, smooth, empty_class"
        ),
    ),
    "setting of two others": (
        "tiling: {kind: whole, count: 2}",
        "2: tiling.count: unknown setting, it is one of columns and random_crops; allowed: kind",
    ),
    "unknown component": (
        "loss: {name: dise}",
        f"2: loss.name: 'dise' is not known; allowed: {KNOWN}; did you mean dice?",
    ),
    "unknown optimizer": (
        "optimizer: {name: lamb}",
        "2: optimizer.name: 'lamb' is not known; allowed: adam, adamw, sgd; did you mean adam?",
    ),
    "plateau with another schedule": (
        "schedule: {name: cosine}\ntraining: {reduce_lr_patience: 2}",
        (
            "2: schedule: {'name': 'cosine'}: it sets the learning rate of every step; set "
            "training.reduce_lr_patience=null, or take schedule.name=plateau"
        ),
    ),
    "averages on several workers": (
        "averaging: {name: ema}\ntraining: {workers: 2}",
        (
            "2: averaging: {'name': 'ema'}: it averages in one process, and swa on one device; "
            "take training.workers=1 and training.devices=one, or averaging.name=none"
        ),
    ),
    "swa on several devices": (
        "averaging: {name: swa, start_epoch: 2}\ntraining: {devices: all}",
        (
            "2: averaging: {'name': 'swa', 'start_epoch': 2}: it averages in one process, and swa "
            "on one device; take training.workers=1 and training.devices=one, or "
            "averaging.name=none"
        ),
    ),
    "swa of a frozen encoder": (
        "averaging: {name: swa, start_epoch: 3}\ntraining: {freeze_encoder_epochs: 3}",
        (
            "2: averaging: {'name': 'swa', 'start_epoch': 3}: swa computes batch norm anew, also "
            "that of the encoder, which is frozen for 3 epochs; set averaging.start_epoch above 3"
        ),
    ),
    "frozen encoder on several devices": (
        "training: {freeze_encoder_epochs: 2, devices: all}",
        (
            "2: training.freeze_encoder_epochs: 2: it is for one device; take "
            "training.devices=one and training.workers=1, or 0"
        ),
    ),
    "accumulation on several devices": (
        "training: {accumulate: 2, devices: all}",
        (
            "2: training.accumulate: 2: it is for one device, and several share a larger batch; "
            "raise training.batch_size, or take training.devices=one and training.workers=1"
        ),
    ),
    "unknown metric": (
        "training: {monitor: dice_positive}",
        (
            f"2: training.monitor: 'dice_positive' is not known; allowed: {', '.join(MONITORS)}; "
            "did you mean val_dice_positive?"
        ),
    ),
    "unknown choice": (
        "tracking: {name: comet, mode: live}",
        (
            "2: tracking.mode: 'live' is not known; allowed: auto, online, offline; "
            "did you mean online?"
        ),
    ),
    "required setting missing": ("data: {source: severstal}", "2: data.root: missing"),
    "above the range": (
        "loss: {alpha: 1.5}",
        "2: loss.alpha: 1.5: input should be less than or equal to 1",
    ),
    "below the range": (
        "training:\n  epochs: 0",
        "3: training.epochs: 0: input should be greater than 0",
    ),
    "not finite": (
        "optimizer: {learning_rate: .inf}",
        "2: optimizer.learning_rate: inf: input should be a finite number",
    ),
    "seed too large": (
        "seed: 4294967296",
        "2: seed: 4294967296: input should be less than 4294967296",
    ),
    "tile size": ("tiling: {size: 100}", "2: tiling.size: 100: input should be a multiple of 32"),
    "text for a number": (
        "training: {epochs: ten}",
        "2: training.epochs: 'ten': input should be a valid integer",
    ),
    "true for a number": (
        "training: {epochs: true}",
        "2: training.epochs: True: input should be a valid integer",
    ),
    "half an epoch": (
        "training: {epochs: 2.5}",
        "2: training.epochs: 2.5: input should be a valid integer",
    ),
    "number for text": ("question: 5", "2: question: 5: input should be a valid string"),
    "nothing for a number": ("seed:", "2: seed: None: input should be a valid integer"),
    "wrong item of a list": (
        "model: {decoder_filters: [64, 32, x, 16, 8]}",
        "2: model.decoder_filters[2]: 'x': input should be a valid integer",
    ),
    "surprising item of a list": (
        "model:\n  decoder_filters:\n    - 64\n    - 1e1",
        "5: model.decoder_filters[1]: 1e1 is read as text by YAML; write 1.0e+1",
    ),
    "list too short": (
        "model: {decoder_filters: [64, 32]}",
        (
            "2: model.decoder_filters: [64, 32]: tuple should have at least 5 items after "
            "validation, not 2"
        ),
    ),
    "word for a section": ("loss: dice", "2: loss: 'dice': a mapping of settings is expected"),
    "nothing for a section": ("loss:", "2: loss: None: a mapping of settings is expected"),
    "number for a plain section": (
        "training: 5",
        "2: training: 5: a mapping of settings is expected",
    ),
    "list for a section": (
        "data: [severstal]",
        "2: data: ['severstal']: a mapping of settings is expected",
    ),
    "name with a blank": (
        "name: b4 dice",
        "2: name: 'b4 dice': string should match pattern '^[A-Za-z0-9][A-Za-z0-9._-]*$'",
    ),
    "name of a folder above": (
        "name: ../b4",
        "2: name: '../b4': string should match pattern '^[A-Za-z0-9][A-Za-z0-9._-]*$'",
    ),
    "variable not set": (
        'data: {root: "${STEELEXP_UNSET}"}',
        (
            "2: data.root: ${STEELEXP_UNSET}: the variable STEELEXP_UNSET is not set; "
            "set it or write ${STEELEXP_UNSET:-...}"
        ),
    ),
    "misspelt extends": (
        "extend: b4.yaml",
        f"2: extend: unknown setting; allowed: {TOP}; did you mean extends?",
    ),
    "broken YAML": (
        "loss: {name: dice\nseed: 3",
        "3: not YAML: while parsing a flow mapping, expected ',' or '}', but got ':'",
    ),
    "tag": (
        "seed: !!int '3'",
        "2: seed: tag:yaml.org,2002:int: tags are not taken; remove it",
    ),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG.keys())
def test_wrong_specs(spec, monkeypatch, text, message):
    monkeypatch.delenv("STEELEXP_UNSET", raising=False)
    assert messages(spec, text) == [f"spec.yaml:{message}"]


# Whole files: the content, and what is said.
UNREADABLE = {
    "empty": (b"", "spec.yaml:1: not a spec: a mapping of settings is expected"),
    "comments only": (b"# soon\n", "spec.yaml:1: not a spec: a mapping of settings is expected"),
    "list": (b"- a\n- b\n", "spec.yaml:1: not a spec: a mapping of settings is expected"),
    "word": (b"dice\n", "spec.yaml:1: not a spec: a mapping of settings is expected"),
    "Latin-1": (b"question: Sch\xe4den?\n", "spec.yaml: cannot be read: not UTF-8 text"),
    "binary": (b"a: 1\nb: \0\n", "spec.yaml:2: not YAML: special characters are not allowed"),
    "ancestor missing": (
        b"name: x\nextends: goood.yaml\n",
        "spec.yaml:2: extends: there is no spec goood.yaml; did you mean good.yaml?",
    ),
    "ancestor's folder missing": (
        b"extends: ../nowhere/good.yaml\n",
        "spec.yaml:1: extends: there is no spec ../nowhere/good.yaml",
    ),
    "itself": (b"extends: spec.yaml\n", "spec.yaml:1: extends: spec.yaml inherits from this file"),
    "circle": (b"extends: a.yaml\n", "b.yaml:2: extends: a.yaml inherits from this file"),
    "two ancestors": (
        b"extends: [good.yaml, a.yaml]\n",
        "spec.yaml:1: extends: the path of one spec is expected",
    ),
    "ancestor with settings": (
        b"extends:\n  path: good.yaml\n",
        "spec.yaml:2: extends: the path of one spec is expected",
    ),
    "ancestor broken": (
        b"extends: broken.yaml\nname: x\n",
        "broken.yaml:1: not YAML: mapping values are not allowed here",
    ),
}


@pytest.mark.parametrize(("content", "message"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_unreadable_specs_have_one_message(folder, content, message):
    (folder / "spec.yaml").write_bytes(content)
    (folder / "a.yaml").write_text("name: a\nextends: b.yaml\n")
    (folder / "b.yaml").write_text("name: b\nextends: a.yaml\n")
    (folder / "broken.yaml").write_text("a: b: c\n")
    assert messages(lambda: load(Path("spec.yaml"), model=SpecModel)) == [message]


def test_a_spec_that_is_not_there(folder):
    message = messages(lambda: load(Path("absent.yaml"), model=SpecModel))
    assert message == ["absent.yaml: cannot be read: No such file or directory"]


def test_missing_sections_and_the_components_that_could_be_named(folder):
    (folder / "spec.yaml").write_text("# none\nname: x\nloss: {gamma: 2.0}\nmodel:\n  weights: a\n")
    assert messages(lambda: load(Path("spec.yaml"), model=SpecModel)) == [
        "spec.yaml:2: data: missing",
        "spec.yaml:2: split: missing",
        "spec.yaml:2: tiling: missing",
        "spec.yaml:2: optimizer: missing",
        "spec.yaml:2: training: missing",
        "spec.yaml:2: tracking: missing",
        "spec.yaml:2: seed: missing",
        f"spec.yaml:3: loss.name: missing; allowed: {KNOWN}",
        "spec.yaml:5: model.architecture: missing; allowed: unet, fpn, linknet, pspnet",
    ]


def test_everything_wrong_is_said_at_once_in_the_order_of_the_file(spec, folder):
    (folder / "good.yaml").write_text((folder / "good.yaml").read_text() + "zzz: 1\n")
    text = """\
seed: -1
question: no
model: {batch_norm_momentum: 1.0}
loss:
  alpha: 2.0
  gama: 1.0



training: {epochs: 1e1, batch_size: 0}
"""
    message = messages(spec, text, "tiling.size=48", "optimizer.name", "split.val=0.0")
    assert message == [
        "argument 'optimizer.name': key=value with a dotted key is expected",
        "argument 'split.val=0.0': split.val: 0.0: input should be greater than 0",
        "argument 'tiling.size=48': tiling.size: 48: input should be a multiple of 32",
        f"good.yaml:11: zzz: unknown setting; allowed: {TOP}",
        "spec.yaml:2: seed: -1: input should be greater than or equal to 0",
        "spec.yaml:3: question: no is read as false by YAML; write false, or 'no' for the word",
        "spec.yaml:4: model.batch_norm_momentum: 1.0: input should be less than 1",
        "spec.yaml:6: loss.alpha: 2.0: input should be less than or equal to 1",
        "spec.yaml:7: loss.gama: unknown setting; allowed: name, gamma, alpha; did you mean gamma?",
        "spec.yaml:11: training.epochs: 1e1 is read as text by YAML; write 1.0e+1",
        "spec.yaml:11: training.batch_size: 0: input should be greater than 0",
    ]


def test_unknown_backbone_lists_all_and_the_nearest(spec):
    (message,) = messages(spec, "model: {backbone: mobilnetv2}")
    assert message.startswith(
        "spec.yaml:2: model.backbone: 'mobilnetv2' is not known; allowed: densenet121, "
    )
    assert message.endswith("; did you mean mobilenetv2?")
    assert "efficientnetb4, " in message


class TestInheritance:
    def test_settings_are_merged_key_by_key(self, spec):
        child = spec("loss: {alpha: 0.5}\ntraining: {epochs: 9}")
        assert child.loss.settings == {"gamma": 3.0, "alpha": 0.5}
        assert (child.training.epochs, child.training.batch_size) == (9, 4)

    def test_a_section_that_names_its_component_again_is_merged(self, spec):
        assert spec("loss: {name: focal, alpha: 0.5}").loss.settings == {"gamma": 3.0, "alpha": 0.5}

    def test_a_section_that_names_another_component_starts_anew(self, spec):
        child = spec("loss: {name: dice}\ntiling: {kind: whole}")
        assert child.loss.settings == DICE
        assert child.tiling.settings == {}

    def test_grandparents_in_other_folders(self, folder):
        (folder / "sub" / "deep").mkdir(parents=True)
        (folder / "sub" / "b.yaml").write_text("extends: ../good.yaml\nseed: 2\nname: b\n")
        (folder / "sub" / "deep" / "c.yaml").write_text("extends: ../b.yaml\nname: c\n")
        grandchild = load(Path("sub/deep/c.yaml"), model=SpecModel)
        assert (grandchild.name, grandchild.seed, grandchild.loss.choice) == ("c", 2, "focal")

    def test_a_list_is_replaced(self, spec, folder):
        text = (folder / "good.yaml").read_text()
        filters = "weights: none, decoder_filters: [8, 8, 8, 8, 8]"
        (folder / "good.yaml").write_text(text.replace("weights: none", filters))
        assert spec().model.settings["decoder_filters"] == (8, 8, 8, 8, 8)
        child = spec("model: {decoder_filters: [1, 2, 3, 4, 5]}")
        assert child.model.settings["decoder_filters"] == (1, 2, 3, 4, 5)

    def test_an_error_is_where_it_was_written(self, spec, folder):
        text = (folder / "good.yaml").read_text()
        (folder / "good.yaml").write_text(text.replace("gamma: 3.0", "gamma: -3.0"))
        message = "good.yaml:6: loss.gamma: -3.0: input should be greater than or equal to 0"
        assert messages(spec, "loss: {alpha: 0.5}") == [message]
        assert spec("loss: {gamma: 1.0}").loss.settings["gamma"] == 1.0

    def test_what_the_ancestor_lacks_is_missing_there(self, spec, folder):
        text = (folder / "good.yaml").read_text()
        (folder / "good.yaml").write_text(text.replace("batch_size: 4", "overlays: 4"))
        message = ["good.yaml:8: training.batch_size: missing"]
        assert messages(spec, "training: {epochs: 3}") == message
        assert messages(spec, "", "training.epochs=3") == message


class TestTileValidation:
    @pytest.mark.parametrize("monitor", ["val_loss", "val_dice_batch"])
    def test_a_monitor_of_tiles_needs_it_in_every_epoch(self, spec, monitor):
        interval = "training.tile_validation_interval=2"
        message = (
            f"argument {interval!r}: training.tile_validation_interval: 2: the monitor {monitor} "
            "is measured on tiles, in every epoch; take 1, or set training.monitor to a metric of "
            "whole images"
        )
        assert messages(spec, "", f"training.monitor={monitor}", interval) == [message]
        assert spec("", f"training.monitor={monitor}").training.tile_validation_interval == 1
        assert spec("", interval).training.tile_validation_interval == 2


@pytest.mark.parametrize("several", ["training.devices=all", "training.workers=2"])
def test_xla_compiles_the_step_of_one_device(spec, several):
    message = (
        "argument 'training.xla=true': training.xla: True: it compiles the step of one device; "
        "take training.devices=one and training.workers=1, or training.xla=false"
    )
    assert messages(spec, "", several, "training.xla=true") == [message]
    assert spec("", "training.xla=true").training.xla


def test_winograd_is_refused_where_it_has_not_been_tried(spec):
    other = ("training.devices=all", "training.precision=mixed_bfloat16", "training.xla=false")
    (message,) = messages(spec, "", *other, "training.convolutions=winograd")
    assert message.endswith(
        "training.convolutions: 'winograd': winograd needs training.precision=float32, "
        "training.devices=one; or take training.convolutions=direct"
    )
    assert spec("", "training.convolutions=winograd").training.convolutions == "winograd"


class TestOverrides:
    def test_win_over_the_file(self, spec):
        result = spec(
            "seed: 3", "seed=4", "loss.gamma=1.5", "model.decoder_filters=[1, 2, 3, 4, 5]"
        )
        assert (result.seed, result.loss.settings["gamma"]) == (4, 1.5)
        assert result.model.settings["decoder_filters"] == (1, 2, 3, 4, 5)

    def test_values_are_yaml(self, spec):
        result = spec(
            "",
            "training.early_stopping_patience=null",
            "question='5'",
            "published.metric=val_loss",
            "published.value=-1.5",
            "published.source=ours",
        )
        assert (result.training.early_stopping_patience, result.question) == (None, "5")
        assert result.published.value == -1.5

    def test_a_value_may_hold_the_equals_sign(self, spec):
        assert spec("", "question=is a=b?").question == "is a=b?"

    @pytest.mark.parametrize("order", [1, -1])
    def test_order_does_not_matter(self, spec, order):
        result = spec("loss: {name: dice}", *["loss.name=focal", "loss.gamma=1.5"][::order])
        assert result.loss.settings == {"gamma": 1.5, "alpha": 0.25}

    def test_another_component_drops_the_settings_of_the_first(self, spec):
        assert spec("", "loss.name=dice").loss.settings == DICE

    def test_the_later_of_two_counts(self, spec):
        assert spec("", "seed=2", "seed=3").seed == 3

    def test_mend_what_is_wrong_in_the_file(self, spec):
        assert spec("training: {epochs: 0}", "training.epochs=1").training.epochs == 1

    def test_a_section_at_once(self, spec):
        assert spec("", "loss={name: bce_dice, reduce: batch}").loss.settings["reduce"] == "batch"

    @pytest.mark.parametrize(
        ("override", "message"),
        [
            ("loss", "key=value with a dotted key is expected"),
            ("=3", "key=value with a dotted key is expected"),
            ("loss..gamma=3", "key=value with a dotted key is expected"),
            (".loss=3", "key=value with a dotted key is expected"),
            ("loss.gamma=", "loss.gamma: None: input should be a valid number"),
            ("loss.gamma=1e1", "loss.gamma: 1e1 is read as text by YAML; write 1.0e+1"),
            (
                "loss.gamma=[1",
                (
                    "loss.gamma: not YAML: while parsing a flow sequence, expected ',' or "
                    "']', but got '<stream end>'"
                ),
            ),
            (
                "loss.gama=1",
                "loss.gama: unknown setting; allowed: name, gamma, alpha; did you mean gamma?",
            ),
            (
                "loss.name=dise",
                (f"loss.name: 'dise' is not known; allowed: {KNOWN}; did you mean dice?"),
            ),
            ("training=5", "training: 5: a mapping of settings is expected"),
            (
                "extends=good.yaml",
                f"extends: unknown setting; allowed: {TOP}; did you mean extends?",
            ),
            ("seed=x:5", "seed: 'x:5': input should be a valid integer"),
            (
                "name=${STEELEXP_UNSET}",
                (
                    "name: ${STEELEXP_UNSET}: the variable STEELEXP_UNSET is not "
                    "set; set it or write ${STEELEXP_UNSET:-...}"
                ),
            ),
        ],
    )
    def test_wrong_ones(self, spec, monkeypatch, override, message):
        monkeypatch.delenv("STEELEXP_UNSET", raising=False)
        assert messages(spec, "", override) == [f"argument {override!r}: {message}"]


class TestEnvironment:
    def test_a_plain_default_has_its_type_and_a_quoted_one_is_text(self, spec, monkeypatch):
        monkeypatch.delenv("STEELEXP_EPOCHS", raising=False)
        text = 'question: "${STEELEXP_EPOCHS:-7}"\ntraining:\n  epochs: ${STEELEXP_EPOCHS:-7}'
        result = spec(text)
        assert (result.question, result.training.epochs) == ("7", 7)
        monkeypatch.setenv("STEELEXP_EPOCHS", "11")
        result = spec(text)
        assert (result.question, result.training.epochs) == ("11", 11)

    def test_a_value_of_the_wrong_type(self, spec, monkeypatch):
        monkeypatch.setenv("STEELEXP_EPOCHS", "many")
        message = "spec.yaml:2: training.epochs: 'many': input should be a valid integer"
        assert messages(spec, 'training: {epochs: "${STEELEXP_EPOCHS}"}') == [message]


class TestFrozen:
    @pytest.mark.parametrize(
        ("part", "field"),
        [("", "seed"), ("loss", "gamma"), ("training", "epochs"), ("data", "root")],
    )
    def test_nothing_can_be_set(self, spec, part, field):
        result = spec()
        with pytest.raises(ValidationError, match="frozen"):
            setattr(getattr(result, part) if part else result, field, 3)


LOSSES = st.one_of(
    st.fixed_dictionaries(
        {"name": st.just("focal")},
        optional={
            "gamma": st.floats(0, 1e300, allow_subnormal=False),
            "alpha": st.floats(0, 1),
        },
    ),
    st.fixed_dictionaries(
        {"name": st.just("dice")},
        optional={"reduce": st.sampled_from(["tile", "batch"]), "smooth": st.floats(1e-9, 1e9)},
    ),
)
TRAINING = st.fixed_dictionaries(
    {"epochs": st.integers(1, 999), "batch_size": st.integers(1, 99)},
    optional={
        "early_stopping_patience": st.none() | st.integers(1, 9),
        "threshold": st.floats(0.001, 0.999),
    },
)
# `${` would be filled in from the environment, and a lone surrogate is no text.
TEXTS = st.one_of(
    st.sampled_from(["no", "1e-3", "010", "1:30", "null", "", "2026-01-31", "<<", "=", "- a: b #"]),
    st.text(st.characters(exclude_characters="$\0", exclude_categories=["Cs"])),
)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}", fullmatch=True)


class TestResolved:
    @settings(max_examples=50, deadline=None)
    @given(loss=LOSSES, training=TRAINING, question=TEXTS, root=TEXTS, name=NAMES)
    def test_dump_and_load_are_inverse(
        self, tmp_path_factory, loss, training, question, root, name
    ):
        spec = SpecModel.model_validate(
            {
                "name": name,
                "question": question,
                "data": {"source": "mask_folder", "root": root, "classes": [question]},
                "split": {"kind": "overfit"},
                "tiling": {"kind": "whole"},
                "model": {"architecture": "unet", "backbone": "vgg16"},
                "loss": loss,
                "optimizer": {"name": "adam"},
                "training": training,
                "tracking": {"name": "none"},
                "seed": 3,
            }
        )
        path = tmp_path_factory.getbasetemp() / "resolved.yaml"
        path.write_text(dump(spec), encoding="utf-8")
        assert load(path, model=SpecModel) == spec
        assert read_resolved(path).model_dump(mode="json") == spec.model_dump(mode="json")
        assert dump(read_resolved(path)) == dump(spec)

    @pytest.mark.parametrize("text", ["\x85", "a\x85b", "\u2028", "1e5", "no", "\n", " "])
    def test_texts_that_yaml_could_change(self, tmp_path, spec, text):
        path = tmp_path / "spec.yaml"
        question = spec().model_copy(update={"question": text})
        path.write_text(dump(question), encoding="utf-8")
        assert read_resolved(path).question == text

    def test_every_default_is_written_out(self, spec):
        lines = dump(spec()).splitlines()
        assert "loss: {name: focal, gamma: 3.0, alpha: 0.25}" in lines
        assert "tiling: {kind: columns, size: 256, count: 6}" in lines
        assert "published: null" in lines

    def test_needs_no_component(self, tmp_path, spec):
        text = dump(spec()).replace("name: focal", "name: forgotten")
        (tmp_path / "old.yaml").write_text(text)
        assert read_resolved(tmp_path / "old.yaml").loss.choice == "forgotten"

    @pytest.mark.parametrize("text", ["name: x\n", "a: b: c\n", "", "seed: [\n"])
    def test_what_is_none_has_one_message(self, tmp_path, text):
        path = tmp_path / "spec.yaml"
        path.write_text(text)
        (message,) = messages(read_resolved, path)
        assert message.startswith(f"{path}: not a spec that this version wrote (")
