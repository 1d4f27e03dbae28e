"""Inference: sliding window, test-time augmentation, post-processing, prediction, export."""
