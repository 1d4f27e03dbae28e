"""Where the tests find real images."""

import os
from pathlib import Path

import pytest

REALDATA = Path(os.environ.get("STEELEXP_REALDATA", Path(__file__).parents[2] / "shared" / "data"))
ABSENT = f"no real images in {REALDATA}; name their folder in STEELEXP_REALDATA"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what asks for the real images, and skip it where there are none."""
    for item in items:
        if "realdata" in getattr(item, "fixturenames", ()):
            item.add_marker("realdata")
        if item.get_closest_marker("realdata") and not REALDATA.is_dir():
            item.add_marker(pytest.mark.skip(reason=ABSENT))


@pytest.fixture(scope="session")
def realdata() -> Path:
    """Return the folder of real images: severstal_sample/, severstal_labels/, neu_seg.zip."""
    return REALDATA
