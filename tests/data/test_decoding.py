import contextlib
import io
import os

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from steelexp.data import image_header
from steelexp.data.data_error import DataError
from steelexp.data.decoding import brightest_value, read_grey, read_stored
from steelexp.data.image_header import read_file, read_header

GREY = np.arange(240).reshape(12, 20).astype(np.uint8)
ORIENTATION = 0x0112


def write(path, image, kind, orientation=1, **settings):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    image.save(path, kind, exif=exif, **settings)
    return path


def refusal(path, **settings):
    with pytest.raises(DataError) as refused:
        read_grey(path, **settings)
    return str(refused.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_orientation_is_applied_as_viewers_do(tmp_path, kind, orientation):
    settings = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95}}.get(kind, {})
    path = write(tmp_path / "a", Image.fromarray(GREY), kind, orientation, **settings)
    with Image.open(io.BytesIO(path.read_bytes())) as image:  # memory maps of TIFF are not turned
        shown = np.asarray(ImageOps.exif_transpose(image).convert("L"))
    assert np.array_equal(read_grey(path), shown)
    header = read_header(path)
    assert (header.height, header.width) == shown.shape
    assert header.orientation == orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_deep_images_and_masks_are_turned_alike(tmp_path, kind, orientation):
    deep = write(tmp_path / "a", Image.fromarray(GREY.astype(np.uint16) * 16), kind, orientation)
    mask = Image.fromarray(GREY % 4).convert("P")
    mask.putdata((GREY % 4).ravel().tolist())
    path = write(tmp_path / "b", mask, kind, orientation)
    whole = write(tmp_path / "c", Image.fromarray(GREY), kind, orientation).read_bytes()
    with Image.open(io.BytesIO(whole)) as image:
        shown = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(read_grey(deep, white=4080), shown)
    assert np.array_equal(read_stored(path), shown % 4)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
def test_12_bits_are_scaled_by_the_white_level(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    cv2.imwrite(str(path), np.array([[0, 8, 9, 2048, 4095]], np.uint16))
    assert read_header(path).bits == 16
    assert brightest_value(path) == 4095
    # 8 * 255 / 4095 = 0.498, 9 * 255 / 4095 = 0.56, 2048 * 255 / 4095 = 127.53
    assert read_grey(path, white=4095).tolist() == [[0, 0, 1, 128, 255]]


def test_an_image_of_8_bits_needs_no_white_level(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), GREY)
    assert np.array_equal(read_grey(tmp_path / "a.png", white=4095), GREY)
    assert brightest_value(tmp_path / "a.png") == 0


def test_deep_images_that_do_not_fit_are_refused(tmp_path):
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.full((2, 3), 5000, np.uint16))
    assert refusal(path).startswith("16 bits a channel and no white level; say which value is")
    assert refusal(path, white=4095).startswith("a value of 5000 is over the white level 4095;")


@pytest.mark.parametrize("suffix", [".jpe", ".jfif", ".ppm", ".gif", ".tga", ".pcx", ".dib"])
def test_types_of_opencv_and_pillow(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    image = Image.fromarray(np.full((8, 9), 200, np.uint8))
    image.save(path, {".jpe": "JPEG", ".jfif": "JPEG"}.get(suffix))
    assert np.abs(read_grey(path).astype(int) - 200).max() <= 1
    assert read_header(path)[:2] == (8, 9)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "a pointer of Git LFS"),
        (b"\x00\x05\x16\x07\x00\x02", "macOS metadata and not the image"),
        (b"  <!DOCTYPE html><html>", "a web page or XML"),
        (b"../../store/a.png", "the text of a link to ../../store/a.png and not the image"),
        (b"no picture", "the image is broken, or of a type that is not read"),
    ],
)
def test_one_advice_for_each_cause(tmp_path, content, reason):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    assert refusal(path).startswith(reason)


def test_an_image_cut_short_has_a_header_and_no_pixels(tmp_path):
    path = tmp_path / "a.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    cv2.imwrite(str(path), noise)
    path.write_bytes(path.read_bytes()[:-900])
    assert read_header(path)[:2] == (64, 64)
    assert refusal(path).startswith("the image is broken or cut short; copy it again")


def test_floating_point_and_pages_are_named(tmp_path):
    path = tmp_path / "a.tif"
    cv2.imwrite(str(path), GREY.astype(np.float32))
    assert refusal(path).startswith("32 bits a channel in floating point; save it as PNG or TIFF")
    page = Image.fromarray(GREY)
    page.save(path, save_all=True, append_images=[page, page])
    assert (
        refusal(path) == "more than one page or frame in one file; save each as a file of its own"
    )
    Image.fromarray(GREY.astype(np.int32)).save(path)
    assert refusal(path).startswith("32 bits a channel; save it as PNG or TIFF")


def test_one_limit_on_size(tmp_path, monkeypatch):
    for kind in ("PNG", "TIFF", "JPEG"):
        Image.fromarray(GREY).save(tmp_path / "a", kind)
        monkeypatch.setattr(image_header, "IMAGE_PIXELS", 240)
        assert read_grey(tmp_path / "a").shape == (12, 20)
        monkeypatch.setattr(image_header, "IMAGE_PIXELS", 239)
        assert refusal(tmp_path / "a").startswith("12 x 20 pixels are more than")


def test_links_to_nowhere_and_pipes_are_named(tmp_path):
    link = tmp_path / "a.png"
    link.symlink_to(tmp_path / "gone.png")
    with pytest.raises(DataError, match=r"a\.png: a link to .*gone\.png, which is not there;"):
        read_file(link)
    os.mkfifo(tmp_path / "b.png")
    with pytest.raises(DataError, match=r"b\.png: not a regular file; move it elsewhere"):
        read_file(tmp_path / "b.png")


def test_stored_values_of_low_bit_depths(tmp_path):
    classes = np.array([[0, 1, 2, 3]], np.uint8)
    for bits, values in ((2, classes), (4, classes * 5), (1, classes % 2)):
        path = tmp_path / f"{bits}.png"
        path.write_bytes(_png_of_bits(values, bits))
        assert read_stored(path).tolist() == values.tolist()


def _png_of_bits(values, bits):
    """A grey PNG of 1, 2 or 4 bits a pixel, which OpenCV and Pillow do not write."""
    import struct
    import zlib

    def chunk(name, data):
        code = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", code)

    height, width = values.shape
    rows = b""
    for row in values:
        digits = "".join(f"{value:0{bits}b}" for value in row).ljust(8 * -(-width * bits // 8), "0")
        rows += b"\0" + int(digits, 2).to_bytes(len(digits) // 8, "big")
    head = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def test_colours_are_red_green_blue(tmp_path):
    colour = np.zeros((2, 2, 3), np.uint8)
    colour[0, 0] = 255, 128, 0
    Image.fromarray(colour).save(tmp_path / "a.png")
    assert read_stored(tmp_path / "a.png")[0, 0].tolist() == [255, 128, 0]


def test_every_kind_of_content_ends_with_an_image_or_a_message(tmp_path):
    rng = np.random.default_rng(0)
    for kind in ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP"):
        whole = io.BytesIO()
        Image.fromarray(GREY).save(whole, kind)
        for _ in range(40):
            content = bytearray(whole.getvalue())
            for place in rng.integers(0, len(content), 3):
                content[place] = rng.integers(256)
            path = tmp_path / "a"
            path.write_bytes(bytes(content[: rng.integers(1, len(content) + 1)]))
            with contextlib.suppress(DataError):
                assert read_grey(path, white=2**16 - 1).dtype == np.uint8
