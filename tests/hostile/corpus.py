"""All hostile inputs by name."""

from tests.hostile import archives, images, labels, specs, tables

CASES = {
    case.name: case
    for case in (*specs.CASES, *images.CASES, *tables.CASES, *labels.CASES, *archives.CASES)
}
