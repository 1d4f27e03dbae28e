"""Dataset like Severstal's, drawn."""
