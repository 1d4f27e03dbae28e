import numpy as np

from steelexp.data.duplicates.relatives import joint_groups
from tests.fakes import dataset_of


def test_an_image_and_its_mirror_image_in_another_set_share_a_group(tmp_path):
    draw = np.random.default_rng(0)
    images = [draw.integers(0, 256, (64, 96)).astype(np.uint8) for _ in range(5)]
    masks = [np.zeros((64, 96), np.uint8)] * 3
    sets = []
    for name, rows in (("a", images[:3]), ("b", [images[3], images[1][:, ::-1], images[4]])):
        (tmp_path / name).mkdir()
        sets.append(dataset_of(tmp_path / name, rows, masks, ("1",)))
    first, second = joint_groups(*sets)
    assert (first[:, None] == second[None]).tolist() == [
        [False, False, False],
        [False, True, False],
        [False, False, False],
    ]
