"""Strategies compared: which one beats the baseline, by how much."""
