"""One example of a target: it is read or refused, within its time and memory."""

import contextlib
import io
import resource
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from tests.fuzz.mutations import changed, mutated
from tests.fuzz.targets import Target

MEGABYTES = 500.0


def examples(target: Target) -> st.SearchStrategy[bytes]:
    """Contents of a target: valid ones, changed by bytes or by values."""
    by_bytes = mutated(target.contents())
    if target.values is None:
        return by_bytes
    return by_bytes | changed(target.values()).map(target.seal)


def check(target: Target, content: bytes) -> Any:
    """Read a content; what was read, or the error that refused it.

    Raises:
        AssertionError: It took too long or too much memory.
        Exception: The reader ended with another error than a refusal.
    """
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.process_time()
    outcome = _read(target, content)
    seconds = time.process_time() - begin
    megabytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1000
    assert seconds <= target.seconds, f"{seconds:.1f} s"
    assert megabytes <= MEGABYTES, f"{megabytes:.0f} MB"
    return outcome


def _read(target: Target, content: bytes) -> Any:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quiet = io.StringIO()
        with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
            try:
                return target.read(Path(folder), content)
            except target.errors as error:
                return error
