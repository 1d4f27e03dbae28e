"""Evaluation of a network: counts, metrics, post-processing rules, curves."""
