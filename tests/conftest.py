"""Where the tests find real images."""

import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import settings

# How long an example takes is the machine's business: two busy cores miss the default of 200 ms.
settings.register_profile("steelexp", deadline=None)
settings.load_profile("steelexp")

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


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Decode data sets into a folder of the tests' own, and do not measure the machine there."""
    folder = str(tmp_path_factory.mktemp("cache"))
    with mock.patch.dict(os.environ, {"STEELEXP_CACHE": folder, "STEELEXP_PROBE": "off"}):
        yield


@pytest.fixture
def no_comet_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hide the settings of whoever runs the tests, and undo those that the tracker makes."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COMET_")}
    with mock.patch.dict(os.environ, kept, clear=True):
        monkeypatch.setenv("COMET_API_KEY", "")  # an empty one hides ~/.comet.config
        monkeypatch.setenv("HOME", str(tmp_path))
        yield
