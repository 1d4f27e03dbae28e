import io

import numpy as np
from PIL import Image

from steelexp.inference.mask_png import mask_png, pack_bits
from steelexp.palette import CLASS_COLOURS, rgb


def test_bits_by_hand():
    masks = np.zeros((1, 3, 3), bool)
    masks[0, 0, 0] = masks[0, 1, 2] = masks[0, 2, 0] = masks[0, 2, 1] = True
    assert pack_bits(masks).tolist() == [[1, 4, 3]]


def test_a_program_reads_the_bits_and_a_viewer_sees_colours():
    bits = np.arange(256, dtype=np.uint8).reshape(16, 16)
    with Image.open(io.BytesIO(mask_png(bits))) as picture:
        assert (np.array(picture) == bits).all()
        colours = np.array(picture.convert("RGB"))
    assert tuple(colours[0, 0]) == (0, 0, 0)
    assert [tuple(colours[divmod(1 << c, 16)]) for c in range(8)] == list(map(rgb, CLASS_COLOURS))
    first, second = map(rgb, CLASS_COLOURS[:2])
    assert abs(colours[0, 3].astype(int) - (np.array(first) + second) / 2).max() <= 0.5
