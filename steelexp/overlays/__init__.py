"""Overlays: pictures of images with ground truth and prediction."""
