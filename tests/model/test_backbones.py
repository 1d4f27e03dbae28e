import numpy as np
import pytest

from steelexp.lazy import segmentation_models
from steelexp.model.backbones import BACKBONES, UNIT


def test_are_those_of_segmentation_models():
    assert sorted(BACKBONES) == sorted(segmentation_models.get_available_backbone_names())
    assert len(BACKBONES) == 32


@pytest.mark.parametrize("backbone", BACKBONES)
def test_scales_as_the_weights_were_trained(backbone):
    grey = np.array([0.0, 1.0, 100.0, 254.0, 255.0]).reshape(1, 1, 5, 1)
    image = grey.repeat(3, axis=-1)  # [1, 1, 5, 3]
    mean, std = BACKBONES[backbone]
    theirs = segmentation_models.get_preprocessing(backbone)(image.copy())
    np.testing.assert_allclose((image - mean) / std, theirs, atol=1e-5)


def test_unit_is_from_0_to_1():
    assert [(grey - UNIT.mean[0]) / UNIT.std[0] for grey in (0, 51, 255)] == [0.0, 0.2, 1.0]
    assert len(set(UNIT.mean)) == len(set(UNIT.std)) == 1
