"""thumbnails.json: overlays of a run as a page of many runs shows them.

A run writes it at its end, because encoding its overlays for a page takes longer than all else of
a page. It follows from the overlays: without it, or if they have changed since, it is made again.
So it is of no use to other programs and has no published schema.
"""

from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from steelexp.records.document import VersionError, read_model, write_document

FILE: Final = "thumbnails.json"
VERSION: Final = 1
_FIX: Final = "the overlays are encoded again"


class Thumbnail(BaseModel):
    """One overlay, small.

    Attributes:
        data: WebP image as base64.
        width: Width in pixels.
        height: Height in pixels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str
    width: int
    height: int


class Thumbnails(BaseModel):
    """The overlays of a run, small.

    Attributes:
        schema_version: Version of this file.
        sources: Overlay, below overlays/ -> its size in bytes, by which a change is noticed.
        largest: Bytes of the largest overlay as a page holds it, at each level but the last.
        pictures: Image -> epoch -> thumbnail; as many as a page of one run shows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    schema_version: Literal[1] = VERSION
    sources: dict[str, int]
    largest: list[int]
    pictures: dict[str, dict[int, Thumbnail]]


def write_thumbnails(file: Path, thumbnails: Thumbnails) -> None:
    """Write the file, whole or not at all."""
    write_document(file, thumbnails.model_dump(mode="json"), indent=None)


def read_thumbnails(file: Path, sources: dict[str, int]) -> Thumbnails | None:
    """Read the file; None where there is none, or one of other overlays or another version.

    Args:
        file: thumbnails.json of a run folder, or its copy in the cache.
        sources: Overlay -> its size in bytes, as they are now.

    Raises:
        UserError: It cannot be read, or is damaged.
    """
    if not file.is_file():
        return None
    try:
        thumbnails = read_model(file, Thumbnails, noun="thumbnails of overlays", fix=_FIX)
    except VersionError:
        return None
    return thumbnails if thumbnails.sources == sources else None
