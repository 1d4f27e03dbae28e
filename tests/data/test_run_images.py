from dataclasses import replace

import pytest

from steelexp.data.image_table import image_table
from steelexp.data.run_images import run_images
from steelexp.errors import UserError
from tests.fakes import labelled


def test_images_are_found_by_content_under_any_name(tmp_path):
    then = replace(labelled([[1]] * 5), image_hashes=("a", "b", "c", "d", "e"))
    parts = ("train", "val", "test", "train", "val")
    rows = [f"{name},{part}" for name, part in zip(then.names, parts, strict=True)]
    (tmp_path / "split.csv").write_text("\n".join(["image,part", *rows]) + "\n")
    with pytest.raises(UserError, match=r"keeps no images\.csv"):
        run_images(tmp_path, then)
    (tmp_path / "images.csv").write_text(image_table(then))
    now = replace(labelled([[1]] * 6), image_hashes=("new", "d", "b", "changed", "a", "c"))
    images = run_images(tmp_path, now)
    assert (images.train.tolist(), images.val.tolist(), images.missing) == ([4, 1], [2], 1)
