"""Answers read from run folders: nothing is imported here but records and specs."""
