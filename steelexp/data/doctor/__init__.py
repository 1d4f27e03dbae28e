"""The doctor: issues, statistics and near-duplicates of a data set."""
