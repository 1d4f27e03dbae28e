import re

import pytest

from steelexp.spec import digest, dump, read_resolved

# One other value for every setting of good.yaml that weights or scores depend on.
WITH_EFFECT = {
    "seed": "2",
    "tiling.kind": "random_crops",
    "tiling.size": "128",
    "tiling.count": "5",
    "sampling.kind": "foreground",
    "augment": "{flips: {}}",
    "model.backbone": "mobilenetv2",
    "model.weights": "imagenet",
    "model.scaling": "imagenet",
    "model.batch_norm_momentum": "0.9",
    "model.decoder_filters": "[256, 128, 64, 32, 8]",
    "model.resolution": "half",
    "model.start": "runs/a/1",
    "head.name": "head={name: linear}",
    "loss.name": "dice",
    "loss.gamma": "2.0",
    "loss.alpha": "0.5",
    "class_weights.kind": "inverse",
    # Whole sections, where good.yaml names no component.
    "loss_warm_up.name": "loss_warm_up={name: dice, epochs: 0}",
    "loss_warm_up.label_smoothing": "loss_warm_up={name: bce, epochs: 0, label_smoothing: 0.1}",
    "loss_warm_up.epochs": "loss_warm_up={name: bce, epochs: 1}",
    "loss_warm_up.fade": "loss_warm_up={name: bce, epochs: 0, fade: 1}",
    "optimizer.learning_rate": "2.0e-4",
    "optimizer.beta_1": "0.8",
    "optimizer.beta_2": "0.99",
    "optimizer.epsilon": "1.0e-8",
    "optimizer.clip_norm": "1.0",
    "schedule.name": "cosine",
    "schedule.warm_up_epochs": "schedule={name: plateau, warm_up_epochs: 0.5}",
    "averaging.name": "ema",
    "training.accumulate": "2",
    "training.freeze_encoder_epochs": "1",
    "training.encoder_lr_factor": "0.1",
    "training.epochs": "3",
    "training.batch_size": "8",
    "training.phases": "[{epochs: 2, tiling: {kind: whole}}]",
    "training.monitor": "val_loss",
    "training.early_stopping_patience": "1",
    "training.reduce_lr_patience": "1",
    "training.reduce_lr_factor": "0.5",
    "training.threshold": "0.4",
    "training.precision": "mixed_float16",
    "postprocessing.metric": "dice_positive",
}
WITHOUT_EFFECT = {
    "name": "other",
    "question": "Why?",
    "tracking.name": "comet",
    "published": "{metric: val_dice_batch, value: 0.7, source: published}",
    "training.overlays": "0",
    "training.tile_validation_interval": "2",
    "training.xla": "true",
    "training.convolutions": "winograd",
    "search": "{tuner: {name: grid}, space: {training.batch_size: {int: [4, 8]}}}",
    "training.devices": "all",
    "training.workers": "2",
    # What the data section leads to is in the manifest.
    "data.root": "elsewhere",
    "data.strips": "20",
    "data.seed": "1",
    "data.rarity": "0.0",
    "data.defect_share": "0.4",
    "data.classes_per_strip": "2",
    "data.images": "with_defects",
    "data.cache": "none",
    "data.grey.white": "4095",
    "data.deduplicate": "true",
    "data.exclude": "list.csv",
    "data.train_fraction": "{'1': 0.5}",
    "data.train_fraction_seed": "1",
    "data.train_share": "0.5",
    "data.train_share_seed": "1",
    # The teacher's weights and the images are in the digest: tests/test_unlabelled.py.
    "data.unlabelled": "{root: pool, teacher: runs/a/1}",
    # What the split section leads to is in the split's own hash.
    "split.kind": "overfit",
    "split.val": "0.2",
    "split.seed": "43",
}
ELSEWHERE = {
    "model.start_weights",  # without effect alone: tests/test_starting_run.py
    "model.start_at",
    "data.source",
    "model.architecture",
    "optimizer.name",
}  # the first below, one choice each


def digest_of(result, data="manifest", split="split", weights=None):
    return digest(result, data=data, split=split, weights=weights)


def leaves(values, prefix=""):
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key


def test_every_setting_is_in_one_of_the_tables(spec):
    names = {*WITH_EFFECT, *WITHOUT_EFFECT, *ELSEWHERE}
    assert set(leaves(spec().model_dump())) == names


@pytest.mark.parametrize("key", WITH_EFFECT)
def test_changes_with(spec, key):
    value = WITH_EFFECT[key]
    whole_section = value.startswith(f"{key.split('.')[0]}=")
    override = value if whole_section else f"{key}={value}"
    assert digest_of(spec("", override)) != digest_of(spec())


