"""Augmentation of training tiles."""

from steelexp.data.augment.augmentations import AUGMENTATIONS, Augmentation, augment
from steelexp.data.augment.donors import Donors

__all__ = ["AUGMENTATIONS", "Augmentation", "Donors", "augment"]
