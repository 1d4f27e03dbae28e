"""Data: images, folds, tiles, batches."""
