"""Masks as PNG, inside label files and as files of their own."""

import io

import cv2
import numpy as np
from PIL import Image

from steelexp.data.forms.shapes import Mask, ShapeError, Size
from steelexp.limits import IMAGE_PIXELS


def bitmap_size(content: bytes) -> Size:
    """Height and width of the PNG of a mask, from its header.

    Raises:
        ShapeError: It is no PNG.
    """
    if content[:8] != b"\x89PNG\r\n\x1a\n" or content[12:16] != b"IHDR" or len(content) < 24:
        raise ShapeError("its mask is not a PNG")
    return int.from_bytes(content[20:24]), int.from_bytes(content[16:20])


def decode_bitmap(content: bytes) -> Mask:
    """Decode the PNG of a mask.

    Args:
        content: Content of a PNG; its opaque pixels, or without transparency those that are not
            black, are the mask.

    Returns:
        [H, W] bool.

    Raises:
        ShapeError: It is no image.
    """
    height, width = bitmap_size(content)
    if height * width > IMAGE_PIXELS:
        raise ShapeError(f"its mask has {height} x {width} pixels, more than an image may have")
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise ShapeError("its mask is not a PNG")
    if pixels.ndim == 2:
        return np.asarray(pixels > 0)
    return np.asarray(pixels[..., 3] > 0 if pixels.shape[2] == 4 else pixels.any(axis=2))


def encode_bitmap(mask: Mask) -> bytes:
    """Encode a mask, [H, W] bool, as black and white PNG."""
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, "PNG")
    return buffer.getvalue()
