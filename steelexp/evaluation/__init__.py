"""Evaluation: counts, whole strips, overlays."""
