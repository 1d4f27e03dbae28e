"""One list of settings that cannot change a score, read by digest, identity and comparability."""

import pytest

from steelexp.search.identity import identity
from steelexp.spec.effects import WITHOUT_EFFECT, effective_settings, is_part_of

SEARCH = "search={tuner: {name: grid}, space: {training.batch_size: {int: [4, 8]}}}"
CHANGES = {
    "name": "other",
    "question": "Why?",
    "tracking.name": "comet",
    "published": "{metric: val_dice_batch, value: 0.7, source: published}",
    "data.root": "elsewhere",
    "data.cache": "none",
    "data.unlabelled.root": "elsewhere",
    "training.overlays": "0",
    "training.devices": "all",
    "training.workers": "2",
    "training.tile_validation_interval": "2",
    "training.xla": "true",
    "training.convolutions": "winograd",
}
BESIDE = {"data.unlabelled.root": ["data.unlabelled={root: pool, teacher: runs/a/1}"]}
"""Settings without which one of these cannot be set."""


def test_a_key_is_part_of_its_section():
    assert is_part_of("training.overlays", {"training.overlays"})
    assert is_part_of("tracking.name", {"tracking"})
    assert not is_part_of("tracking_rate", {"tracking"})
    assert not is_part_of("training", {"training.overlays"})


def test_every_setting_without_effect_is_tried_here():
    assert all(
        any(is_part_of(key, {name}) for key in CHANGES) for name in WITHOUT_EFFECT - {"search"}
    )
    assert all(is_part_of(key, WITHOUT_EFFECT) for key in CHANGES)


@pytest.mark.parametrize("key", CHANGES)
def test_it_changes_neither_settings_nor_search(spec, key):
    beside = BESIDE.get(key, [])
    one, other = spec("", SEARCH, *beside), spec("", SEARCH, *beside, f"{key}={CHANGES[key]}")
    assert one != other
    assert effective_settings(one) == effective_settings(other)
    assert identity(one, "digest") == identity(other, "digest")


def test_others_do(spec):
    one, other = spec("", SEARCH), spec("", SEARCH, "loss.gamma=2.5")
    assert effective_settings(one) != effective_settings(other)
    assert identity(one, "digest") != identity(other, "digest")
