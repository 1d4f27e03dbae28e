"""Splits of a data set into parts, and how they grow with it."""
