"""Exit codes of the command line."""

DONE, FAILED, WRONG_REQUEST, BUG, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 3, 130, 141
