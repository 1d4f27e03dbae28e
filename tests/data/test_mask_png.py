import io

import numpy as np
from PIL import Image

from steelexp.data.bits import pack_bits
from steelexp.data.class_sets import set_of_value
from steelexp.data.mask_png import mask_png
from steelexp.palette import CLASS_COLOURS, rgb


def test_bits_by_hand():
    masks = np.zeros((1, 3, 3), bool)
    masks[0, 0, 0] = masks[0, 1, 2] = masks[0, 2, 0] = masks[0, 2, 1] = True
    assert pack_bits(masks).tolist() == [[1, 4, 3]]


def test_a_program_reads_class_numbers_and_a_viewer_sees_colours():
    bits = np.arange(8, dtype=np.uint8)[None]
    with Image.open(io.BytesIO(mask_png(bits, 3))) as picture:
        assert picture.mode == "P"
        assert np.array(picture).tolist() == [[0, 1, 2, 4, 3, 5, 6, 7]]
        colours = np.array(picture.convert("RGB"))[0]
    assert tuple(colours[0]) == (0, 0, 0)
    assert [tuple(colours[1 << c]) for c in range(3)] == list(map(rgb, CLASS_COLOURS[:3]))
    first, second = map(rgb, CLASS_COLOURS[:2])
    assert abs(colours[3].astype(int) - (np.array(first) + second) / 2).max() <= 0.5


def test_every_set_of_eight_classes_has_its_value_and_its_colour():
    bits = np.arange(256, dtype=np.uint8).reshape(16, 16)
    with Image.open(io.BytesIO(mask_png(bits, 8))) as picture:
        values = np.array(picture)
    assert [set_of_value(int(value), 8) for value in values.ravel()] == list(range(256))
    assert values.ravel()[[1, 2, 4, 8, 16, 32, 64, 128]].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]


def test_empty_masks_of_other_sizes_and_classes_have_files_of_their_own():
    files = {}
    for shape, classes in (((2, 3), 3), ((3, 2), 3), ((2, 3), 12), ((2, 3), 3)):
        file = mask_png(np.zeros(shape, np.uint16), classes)
        assert files.setdefault((shape, classes), file) == file
        with Image.open(io.BytesIO(file)) as picture:
            values = np.array(picture)
        assert (values.shape, values.max()) == (shape, 0)
    assert len(set(files.values())) == 3
