"""The limits in the documentation are those of the code."""

import os
import re
from pathlib import Path

from steelexp import limits

PAGE = Path(__file__).parents[1] / "docs" / "limits.md"
ROW = re.compile(r"^\|[^|]+\| `([A-Z_]+)` \| ([\d,]+)", re.MULTILINE)


def test_the_page_states_every_limit():
    stated = {name: int(number.replace(",", "")) for name, number in ROW.findall(PAGE.read_text())}
    numbers = {name: value for name, value in vars(limits).items() if isinstance(value, int)}
    assert stated == {name: value for name, value in numbers.items() if name != "LINES"}


def test_opencv_has_the_limit_of_images():
    assert int(os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"]) == limits.IMAGE_PIXELS
