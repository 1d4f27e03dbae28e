"""Strips like Severstal's, drawn."""
