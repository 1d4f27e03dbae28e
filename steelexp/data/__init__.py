"""Data sets, splits, tiles, samplers, augmentation and the input pipeline."""
