import hashlib

import numpy as np

from steelexp.data.splits.split import Split, describe_split, leak, split_csv, split_digest
from tests.fakes import labelled

PIXELS = [[5, 0], [0, 0], [0, 7], [1, 1], [0, 0]]
SPLIT = Split(train=np.array([0, 3]), val=np.array([1]), test=np.array([2, 4]))


def test_leak_by_hand():
    assert leak(SPLIT, np.array([0, 1, 2, 3, 4])) == (0, 0, 0)
    assert leak(SPLIT, np.array([0, 0, 2, 3, 0])) == (1, 1, 1)  # 0, 1 and 4 are near-duplicates
    assert leak(SPLIT, np.array([0, 1, 0, 0, 3])) == (1, 0, 1)  # 0, 2 and 3
    assert leak(SPLIT, np.array([0, 1, 1, 0, 3])) == (1, 0, 0)  # val and test share a group
    assert leak(SPLIT, np.array([0, 1, 0, 3, 3])) == (2, 0, 2)


def test_description_by_hand():
    description = describe_split(labelled(PIXELS), SPLIT, np.array([0, 1, 0, 2, 3]))
    assert description == {
        "train": 2,
        "val": 1,
        "test": 2,
        "unused": 0,
        "images_per_class": {
            "train": {"1": 2, "2": 1},
            "val": {"1": 0, "2": 0},
            "test": {"1": 0, "2": 1},
        },
        "digest": hashlib.sha256(split_csv(labelled(PIXELS), SPLIT).encode()).hexdigest(),
        "groups": 4,
        "leak": {"groups": 1, "val": 0, "test": 1},
    }


def test_table_by_hand():
    assert split_csv(labelled(PIXELS), SPLIT) == (
        "image,part\n00000.jpg,train\n00001.jpg,val\n00002.jpg,test\n00003.jpg,train\n"
        "00004.jpg,test\n"
    )


def test_the_hash_changes_with_a_images_part_and_not_with_the_pixels():
    moved = Split(train=np.array([0]), val=np.array([1, 3]), test=np.array([2, 4]))
    dataset = labelled(PIXELS)
    assert split_digest(dataset, moved) != split_digest(dataset, SPLIT)
    assert split_digest(labelled(np.zeros((5, 2), int)), SPLIT) == split_digest(dataset, SPLIT)
