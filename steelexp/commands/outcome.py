"""Exit codes of the command line."""

DONE = 0
FAILED = 1
WRONG_REQUEST = 2
BUG = 3
INTERRUPTED = 130
BROKEN_PIPE = 141
