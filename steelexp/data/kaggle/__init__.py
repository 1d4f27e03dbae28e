"""Download of Severstal's data set from Kaggle, with the user's own account."""
