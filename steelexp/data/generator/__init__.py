"""Generator of synthetic strips like Severstal's."""
