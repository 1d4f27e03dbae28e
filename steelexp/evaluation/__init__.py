"""Evaluation: counts, whole images, overlays."""
