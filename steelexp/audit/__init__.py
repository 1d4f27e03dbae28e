"""Audit of labels: components whose labels disagree with networks that have not seen the image."""
