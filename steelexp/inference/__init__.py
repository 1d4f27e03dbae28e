"""Inference: scores of images, post-processing, prediction, export."""
