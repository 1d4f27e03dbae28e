"""Processes forked from the tests' own, in place of fresh ones, which take 2 s to import Comet."""

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from steelexp.tracking import sending
from steelexp.tracking.service import Mode


class Forked:
    """What is used of subprocess.Popen."""

    def __init__(self, act: Callable[[], int]) -> None:
        read, write = os.pipe()
        self.returncode: int | None = None
        self.pid = os.fork()
        if not self.pid:
            _become(act, read)
        os.close(read)
        os.set_blocking(write, False)
        self.stdin: IO[bytes] = os.fdopen(write, "wb", 0)

    def poll(self) -> int | None:
        self._reap(os.WNOHANG)
        return self.returncode

    def wait(self, timeout: float = math.inf) -> int:
        until = time.monotonic() + timeout
        self._reap(os.WNOHANG if timeout < math.inf else 0)
        while self.returncode is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired("forked", timeout)
            time.sleep(0.01)
            self._reap(os.WNOHANG)
        return self.returncode

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def _reap(self, flags: int) -> None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, flags)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None


def begin_sending(folder: Path, mode: Mode, grace_seconds: float) -> Forked:
    """In place of steelexp.tracking.delivery.begin_sending."""
    return Forked(lambda: sending.main(folder.absolute(), mode, grace_seconds))


def _become(act: Callable[[], int], stdin: int) -> None:
    """The new process, without what the old one had open, the server's socket above all."""
    code = 70
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for source, target in ((stdin, 0), (nothing, 1), (nothing, 2)):
            os.dup2(source, target)
        os.closerange(3, 1024)
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
        os.setsid()
        code = act()
    finally:
        os._exit(code)
