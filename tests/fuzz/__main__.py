"""python -m tests.fuzz: see driver.py."""

import sys

from tests.fuzz.driver import main

sys.exit(main())
