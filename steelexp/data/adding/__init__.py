"""Adding labelled images to a data set on disk."""
