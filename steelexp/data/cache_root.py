"""The folder of the caches."""

import os
from pathlib import Path

CACHE_FIX = "set STEELEXP_CACHE to a folder that can be written and has room"


def cache_root() -> Path:
    """Folder of the caches: STEELEXP_CACHE, or data/cache below the current folder."""
    return Path(os.environ.get("STEELEXP_CACHE") or "data/cache")
