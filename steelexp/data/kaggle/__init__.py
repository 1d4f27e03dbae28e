"""Severstal from Kaggle, with the user's own account."""
