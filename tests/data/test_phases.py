import numpy as np
import pytest

from steelexp.data.dataset import DataError
from steelexp.data.phases import phase_at, training_phases
from steelexp.spec.training_section import PhaseSpec, TilingSpec, TrainingSpec
from tests.fakes import synthetic_dataset


def tiling(**settings):
    return TilingSpec.model_validate(settings)


COLUMNS = tiling(kind="columns", size=256, count=6)


def phases_of(phases, *sizes, epochs=3, base=COLUMNS):
    dataset = synthetic_dataset(*(sizes or [(256, 1600)] * 5))
    training = TrainingSpec(epochs=epochs, batch_size=4, phases=phases)
    rows = np.arange(len(dataset))
    return training_phases(training, base, dataset, rows, seed=0), training


def test_a_training_without_phases_has_one_of_all_epochs():
    (phase,), training = phases_of([])
    assert (phase.first, phase.last, phase.batch_size, phase.learning_rate_factor) == (1, 3, 4, 1)
    assert (phase.tile_count, phase.tile_size, phase.steps) == (30, (256, 256), 8)
    assert phase.uncovered == pytest.approx(64 / 1600)
    assert phase.summary == {
        "kind": "columns",
        "size": 256,
        "count": 6,
        "tiles": 30,
        "uncovered": 0.04,
    }
    assert training.phase_at(1) is None


def test_three_phases_by_hand():
    specs = [
        PhaseSpec(epochs=2, tiling=COLUMNS),
        PhaseSpec(
            epochs=1,
            tiling=tiling(kind="columns", size=[128, 512], count=3),
            learning_rate_factor=0.5,
        ),
        PhaseSpec(epochs=4, tiling=tiling(kind="whole"), batch_size=2, learning_rate_factor=0.1),
    ]
    phases, training = phases_of(specs, epochs=7)
    assert [(phase.first, phase.last) for phase in phases] == [(1, 2), (3, 3), (4, 7)]
    assert [phase.tile_size for phase in phases] == [(256, 256), (128, 512), (256, 1600)]
    assert [phase.tile_count for phase in phases] == [30, 15, 5]
    assert [phase.steps for phase in phases] == [8, 4, 3]
    assert phases[1].uncovered == pytest.approx(1 - 128 * 1536 / (256 * 1600))
    for epoch, number in zip(range(1, 8), (0, 0, 1, 2, 2, 2, 2), strict=True):
        assert phase_at(phases, epoch) is phases[number]
        assert training.phase_at(epoch) is training.phases[number]


def test_whole_images_of_several_sizes_are_refused_before_training():
    specs = [
        PhaseSpec(epochs=2, tiling=tiling(kind="random_crops", size=64, count=1)),
        PhaseSpec(epochs=1, tiling=tiling(kind="whole")),
    ]
    message = r"training\.phases\[1\]\.tiling: images of several sizes give tiles of several sizes"
    with pytest.raises(DataError, match=message):
        phases_of(specs, (64, 64), (64, 128))
