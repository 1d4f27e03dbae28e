from pathlib import Path

import pytest

from steelexp.data.augment import AUGMENTATIONS
from steelexp.plan import SpecModel
from steelexp.spec import SpecError, dump, load, read_resolved


class TestChain:
    """`augment`: functions by name, each with its settings."""

    def test_has_none_by_default(self, spec):
        assert spec().augment.bind(AUGMENTATIONS) == []

    def test_is_bound_in_the_registrys_order(self, spec):
        result = spec("augment: {noise: {std: 3.0}, flips: {vertical: false}}").augment
        flips, noise = result.bind(AUGMENTATIONS)
        assert (flips.func, noise.func) == (AUGMENTATIONS["flips"], AUGMENTATIONS["noise"])
        assert flips.keywords == {"horizontal": True, "vertical": False}
        assert noise.keywords["std"] == 3.0

    def test_is_inherited_one_by_one_and_false_takes_away(self, spec, folder):
        (folder / "parent.yaml").write_text(
            "extends: good.yaml\naugment: {flips: {horizontal: false}, noise: {std: 3.0}}\n"
        )
        child = "extends: parent.yaml\naugment: {flips: {vertical: false}, noise: false}\n"
        (folder / "child.yaml").write_text(child)
        (flips,) = load(Path("child.yaml"), model=SpecModel).augment.bind(AUGMENTATIONS)
        assert flips.keywords == {"horizontal": False, "vertical": False}

    def test_is_written_with_its_defaults_and_read_back(self, spec, folder):
        result = spec("augment: {flips: {}}")
        assert "augment:\n  flips: {horizontal: true, vertical: true}\n" in dump(result)
        (folder / "resolved.yaml").write_text(dump(result))
        (flips,) = read_resolved(folder / "resolved.yaml").augment.bind(AUGMENTATIONS)
        assert flips.keywords == {"horizontal": True, "vertical": True}

    @pytest.mark.parametrize(
        ("override", "message"),
        [
            ("augment.flps={}", "augment.flps: unknown setting; allowed: copy_paste, flips"),
            ("augment.flps={}", "did you mean flips?"),
            (
                "augment.mixup={}",
                "augment.mixup: not offered: a pixel of a mask is a bit, and a mix",
            ),
            ("augment.flps=false", "augment.flps: unknown setting"),
            ("augment.flips.noise=1", "augment.flips.noise: unknown setting; allowed: horizontal"),
            ("augment.flips.vertical=3", "augment.flips.vertical: 3: input should be a valid bool"),
            ("augment.flips=null", "augment.flips: None: a mapping of settings is expected"),
            ("augment.flips=true", "augment.flips: True: a mapping of settings is expected"),
            ("augment=flips", "augment: 'flips': a mapping of settings is expected"),
        ],
    )
    def test_what_is_wrong_is_said_with_its_place(self, spec, override, message):
        with pytest.raises(SpecError) as refused:
            spec("", override)
        assert message in str(refused.value)
