"""Versions of the installed packages on which a number may depend, and of the others.

The packages are found by their own requirements, so a package that another one brings along is
recorded, too. Requirements of extras are left out.
"""

import functools
import re
from collections.abc import Collection
from importlib import metadata

COMPUTING = (
    "tensorflow",
    "tf-keras",
    "segmentation-models",
    "numpy",
    "scipy",
    "opencv-python-headless",
    "pillow",
    "pandas",
    "pyarrow",
    "h5py",
    "scikit-learn",
    "xxhash",
)
"""Packages that decode, compute or store numbers. What they require counts with them."""

WITHOUT_EFFECT = frozenset(
    {
        # Network, terminal, installation: required by the packages above, but no number passes.
        *("certifi", "charset-normalizer", "grpcio", "idna", "requests", "urllib3"),
        *("markdown-it-py", "mdurl", "pygments", "rich", "termcolor"),
        *("google-pasta", "lazy-loader", "libclang", "namex", "packaging", "setuptools", "six"),
        *("typing-extensions", "wheel"),
    }
)
"""Requirements on which no number depends."""

_GPU = "nvidia-"
"""Start of the names of CUDA's packages, which TensorFlow requires by an extra."""


@functools.cache
def computing_packages() -> dict[str, str]:
    """Version of each installed package on which a number may depend."""
    return _closure(COMPUTING, WITHOUT_EFFECT)


@functools.cache
def other_packages() -> dict[str, str]:
    """Version of each other package that steelexp requires."""
    return _closure(("steelexp", "comet-ml"), computing_packages())


def _closure(roots: Collection[str], excluded: Collection[str]) -> dict[str, str]:
    """Versions of packages and, without end, of what they require, sorted by name."""
    versions: dict[str, str] = {}
    names = list(roots)
    while names:
        name = _normal(names.pop())
        if name in versions or name in excluded:
            continue
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        versions[name] = distribution.version
        names += filter(None, map(_required, distribution.requires or ()))
    return dict(sorted(versions.items()))


def _required(requirement: str) -> str | None:
    """Name of the package of a requirement; None for one of an extra, CUDA's apart."""
    match = re.match(r"[\w.-]+", requirement)
    name = match[0] if match else ""
    return None if re.search(r"\bextra *==", requirement) and not name.startswith(_GPU) else name


def _normal(name: str) -> str:
    """A package's name as indexes compare it: lower case, words joined by hyphens."""
    return re.sub(r"[-_.]+", "-", name).lower()
