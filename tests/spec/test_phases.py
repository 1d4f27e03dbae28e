"""`training.phases`: a list of sections with a component in each."""

import pytest

from steelexp.spec import SpecError, dump, read_resolved

WHOLE = "{epochs: 2, tiling: {kind: whole}}"


def test_a_phase_has_its_tiling_and_every_default(spec, folder):
    result = spec("", "training.phases=[{epochs: 1, tiling: {kind: cover}}, " + WHOLE + "]")
    first, second = result.training.phases
    assert first.tiling.settings == {"size": 256, "stride": 224}
    assert (second.tiling.choice, second.batch_size, second.learning_rate_factor) == (
        "whole",
        None,
        1.0,
    )
    (folder / "resolved.yaml").write_text(dump(result))
    resolved = read_resolved(folder / "resolved.yaml")
    assert dump(resolved) == dump(result)
    assert resolved.training.phase_at(2).tiling.choice == "whole"


@pytest.mark.parametrize(
    ("phases", "message"),
    [
        (
            "[{epochs: 1, tiling: {kind: whole}}]",
            (
                "training.phases: [{'epochs': 1, 'tiling': {'kind': 'whole'}}]: they have 1 epochs "
                "and training.epochs is 2; add epochs to one, or set training.epochs=1"
            ),
        ),
        (
            "[{epochs: 2, tiling: {kind: covr}}]",
            (
                "training.phases[0].tiling.kind: 'covr' is not known; allowed: columns, cover, "
                "random_crops, whole; did you mean cover?"
            ),
        ),
        (
            "[" + WHOLE + ", {epochs: 2, tiling: {size: 32}}]",
            "training.phases[1].tiling.kind: missing; allowed: columns, cover, random_crops, whole",
        ),
        (
            "[{epochs: 2, tiling: {kind: cover, size: [32, 48]}}]",
            "training.phases[0].tiling.size[1]: 48: input should be a multiple of 32",
        ),
        ("[{epochs: 2}]", "training.phases[0].tiling: missing"),
        (
            "[{epochs: 2, tiling: {kind: whole}, rate: 3}]",
            (
                "training.phases[0].rate: unknown setting; allowed: epochs, tiling, batch_size, "
                "learning_rate_factor"
            ),
        ),
        (
            "[{epochs: 2, tiling: {kind: whole}, learning_rate_factor: 0.0}]",
            "training.phases[0].learning_rate_factor: 0.0: input should be greater than 0",
        ),
        ("[3]", "training.phases[0]: 3: a mapping of settings is expected"),
        ("3", "training.phases: 3: input should be a valid list"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(spec, phases, message):
    with pytest.raises(SpecError) as refused:
        spec("", f"training.phases={phases}")
    assert message in str(refused.value)


def test_more_epochs_than_are_trained_are_allowed(spec):
    assert spec("", f"training.phases=[{WHOLE}, {WHOLE}]").training.epochs == 2
