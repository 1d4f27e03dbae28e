"""TensorFlow and its companions, imported when first used.

`steelexp --help`, `check` and `list` read the signatures of losses and models and must answer in
well under a second; importing TensorFlow takes several.
"""

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Tensor = Any
"""A `tf.Tensor`; an alias, because naming the class would import TensorFlow."""


class _Lazy:
    """A module by name, imported at the first attribute read from it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        if self._name not in sys.modules:
            with silence():
                importlib.import_module(self._name)
        return getattr(sys.modules[self._name], attribute)


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Drop what is printed: TensorFlow's C++ side logs the processor before its log level holds."""
    sys.stdout.flush()
    sys.stderr.flush()
    streams = [os.dup(1), os.dup(2)]
    with Path(os.devnull).open("w") as nowhere:
        try:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, copy in enumerate(streams, start=1):
                os.dup2(copy, number)
                os.close(copy)


tf: Any = _Lazy("tensorflow")
keras: Any = _Lazy("tf_keras")
segmentation_models: Any = _Lazy("segmentation_models")
h5py: Any = _Lazy("h5py")