@pytest.mark.parametrize("key", WITHOUT_EFFECT)
def test_does_not_change_with(spec, key):
    other = spec("", f"{key}={WITHOUT_EFFECT[key]}")
    assert other != spec()
    assert digest_of(other) == digest_of(spec())


def test_does_not_change_with_the_way_the_data_are_read(spec):
    other = spec("data: {source: severstal, root: elsewhere}")
    assert other != spec()
    assert digest_of(other) == digest_of(spec())


def test_changes_with_what_the_data_set_holds(spec):
    assert digest_of(spec(), data="a") != digest_of(spec(), data="b")


def test_changes_with_which_images_train(spec):
    assert digest_of(spec(), split="a") != digest_of(spec(), split="b")


# What the version before these settings computed.
EARLIER = {
    "": "b52f88d6",
    "loss={name: weighted_bce, positive_weights: [1.0]}": "1fa1f24a",
    "loss={name: bce_lovasz}": "f3c3ff6c",
    "loss_warm_up={name: bce_dice, epochs: 2}": "075df344",
}


@pytest.mark.parametrize(("override", "before"), EARLIER.items())
def test_is_that_of_the_version_before_the_settings_of_later_ones(spec, override, before):
    assert digest_of(spec("", *filter(None, [override]))) == before


@pytest.mark.parametrize(
    "override",
    [
        "loss={name: bce_lovasz, symmetric: true}",
        "loss={name: bce_lovasz, label_smoothing: 0.1}",
        "loss={name: bce_lovasz, positive_weights: [2.0]}",
        "loss={name: bce, label_smoothing: 0.1}",
    ],
)
def test_changes_with_a_later_setting_of_a_loss(spec, override):
    name = override.split("name: ")[1].split(",")[0]
    assert digest_of(spec("", override)) != digest_of(spec("", f"loss={{name: {name}}}"))


def test_does_not_change_with_an_augmentation_that_is_taken_away(spec):
    assert digest_of(spec("", "augment.flips=false")) == digest_of(spec())


def test_a_square_in_two_numbers_is_that_of_one(spec):
    assert digest_of(spec("", "tiling.size=[256, 256]")) == digest_of(spec())
    assert digest_of(spec("", "tiling.size=[256, 512]")) != digest_of(spec())


def test_changes_with_crops_that_are_drawn_again(spec):
    crops = spec("", "tiling={kind: random_crops}")
    assert digest_of(spec("", "tiling={kind: random_crops, max_black: 1.0}")) == digest_of(crops)
    assert digest_of(spec("", "tiling={kind: random_crops, max_black: 0.5}")) != digest_of(crops)


def test_changes_with_the_images_without_labels(spec):
    result = spec("", "data.unlabelled={root: pool, teacher: runs/a/1}")
    digests = {
        digest(result, data="manifest", split="split", weights=None, unlabelled=unlabelled)
        for unlabelled in (None, "a", "b")
    }
    assert len(digests) == 3


class TestWeights:
    def test_change_it_by_their_content(self, spec):
        result = spec("", "model.weights=a.h5")
        assert digest_of(result, weights="sha of a") != digest_of(result, weights="sha of b")

    def test_do_not_change_it_by_where_they_lie(self, spec):
        here, there = spec("", "model.weights=a.h5"), spec("", "model.weights=b/c.h5")
        assert digest_of(here, weights="sha") == digest_of(there, weights="sha")

    def test_are_not_those_of_a_name(self, spec):
        result = spec("", "model.weights=imagenet")
        assert digest_of(result) != digest_of(result, weights="sha")


def test_is_the_same_for_a_number_written_otherwise(spec):
    assert digest_of(spec("", "loss.gamma=3")) == digest_of(spec("", "loss.gamma=3.0"))


def test_is_the_same_for_the_resolved_spec(spec, tmp_path):
    (tmp_path / "resolved.yaml").write_text(dump(spec()))
    assert digest_of(read_resolved(tmp_path / "resolved.yaml")) == digest_of(spec())


def test_is_the_same_in_another_order(spec, folder):
    before = digest_of(spec())
    lines = (folder / "good.yaml").read_text().splitlines()
    lines = [
        line.replace("{name: focal, gamma: 3.0}", "{gamma: 3.0, name: focal}") for line in lines
    ]
    (folder / "good.yaml").write_text("\n".join(reversed(lines)))
    assert digest_of(spec()) == before


def test_is_eight_hex_digits(spec):
    assert re.fullmatch("[0-9a-f]{8}", digest_of(spec()))
