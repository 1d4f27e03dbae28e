"""The largest inputs that are read, and the largest settings that are taken.

A larger input is refused before its content is looked at.

Each limit is well above what data of inspected steel need. docs/limits.md has a table, with the
time and memory that inputs at the limits took.
"""

from typing import Annotated

from pydantic import Field

SPEC_BYTES = 2**18
"""Bytes of a spec or of another YAML file."""

YAML_VALUES = 5_000
"""Values of a YAML text, those that an alias repeats counted again."""

YAML_DEPTH = 32
"""Levels of mappings and lists within one another."""

YAML_TEXT = 10_000
"""Characters of one text."""

KEY_TEXT = 200
"""Characters of a key of a spec."""

NUMBER_TEXT = 100
"""Characters of a number in a spec."""

ANCESTORS = 20
"""Specs that inherit from one another with `extends`."""

SEEDS = 1_000
"""Seeds of one command."""

LINES = 50
"""Problems of specs that are listed at a time."""

IMAGE_PIXELS = 10**8
"""Pixels of an image: 10,000 x 10,000, or 100,000 columns of 1,000 pixels."""

IMAGE_BYTES = 2**30
"""Bytes of an image file: 100 million pixels of four channels of 16 bits, and more."""

PNG_CHUNKS = 100_000
"""Chunks of a PNG; libpng writes one for each 8 kB."""

IMAGE_SCANS = 100
"""Scans of a progressive JPEG, each of which is as long as the image; Pillow writes 6 for grey."""

TABLE_BYTES = 2**28
"""Bytes of a table of comma-separated values."""

TABLE_ROWS = 1_000_000
"""Rows of a table."""

TABLE_COLUMNS = 100
"""Columns of a table."""

TABLE_LINE = 2**24
"""Characters of a line and of a cell: the runs of a noisy mask take 2 MB."""

LABEL_BYTES = 2**27
"""Bytes of a JSON or text file of labels."""

LABEL_NAME = 1_000
"""Characters of a class name or of an image's name in a label file."""

BITMAP_BYTES = 2**26
"""Bytes of a mask in a label file, after decompression."""

ARCHIVE_BYTES = 2**34
"""Bytes of an archive's content after decompression: Severstal has 1.7 GB."""

ARCHIVE_RATIO = 100
"""Bytes that a byte of an archive may become: of train.csv 2.5."""

ARCHIVE_FILES = 200_000
"""Files in an archive: Severstal has 18,076."""

RUN_FILE_BYTES = 2**30
"""Bytes of a JSON file in a run folder."""

JOURNAL_BYTES = 2**36
"""Bytes of a journal, read by lines: a prediction of noisy images takes 2 MB an image."""

WEIGHTS_BYTES = 2**34
"""Bytes of a file of weights, and of an exported network."""

SEARCH_VALUES = 10_000
"""Values of one setting in a search."""

SEARCH_COMBINATIONS = 20_000
"""Combinations of values that conditions of a search make."""

SEARCH_STARTS = 1_000
"""Starting points of a search."""

TILES = 100_000
"""Tiles of one image."""

MOST_STRIPS = 1_000_000
"""Strips of a synthetic data set: 110 GB."""

Seed = Annotated[int, Field(ge=0, lt=2**32)]
Epochs = Annotated[int, Field(gt=0, le=100_000)]
BatchSize = Annotated[int, Field(gt=0, le=16_384)]
Accumulate = Annotated[int, Field(gt=0, le=1_000)]
Workers = Annotated[int, Field(gt=0, le=1_024)]
Overlays = Annotated[int, Field(ge=0, le=1_000)]
Trials = Annotated[int, Field(gt=0, le=100_000)]
SearchPoints = Annotated[int, Field(gt=0, le=1_000)]
TileSide = Annotated[int, Field(ge=32, le=8_192, multiple_of=32)]
TileCount = Annotated[int, Field(gt=0, le=10_000)]
Pixels = Annotated[int, Field(gt=0, le=8_192)]
Strips = Annotated[int, Field(gt=0, le=MOST_STRIPS)]
FilterCount = Annotated[int, Field(gt=0, le=4_096)]
