"""Data sets of images and of masks in image files."""
