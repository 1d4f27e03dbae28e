"""New JSON files of labelme, and new images beside them."""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from steelexp.data.adding.addition import Addition
from steelexp.data.adding.moves import Staging
from steelexp.data.dataset import raise_if
from steelexp.data.forms.labelme import write_labelme
from steelexp.data.forms.writing import IMAGES


def stage_labelme(addition: Addition, settings: Mapping[str, Any], staging: Staging) -> None:
    """Stage the JSON files, with polygons, then the images.

    Args:
        addition: Images and labels.
        settings: Data section of the data set.
        staging: Files to move to their places.

    Raises:
        DataError: Two images would share a JSON file; all are listed.
    """
    raise_if(addition.shared_stems("JSON file"))
    images = addition.images_folder
    labels = images if settings["labels"] is None else settings["labels"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "set")
        write_labelme(addition.dataset, folder, polygons=True, place=lambda image, target: None)
        for name in addition.dataset.names:
            stem = PurePosixPath(name).with_suffix(".json")
            content = json.loads((folder / IMAGES / stem).read_text("utf-8"))
            file = PurePosixPath(labels, stem)
            content["imagePath"] = os.path.relpath(PurePosixPath(images, name), file.parent)
            staging.add(str(file)).write_text(json.dumps(content) + "\n", "utf-8")
    for target, path in addition.images():
        shutil.copy2(path, staging.add(target))
