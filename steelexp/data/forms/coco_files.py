"""Where a data set has its COCO file and its images."""

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from steelexp.data.dataset import DataError
from steelexp.data.forms.writing import IMAGES
from steelexp.limits import LABEL_BYTES
from steelexp.regular_file import open_regular

_FIRST_KEY = re.compile(
    rb'(?:\xef\xbb\xbf)?\s*\{\s*"(info|licenses|images|annotations|categories|type)"'
)
_KEYS = tuple(re.compile(rf'"{key}"\s*:\s*\['.encode()) for key in ("images", "categories"))


def annotation_file(root: Path, annotations: str | None) -> Path:
    """The COCO file of a data set: as named, else the only one.

    Raises:
        DataError: There is no such file, or not exactly one.
    """
    if annotations is not None:
        if not (root / annotations).is_file():
            raise DataError(
                f"data.annotations: there is no file {root / annotations}; set data.annotations"
            )
        return root / annotations
    files = coco_files(root)
    if len(files) != 1:
        present_names = ", ".join(str(file.relative_to(root)) for file in files) or "none"
        raise DataError(
            f"{root}: not one COCO file but {len(files)} ({present_names}); name it "
            "with data.annotations"
        )
    return files[0]


def coco_files(root: Path) -> list[Path]:
    """JSON files in the root and in annotations/ with the keys of COCO."""
    files = [*sorted(root.glob("*.json")), *sorted((root / "annotations").glob("*.json"))]
    return [file for file in files if file.is_file() and _has_keys(file)]


def _has_keys(file: Path) -> bool:
    try:
        with open_regular(file, LABEL_BYTES) as opened:
            if not _FIRST_KEY.match(opened.read(2**12)):
                return False
            opened.seek(0)
            content = opened.read()
    except OSError:
        return False
    return all(key.search(content) for key in _KEYS)


def folder_of_images(names: Sequence[str], root: Path) -> Path:
    """The folder below the root that most images are in: exports name their parts differently.

    COCO's own set has train2017/ beside annotations/, CVAT's exports have images/default/.

    Args:
        names: Names of the images in the file.
        root: Root folder of the data set.
    """
    tops = [folder for folder in (root / IMAGES, root) if folder.is_dir()]
    below = [path for top in tops for path in sorted(top.iterdir()) if path.is_dir()]
    counts = {folder: sum((folder / name).is_file() for name in names) for folder in tops + below}
    return max(counts, key=lambda folder: counts[folder])


def image_name(file_name: str) -> str:
    """The name of an image: its `file_name` with slashes."""
    return PurePosixPath(file_name.replace("\\", "/")).as_posix()
