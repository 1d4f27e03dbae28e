"""Scores that more labelled images would give, from runs on subsets of the training images."""
