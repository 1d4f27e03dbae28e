"""Data: strips, folds, tiles, batches."""
